"""What a checkpoint's config.json says of its BERT, checked before anything is built from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tfner.exceptions import ModelError
from tfner.safeio.json_text import read_json_object
from tfner.safeio.printable import show

SIZES = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "max_position_embeddings",
         "type_vocab_size")  # fmt: skip
FRACTIONS = (
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "initializer_range",
    "layer_norm_eps",
)
MOST_NUMBERS = 4_000_000_000  # weights; the largest BERTs have a tenth of it


def read_bert_config(path: Path) -> dict[str, Any]:
    """The settings of a BERT; what else the file says is left out.

    Raises:
        ModelError: it is not BERT's, or a setting has a value that no BERT can have.
    """
    values = read_json_object(path, ModelError)
    kind = values.get("model_type", "bert")
    if kind != "bert":
        raise ModelError(
            f"{path}: expected model_type bert, got {kind if isinstance(kind, str) else show(kind)}"
        )
    if values.get("is_decoder") or values.get("add_cross_attention"):
        raise ModelError(f"{path}: expected an encoder, got is_decoder or add_cross_attention")
    for name in SIZES:
        value = values.get(name, 1)
        if type(value) is not int or value < 1:
            raise ModelError(
                f"{path}: no BERT can be built from it: {name}: expected a whole number of at least 1, got {show(value)}"
            )
    for name in FRACTIONS:
        value = values.get(name, 0.0)
        if type(value) not in (int, float) or not 0 <= value < 1:
            raise ModelError(
                f"{path}: no BERT can be built from it: {name}: expected a number from 0 to below 1, got {show(value)}"
            )
    hidden, heads = values.get("hidden_size", 768), values.get("num_attention_heads", 12)
    if hidden % heads:
        raise ModelError(
            f"{path}: no BERT can be built from it: hidden_size: expected a multiple of {heads} heads, got {hidden}"
        )
    if not isinstance(values.get("hidden_act", ""), str):
        raise ModelError(
            f"{path}: no BERT can be built from it: hidden_act: expected a name, got {show(values['hidden_act'])}"
        )
    return {name: values[name] for name in (*SIZES, *FRACTIONS, "hidden_act") if name in values}


def count_weights(config: Any) -> int:
    """How many numbers an encoder of a BertConfig has, without pooler and heads."""
    hidden, inner = config.hidden_size, config.intermediate_size
    layer = 4 * (hidden + 1) * hidden + (hidden + 1) * inner + (inner + 1) * hidden + 4 * hidden
    rows = config.vocab_size + config.max_position_embeddings + config.type_vocab_size
    return rows * hidden + 2 * hidden + config.num_hidden_layers * layer


def check_count(path: Path, numbers: int) -> None:
    """Refuse what would fill any machine's memory.

    Raises:
        ModelError: the encoder would be larger than BERTs are.
    """
    if numbers > MOST_NUMBERS:
        raise ModelError(
            f"{path}: no BERT can be built from it: expected at most {MOST_NUMBERS:,} weights, got sizes for {numbers:,}"
        )
