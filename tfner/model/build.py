"""Build a TokenClassifier and the Tagger around it as the settings say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tensorflow as tf
import tf_keras as keras

from tfner.config import Precision, RunSettings
from tfner.model.classifier import TokenClassifier
from tfner.model.encoders.bert import build_encoder
from tfner.model.inference.frozen import FrozenClassifier
from tfner.model.inference.tagger import Tagger
from tfner.tagging.schemes import LabelSet
from tfner.tokenizers.wordpiece import WordPieceTokenizer


@contextmanager
def precision(policy: Precision) -> Iterator[None]:
    """Build layers under a dtype policy; the policy before comes back afterwards."""
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy(policy)
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy(before)


def build_classifier(
    settings: RunSettings, encoder: Path, labels: LabelSet, *, pretrained: bool, policy: Precision
) -> TokenClassifier:
    """A classifier with all its variables; `encoder` is a folder with config.json and, if pretrained, weights."""
    with precision(policy):
        return TokenClassifier(
            build_encoder(encoder, pretrained=pretrained),
            len(labels.tags),
            dropout=settings.model.dropout,
            gradient_accumulation=settings.training.gradient_accumulation,
            implementation=settings.encoder.implementation,
        ).build_for_any_shape()


def build_tagger(
    model: TokenClassifier, tokenizer: WordPieceTokenizer, labels: LabelSet, settings: RunSettings
) -> Tagger:
    """The tagger over a model's weights, which it follows as they change."""
    return Tagger(
        lambda inputs: model(inputs, training=False),
        model.prediction_weights,
        tokenizer,
        labels,
        **tagger_options(settings),
    )


def build_export_tagger(
    model: TokenClassifier, tokenizer: WordPieceTokenizer, labels: LabelSet, settings: RunSettings
) -> Tagger:
    """The tagger that an export holds: over copies of a model's weights, in the precision and shapes of the settings."""
    export = settings.export
    classify = FrozenClassifier(model, tf.as_dtype(export.precision), skip_padding=not export.xla)
    return Tagger(
        classify,
        classify.variables,
        tokenizer,
        labels,
        lengths=export.widths,
        compiled=export.xla,
        **tagger_options(settings),
    )


def tagger_options(settings: RunSettings) -> dict[str, Any]:
    """What is the same in training, evaluation and export."""
    return {
        "max_length": settings.encoder.max_length,
        "overlap": settings.encoder.overlap,
        "decoder": settings.export.decoder or settings.model.decoder,
        "threshold": settings.export.threshold,
        "max_entities": settings.export.max_entities,
        "slice_pieces": settings.export.max_pieces_per_pass,
    }
