"""Build a TokenClassifier and the Tagger around it as the settings say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tensorflow as tf
import tf_keras as keras

from tfner.config import RunSettings
from tfner.evaluation.calibration import Calibration
from tfner.model.classifier import TokenClassifier
from tfner.model.encoders.families import build_encoder
from tfner.model.heads.head import PLAIN_LOSS, DecoderOptions, LossOptions, build_head
from tfner.model.inference.frozen import FrozenClassifier
from tfner.model.inference.tagger import Tagger
from tfner.setting_groups import Precision
from tfner.tagging.schemes import LabelSet
from tfner.tokenizers.protocol import Tokenizer


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
    settings: RunSettings,
    encoder: Path,
    labels: LabelSet,
    *,
    pretrained: bool,
    policy: Precision,
    loss: LossOptions = PLAIN_LOSS,
) -> TokenClassifier:
    """Build a classifier with all its variables.

    Args:
        settings: of the run.
        encoder: a folder with config.json and, if pretrained, weights.
        labels: what is learned.
        pretrained: whether the encoder has the folder's weights or random ones.
        policy: Keras's dtype policy.
        loss: options of the head's loss.
    """
    implementation = settings.encoder.implementation
    with precision(policy):
        body = build_encoder(encoder, pretrained=pretrained, implementation=implementation)
        head = build_head(settings.model.head, labels, loss, body.initializer_range)
        accumulation = settings.training.gradient_accumulation
        dropout = settings.model.dropout
        model = TokenClassifier(body, head, dropout=dropout, gradient_accumulation=accumulation)
        return model.build_for_any_shape()


def build_tagger(
    model: TokenClassifier,
    tokenizer: Tokenizer,
    labels: LabelSet,
    settings: RunSettings,
    sentences_per_document: float | None = None,
) -> Tagger:
    """Build the tagger over a model's weights, which it follows as they change.

    Args:
        sentences_per_document: of the training data; see `RunSettings.reads_sentences`.
    """
    options = tagger_options(settings, sentences_per_document)
    return Tagger(model, tokenizer, labels, **options)


def build_export_tagger(
    model: TokenClassifier,
    tokenizer: Tokenizer,
    labels: LabelSet,
    settings: RunSettings,
    sentences_per_document: float | None = None,
) -> Tagger:
    """Build the tagger that an export holds, over copies of a model's weights.

    Precision and shapes are those of the settings. Scores are not calibrated yet.
    """
    export = settings.export
    frozen = FrozenClassifier(model, tf.as_dtype(export.precision))
    options = tagger_options(settings, sentences_per_document)
    return Tagger(frozen, tokenizer, labels, widths=export.widths, compiled=export.xla, **options)


def tagger_options(settings: RunSettings, sentences_per_document: float | None) -> dict[str, Any]:
    """Collect what is the same in training, evaluation and export."""
    return {
        "max_length": settings.encoder.max_length,
        "overlap": settings.encoder.overlap,
        "decoding": decoding_options(settings),
        "max_pieces_per_pass": settings.export.max_pieces_per_pass,
        "by_sentence": settings.reads_sentences(sentences_per_document),
    }


def decoding_options(
    settings: RunSettings, calibration: Calibration | None = None
) -> DecoderOptions:
    """Collect how an export decodes."""
    export = settings.export
    method = export.decoder or settings.model.decoder
    return DecoderOptions(method, export.threshold, export.max_entities, calibration)
