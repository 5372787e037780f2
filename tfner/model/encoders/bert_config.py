"""Read what a checkpoint's config.json says of its BERT, and check it before anything is built."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tfner.exceptions import ModelError
from tfner.safeio.bert_families import BERT_FAMILIES, BertFamily, find_bert_family
from tfner.safeio.json_text import read_json_object
from tfner.safeio.printable import show

SIZES = (
    *("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads"),
    *("intermediate_size", "max_position_embeddings", "type_vocab_size"),
)
DROPOUTS = ("hidden_dropout_prob", "attention_probs_dropout_prob")
FRACTIONS = (*DROPOUTS, "initializer_range", "layer_norm_eps")
READ = (*SIZES, *FRACTIONS, "hidden_act")
NARROW = "embedding_size"
MAX_WEIGHTS = 4_000_000_000  # the largest BERTs have a tenth of it


def read_bert_config(path: Path) -> dict[str, Any]:
    """Read the settings of a BERT, by BERT's names; what else the file says is left out.

    Positions are those that texts have: of RoBERTa's table of 514 rows they are 512. Two settings
    are ours: `family`, a name in BERT_FAMILIES, and `unused_positions`, the rows in front of them.

    Raises:
        ModelError: a setting has a value that no BERT can have.
    """
    values = read_json_object(path, ModelError)
    if values.get("is_decoder") or values.get("add_cross_attention"):
        raise ModelError(f"{path}: expected an encoder, got is_decoder or add_cross_attention")
    family = find_bert_family(values) or BERT_FAMILIES["bert"]
    settings = read_settings(family, values)
    for fault in faults(settings, family):
        raise ModelError(f"{path}: no BERT can be built from it: {fault}")
    unused = family.unused_positions(values)
    positions = settings.get("max_position_embeddings", 512)
    if unused >= positions:
        fault = f"max_position_embeddings: expected more than {unused} rows, got {positions}"
        raise ModelError(f"{path}: no BERT can be built from it: {fault}")
    if unused:
        settings["max_position_embeddings"] = positions - unused
    return {**settings, "family": family.model_type, "unused_positions": unused}


def read_settings(family: BertFamily, values: dict[str, Any]) -> dict[str, Any]:
    """Take the settings that are given or that a family has a default for, by BERT's names."""
    names = (*READ, NARROW) if family.has_embedding_size else READ
    settings = dict(family.defaults)
    for name in names:
        own = family.setting(name)
        if own in values:
            settings[name] = values[own]
    return settings


def faults(values: dict[str, Any], family: BertFamily) -> Iterator[str]:
    """Say what is wrong with settings, one after the other, by the names of their file."""
    for name in (*SIZES, NARROW):
        value = values.get(name, 1)
        if type(value) is not int or value < 1:
            own, got = family.setting(name), show(value)
            yield f"{own}: expected a whole number of at least 1, got {got}"
    for name in FRACTIONS:
        value = values.get(name, 0.0)
        if type(value) not in (int, float) or not 0 <= value < 1:
            own, got = family.setting(name), show(value)
            yield f"{own}: expected a number from 0 to below 1, got {got}"
    hidden = values.get("hidden_size", 768)
    heads = values.get("num_attention_heads", 12)
    if hidden % heads:
        own = family.setting("hidden_size")
        yield f"{own}: expected a multiple of {heads} heads, got {hidden}"
    activation = values.get("hidden_act", "")
    if not isinstance(activation, str):
        own, got = family.setting("hidden_act"), show(activation)
        yield f"{own}: expected a name, got {got}"


def embedding_width(config: Any) -> int:
    """Give the width of a BertConfig's embeddings: ELECTRA's may be less than its hidden size."""
    return getattr(config, NARROW, config.hidden_size)


def count_weights(config: Any) -> int:
    """Count the numbers in an encoder of a BertConfig, without pooler and heads."""
    hidden = config.hidden_size
    inner = config.intermediate_size
    width = embedding_width(config)
    attention = 4 * (hidden + 1) * hidden
    products = (hidden + 1) * inner + (inner + 1) * hidden
    layer = attention + products
    layer += 4 * hidden  # two normalizations
    rows = config.vocab_size + config.max_position_embeddings + config.type_vocab_size
    embeddings = (rows + 2) * width
    if width != hidden:
        embeddings += (width + 1) * hidden
    return embeddings + config.num_hidden_layers * layer


def check_count(path: Path, numbers: int) -> None:
    """Refuse what would fill any machine's memory.

    Raises:
        ModelError: the encoder would be larger than BERTs are.
    """
    if numbers > MAX_WEIGHTS:
        fault = f"expected at most {MAX_WEIGHTS:,} weights, got sizes for {numbers:,}"
        raise ModelError(f"{path}: no BERT can be built from it: {fault}")
