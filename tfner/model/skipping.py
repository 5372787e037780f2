"""Steps whose loss or gradient is not finite: no replica makes them, and they are counted."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import tensorflow as tf
import tf_keras as keras

from tfner.model.losses import sum_over_replicas
from tfner.model.optimizer import FusedAdamW


def skips(optimizer: keras.optimizers.Optimizer) -> bool:
    """Whether the optimizer leaves everything as it is where a gradient is not finite."""
    return isinstance(getattr(optimizer, "inner_optimizer", optimizer), FusedAdamW)


def mark(gradients: Sequence[tf.Tensor], loss: tf.Tensor) -> list[tf.Tensor]:
    """The gradients, the smallest of them NaN if the loss is not finite: their sum over replicas then tells all of them."""
    marked = list(gradients)
    smallest = min(
        range(len(marked)), key=lambda number: marked[number].shape.num_elements() or sys.maxsize
    )
    value = tf.convert_to_tensor(marked[smallest])
    marked[smallest] = tf.where(
        tf.math.is_finite(loss), value, tf.constant(float("nan"), value.dtype)
    )
    return marked


def apply_or_skip(
    optimizer: keras.optimizers.Optimizer,
    gradients: Sequence[tf.Tensor],
    loss: tf.Tensor,
    variables: Sequence,
) -> tf.Tensor:
    """One step of an optimizer that skips; whether it was skipped, bool, the same on all replicas.

    With a loss scale, overflows of scaled gradients are no fault: the scale sinks until there are none. What counts is a loss that is not
    finite, which no scale has touched, and gradients that are not when the scale has sunk to 1.
    """
    marked = zip(mark(gradients, loss), variables, strict=True)
    if not isinstance(optimizer, keras.mixed_precision.LossScaleOptimizer):
        optimizer.apply_gradients(marked)
        return ~tf.math.is_finite(optimizer.gradient_norm)
    scale = optimizer.loss_scale
    optimizer.apply_gradients(marked)
    bad_loss = sum_over_replicas(tf.cast(~tf.math.is_finite(loss), tf.float32)) > 0
    return bad_loss | (
        (scale <= 1) & (optimizer.loss_scale <= 1) & (optimizer.dynamic_counter == 0)
    )
