"""Skip steps whose loss or gradient is not finite, on all replicas, and count them."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import tensorflow as tf
import tf_keras as keras

from tfner.model.losses import sum_over_replicas
from tfner.model.optimizer import FusedAdamW


def supports_skipping(optimizer: keras.optimizers.Optimizer) -> bool:
    """Tell whether the optimizer leaves everything as it is where a gradient is not finite."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    return isinstance(inner, FusedAdamW)


def poison_if_not_finite(gradients: Sequence[tf.Tensor], loss: tf.Tensor) -> list[tf.Tensor]:
    """Make the smallest gradient NaN if the loss is not finite: its sum tells all replicas."""

    def size(number: int) -> int:
        return gradients[number].shape.num_elements() or sys.maxsize

    numbers = range(len(gradients))
    smallest = min(numbers, key=size)
    value = tf.convert_to_tensor(gradients[smallest])
    poisoned = list(gradients)
    nan = tf.constant(float("nan"), value.dtype)
    poisoned[smallest] = tf.where(tf.math.is_finite(loss), value, nan)
    return poisoned


def apply_or_skip(
    optimizer: keras.optimizers.Optimizer,
    gradients: Sequence[tf.Tensor],
    loss: tf.Tensor,
    variables: Sequence,
) -> tf.Tensor:
    """Make one step of an optimizer that supports skipping.

    With a loss scale, overflows of scaled gradients are no fault: the scale sinks until there are
    none. What counts is a loss that is not finite, which no scale has touched, and gradients that
    are not when the scale has sunk to 1.

    Returns:
        Whether the step was skipped, bool scalar, the same on all replicas.
    """
    pairs = zip(poison_if_not_finite(gradients, loss), variables, strict=True)
    if not isinstance(optimizer, keras.mixed_precision.LossScaleOptimizer):
        optimizer.apply_gradients(pairs)
        return ~tf.math.is_finite(optimizer.gradient_norm)
    scale = optimizer.loss_scale
    optimizer.apply_gradients(pairs)
    is_bad = tf.cast(~tf.math.is_finite(loss), tf.float32)
    was_lowest = scale <= 1
    is_lowest = (optimizer.loss_scale <= 1) & (optimizer.dynamic_counter == 0)
    return (sum_over_replicas(is_bad) > 0) | (was_lowest & is_lowest)
