"""Copy a trained classifier, encoder and head, as an export holds it: in float32 or bfloat16."""

from __future__ import annotations

import tensorflow as tf

from tfner.model.classifier import TokenClassifier
from tfner.model.encoders.encoder import EncoderInput


class FrozenClassifier:
    """Give logits as the classifier gave them when it was copied.

    Products are computed in `dtype`; normalizations, the head and the logits are float32.
    """

    def __init__(self, model: TokenClassifier, dtype: tf.DType):
        dtype = tf.as_dtype(dtype)
        encoder = model.encoder.export_copy(dtype)
        head = model.head.export_copy()
        self._encode = encoder.call
        self._classify = head.call
        self.head = model.head
        self.prediction_weights = [*encoder.variables, *head.variables]

    def __call__(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        """Compute logits, as Classifier says."""
        batch = EncoderInput.from_batch(inputs)
        hidden_BTH = self._encode(batch)
        return self._classify(hidden_BTH)
