"""Builds a classifier with random weights as a run would train it, and random batches for it.

Packed and padded batches hold the same sentences.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tfner.tagging.schemes import LabelSet

SHAPES = {  # layers, hidden, heads, inner, vocabulary
    "minilm": (6, 384, 12, 1536, 30522),
    "base": (12, 768, 12, 3072, 30522),
    "tiny": (1, 32, 4, 64, 200),
}
SENTENCE_LENGTHS = (8, 48)
TYPES = ("CORP", "GROUP", "LOC", "PER", "PROD", "WORK")
TAGS = LabelSet(TYPES).tags


def build_model(
    folder: Path,
    implementation: Any,
    precision: Any,
    *,
    pretrained: bool = False,
    metrics: bool = True,
    restricted: bool = False,
) -> Any:
    """Build a TokenClassifier, compiled with optimizer and metrics.

    `folder` holds config.json and, if pretrained, weights. `restricted` to the ids that batches
    draw, as a run from memory is, the fused pass updates no other word embeddings.
    """
    import tf_keras as keras

    from tfner.model.build import precision as under_policy
    from tfner.model.classifier import TokenClassifier
    from tfner.model.encoders.families import build_encoder
    from tfner.model.heads.softmax import SoftmaxHead
    from tfner.model.metrics import EntityF1, MaskedAccuracy
    from tfner.model.optimizer import build_optimizer

    keras.backend.experimental.enable_tf_random_generator()  # dropout as in a run
    with under_policy(precision):
        encoder = build_encoder(folder, pretrained=pretrained, implementation=implementation)
        model = TokenClassifier(encoder, SoftmaxHead(LabelSet(TYPES)))
        model.build_for_any_shape()
    if restricted and implementation == "fused":
        known = ids_in_use(encoder.config.vocab_size)
        model.restrict_embedding_update([0, *known])
    counted = [MaskedAccuracy(), EntityF1(TAGS)] if metrics else []
    model.compile(build_optimizer(2e-4, 1000), label_metrics=counted)
    return model


def ids_in_use(vocabulary: int) -> range:
    """Choose three tenths of a vocabulary, as a corpus of some thousand sentences holds."""
    return range(vocabulary // 10, vocabulary * 4 // 10)


def write_config(folder: Path, shape: str) -> Path:
    """Write the config.json of a shape; give its folder."""
    layers, hidden, heads, inner, vocabulary = SHAPES[shape]
    config = {
        "model_type": "bert",
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "intermediate_size": inner,
        "vocab_size": vocabulary,
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def inference(
    model: Any, implementation: str, *, compiled: bool = False
) -> Callable[[dict[str, Any]], Any]:
    """Give the function that turns {"input_ids", "attention_mask"} into logits [B, T, K].

    One that is not compiled leaves padding out, as an export does.
    """
    import tensorflow as tf

    from tfner.model.inference.frozen import FrozenClassifier

    if implementation != "fused":
        return lambda inputs: model(inputs, training=False)
    frozen = FrozenClassifier(model, tf.as_dtype(model.compute_dtype))
    if compiled:
        return frozen
    return lambda inputs: frozen({**inputs, "wanted": inputs["attention_mask"] > 0})


def make_batches(row_count: int, length: int, known: Sequence[int]) -> tuple[Any, Any]:
    """Make (x, y, label_mask) of the same random sentences of `known` ids, packed and padded.

    Returns:
        The packed batch [row_count, length], every row full, and the padded one, a sentence a row.
    """
    import numpy as np

    random = np.random.default_rng(0)
    rows = [cut_row(random, length) for _ in range(row_count)]
    lengths = np.concatenate(rows)
    pieces = lengths.sum()
    ids, labels = random.choice(known, pieces), random.integers(0, len(TAGS), pieces)
    labelled = random.random(pieces) < 0.6  # first pieces of words
    segments = np.concatenate([np.repeat(np.arange(1, len(row) + 1), row) for row in rows])
    positions = np.concatenate([np.arange(length) for length in lengths])
    flat = (ids, segments, positions, labels, labelled)
    packed = [values.reshape(row_count, length) for values in flat]
    width = -(-lengths.max() // 8) * 8  # batches of a run are padded to a multiple of 8
    is_piece = np.arange(width) < lengths[:, None]
    padded = [np.zeros(is_piece.shape, int) for _ in range(3)]
    for filled, values in zip(padded, (ids, labels, labelled), strict=True):
        filled[is_piece] = values
    packed_x = dict(zip(("input_ids", "segment_ids", "position_ids"), packed[:3], strict=True))
    padded_x = {"input_ids": padded[0], "attention_mask": is_piece}
    return as_tensors(packed_x, *packed[3:]), as_tensors(padded_x, *padded[1:])


def as_tensors(x: dict[str, Any], y: Any, mask: Any) -> tuple[dict[str, Any], Any, Any]:
    """Convert a batch's arrays to the tensors that `fit` gets: int32, int32, float32."""
    import tensorflow as tf

    inputs = {name: tf.constant(value, tf.int32) for name, value in x.items()}
    return inputs, tf.constant(y, tf.int32), tf.constant(mask, tf.float32)


def cut_row(random: Any, length: int) -> list[int]:
    """Draw lengths of sentences that fill a row; the last is what room is left."""
    lengths: list[int] = []
    while (room := length - sum(lengths)) > 0:
        drawn = int(random.integers(*SENTENCE_LENGTHS, endpoint=True))
        lengths.append(min(room, drawn))
    return lengths
