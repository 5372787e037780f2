"""Read what a checkpoint's config.json says of its BERT, and check it before anything is built."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tfner.exceptions import ModelError
from tfner.safeio.json_text import read_json_object
from tfner.safeio.printable import show

SIZES = (
    *("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads"),
    *("intermediate_size", "max_position_embeddings", "type_vocab_size"),
)
DROPOUTS = ("hidden_dropout_prob", "attention_probs_dropout_prob")
FRACTIONS = (*DROPOUTS, "initializer_range", "layer_norm_eps")
READ = (*SIZES, *FRACTIONS, "hidden_act")
MAX_WEIGHTS = 4_000_000_000  # the largest BERTs have a tenth of it


def read_bert_config(path: Path) -> dict[str, Any]:
    """Read the settings of a BERT; what else the file says is left out.

    Raises:
        ModelError: a setting has a value that no BERT can have.
    """
    values = read_json_object(path, ModelError)
    if values.get("is_decoder") or values.get("add_cross_attention"):
        raise ModelError(f"{path}: expected an encoder, got is_decoder or add_cross_attention")
    for fault in faults(values):
        raise ModelError(f"{path}: no BERT can be built from it: {fault}")
    return {name: values[name] for name in READ if name in values}


def faults(values: dict[str, Any]) -> Iterator[str]:
    """Say what is wrong with settings, one after the other."""
    for name in SIZES:
        value = values.get(name, 1)
        if type(value) is not int or value < 1:
            got = show(value)
            yield f"{name}: expected a whole number of at least 1, got {got}"
    for name in FRACTIONS:
        value = values.get(name, 0.0)
        if type(value) not in (int, float) or not 0 <= value < 1:
            got = show(value)
            yield f"{name}: expected a number from 0 to below 1, got {got}"
    hidden = values.get("hidden_size", 768)
    heads = values.get("num_attention_heads", 12)
    if hidden % heads:
        yield f"hidden_size: expected a multiple of {heads} heads, got {hidden}"
    activation = values.get("hidden_act", "")
    if not isinstance(activation, str):
        yield f"hidden_act: expected a name, got {show(activation)}"


def count_weights(config: Any) -> int:
    """Count the numbers in an encoder of a BertConfig, without pooler and heads."""
    hidden = config.hidden_size
    inner = config.intermediate_size
    attention = 4 * (hidden + 1) * hidden
    products = (hidden + 1) * inner + (inner + 1) * hidden
    layer = attention + products
    layer += 4 * hidden  # two normalizations
    rows = config.vocab_size + config.max_position_embeddings + config.type_vocab_size
    return (rows + 2) * hidden + config.num_hidden_layers * layer


def check_count(path: Path, numbers: int) -> None:
    """Refuse what would fill any machine's memory.

    Raises:
        ModelError: the encoder would be larger than BERTs are.
    """
    if numbers > MAX_WEIGHTS:
        fault = f"expected at most {MAX_WEIGHTS:,} weights, got sizes for {numbers:,}"
        raise ModelError(f"{path}: no BERT can be built from it: {fault}")
