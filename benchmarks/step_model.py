"""A classifier with random weights as a run would train it, and random batches for it: packed and padded, of the same sentences."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

SHAPES = {  # layers, hidden, heads, inner, vocabulary
    "minilm": (6, 384, 12, 1536, 30522),
    "base": (12, 768, 12, 3072, 30522),
    "tiny": (1, 32, 4, 64, 200),
}
SENTENCE_LENGTHS = (8, 48)
TAGS = (
    "O",
    *(
        f"{prefix}-{label}"
        for label in ("CORP", "GROUP", "LOC", "PER", "PROD", "WORK")
        for prefix in "BI"
    ),
)


def build_model(
    folder: Path,
    implementation: Any,
    precision: Any,
    *,
    pretrained: bool = False,
    metrics: bool = True,
) -> Any:
    """A TokenClassifier, compiled with loss, optimizer and metrics; `folder` holds config.json and, if pretrained, weights."""
    import tf_keras as keras

    from tfner.model.build import precision as under_policy
    from tfner.model.classifier import TokenClassifier
    from tfner.model.encoders.bert import build_encoder
    from tfner.model.losses import MaskedSparseCategoricalCrossentropy
    from tfner.model.metrics import EntityF1, MaskedAccuracy
    from tfner.model.optimizer import build_optimizer

    keras.backend.experimental.enable_tf_random_generator()  # dropout as in a run
    with under_policy(precision):
        encoder = build_encoder(folder, pretrained=pretrained)
        model = TokenClassifier(
            encoder, len(TAGS), implementation=implementation
        ).build_for_any_shape()
    counted = [MaskedAccuracy(), EntityF1(TAGS)] if metrics else []
    model.compile(
        build_optimizer(2e-4, 1000),
        loss=MaskedSparseCategoricalCrossentropy(),
        weighted_metrics=counted,
    )
    return model


def write_config(folder: Path, shape: str) -> Path:
    """A folder with the config.json of a shape."""
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
    """{"input_ids", "attention_mask"} -> logits."""
    import tensorflow as tf

    from tfner.model.inference.frozen import FrozenClassifier

    if implementation == "fused":
        return FrozenClassifier(model, tf.as_dtype(model.compute_dtype), skip_padding=not compiled)
    return lambda inputs: model(inputs, training=False)


def make_batches(row_count: int, length: int, known: Sequence[int]) -> tuple[Any, Any]:
    """(x, y, label_mask) of the same sentences of `known` ids, packed and padded."""
    import numpy as np
    import tensorflow as tf

    random = np.random.default_rng(0)
    rows = [cut_row(random, length) for _ in range(row_count)]
    lengths = np.concatenate(rows)
    ids, labels = random.choice(known, lengths.sum()), random.integers(0, len(TAGS), lengths.sum())
    labelled = random.random(lengths.sum()) < 0.6  # first pieces of words
    segments = np.concatenate([np.repeat(np.arange(1, len(row) + 1), row) for row in rows])
    positions = np.concatenate([np.arange(length) for length in lengths])
    packed = [
        values.reshape(row_count, length) for values in (ids, segments, positions, labels, labelled)
    ]
    real = (
        np.arange(-(-lengths.max() // 8) * 8) < lengths[:, None]
    )  # batches of a run are padded to a multiple of 8
    padded = [np.zeros(real.shape, int) for _ in range(3)]
    for filled, values in zip(padded, (ids, labels, labelled), strict=True):
        filled[real] = values

    def batch(
        x: dict[str, Any], y: Any, mask: Any
    ) -> tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]:
        return (
            {name: tf.constant(value, tf.int32) for name, value in x.items()},
            tf.constant(y, tf.int32),
            tf.constant(mask, tf.float32),
        )

    return (
        batch(
            dict(zip(("input_ids", "segment_ids", "position_ids"), packed[:3], strict=True)),
            *packed[3:],
        ),
        batch({"input_ids": padded[0], "attention_mask": real}, *padded[1:]),
    )


def cut_row(random: Any, length: int) -> list[int]:
    """Lengths of sentences that fill a row; the last is what room is left."""
    lengths: list[int] = []
    while (room := length - sum(lengths)) > 0:
        lengths.append(min(room, int(random.integers(*SENTENCE_LENGTHS, endpoint=True))))
    return lengths
