"""Cast tensors to float32, or to the type of another."""

from __future__ import annotations

import tensorflow as tf


def to_float32(x: tf.Tensor) -> tf.Tensor:
    """Cast to float32."""
    return tf.cast(x, tf.float32)


def cast_like(x: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """Cast to the type of `like`."""
    return tf.cast(x, like.dtype)
