"""Compute one logit a tag for each piece by a product; each unit is learned by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tfner.model.export_copy import ExportCopy
from tfner.model.heads.head import (
    PLAIN_LOSS,
    Head,
    LossOptions,
    LossSums,
    SoftTargets,
    register,
)
from tfner.model.losses import masked_cross_entropy_sum, soft_cross_entropy_sum
from tfner.tagging.schemes import LabelSet


class SoftmaxHead(Head):
    """Learn the tag of each unit by cross entropy (Devlin et al. 2019).

    Args:
        labels: the K tags.
        loss: options of the loss.
        initializer_range: standard deviation of the kernel's first values.
    """

    learns_soft_labels = True
    tag_axes: ClassVar[Mapping[str, tuple[int, ...]]] = {"kernel": (1,), "bias": (0,)}

    def __init__(
        self, labels: LabelSet, loss: LossOptions = PLAIN_LOSS, *, initializer_range: float = 0.02
    ):
        super().__init__(labels, loss)
        self.initializer_range = initializer_range

    def build(self, input_shape: tf.TensorShape) -> None:
        """Create kernel [H, K] and bias [K]."""
        tag_count = len(self.labels)
        hidden_size = input_shape[-1]
        shape = [hidden_size, tag_count]
        initializer = keras.initializers.TruncatedNormal(stddev=self.initializer_range)
        self.kernel = self.add_weight("kernel", shape, initializer=initializer)
        self.bias = self.add_weight("bias", [tag_count], initializer="zeros")
        super().build(input_shape)

    def begin_from(self, log_prior_K: np.ndarray) -> None:
        """Let the bias be the prior, float [K]."""
        self.bias.assign(log_prior_K)

    def call(self, hidden_BTH: tf.Tensor) -> tf.Tensor:
        """Project hidden states; float [B, T, H] -> float32 [B, T, K]."""
        return project(hidden_BTH, self.kernel, self.bias)

    def loss_sums(
        self,
        y_BT: tf.Tensor,
        logits_BTK: tf.Tensor,
        mask_BT: tf.Tensor,
        segments_BT: tf.Tensor | None = None,
    ) -> LossSums:
        """Sum up the cross entropy of labelled positions; neighbours play no part."""
        smoothing = self.loss.label_smoothing
        options = {"label_smoothing": smoothing, "class_weights": self.loss.class_weights}
        sums = masked_cross_entropy_sum(y_BT, logits_BTK, mask_BT, **options)
        return LossSums(*sums)

    def soft_loss_sums(
        self,
        targets: SoftTargets,
        logits_BTK: tf.Tensor,
        mask_BT: tf.Tensor,
        segments_BT: tf.Tensor | None = None,
    ) -> LossSums:
        """Sum up the cross entropy to the mixture of gold and soft labels.

        It is the mixture of both cross entropies, (1 - share) of gold's and share of the teachers',
        because cross entropy is linear in its target.
        """
        teacher_weight = self.loss.teacher_weight
        share_BT = targets.teachers_share(teacher_weight)
        share_BT1 = tf.expand_dims(share_BT, -1)
        tag_count = len(self.labels)
        gold_BTK = tf.one_hot(targets.y, tag_count)
        gold_share_BT1 = 1.0 - share_BT1
        of_gold_BTK = gold_share_BT1 * gold_BTK
        of_teachers_BTK = share_BT1 * targets.soft_labels
        mixed_BTK = of_gold_BTK + of_teachers_BTK
        sums = soft_cross_entropy_sum(mixed_BTK, logits_BTK, mask_BT)
        return LossSums(*sums)

    def export_copy(self) -> ExportCopy:
        """Copy kernel and bias, in float32."""
        weights = (self.kernel, self.bias)
        variables = [tf.Variable(value, trainable=False) for value in weights]
        kernel, bias = variables

        def call(hidden_BTH: tf.Tensor) -> tf.Tensor:
            return project(hidden_BTH, kernel, bias)

        return ExportCopy(call, variables)


def project(hidden_BTH: tf.Tensor, kernel_HK: tf.Tensor, bias_K: tf.Tensor) -> tf.Tensor:
    """Multiply in float32: [B, T, H], [H, K], [K] -> [B, T, K]."""
    hidden_BTH = tf.cast(hidden_BTH, tf.float32)
    return tf.tensordot(hidden_BTH, kernel_HK, 1) + bias_K


register("softmax", SoftmaxHead)
