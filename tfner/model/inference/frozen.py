"""A trained classifier as an export holds it: the fused pass over copies of the weights, in float32 or bfloat16."""

from __future__ import annotations

import tensorflow as tf

from tfner.model.classifier import TokenClassifier
from tfner.model.encoders.bert_weights import copy_weights, fused_pass


class FrozenClassifier:
    """Logits as the classifier gave them when it was copied; `variables` are all that it reads.

    Products are computed in `dtype`; normalizations, the tag layer and the logits are float32. With `skip_padding`, which XLA cannot
    compile, they are computed of pieces alone.
    """

    def __init__(self, model: TokenClassifier, dtype: tf.DType, *, skip_padding: bool):
        self._encode = fused_pass(model.encoder, dtype, skip_padding=skip_padding)
        self._weights, variables = copy_weights(model.encoder, dtype)
        self._kernel, self._bias = (
            tf.Variable(value, trainable=False) for value in model.head.weights
        )
        self.variables = [*variables, self._kernel, self._bias]

    def __call__(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        """`{"input_ids", "attention_mask"}` int32 [B, T] -> float32 logits [B, T, K]."""
        hidden_BTH = self._encode(self._weights, inputs["input_ids"], inputs["attention_mask"])
        return tf.tensordot(tf.cast(hidden_BTH, tf.float32), self._kernel, 1) + self._bias
