"""Compute softmax, normalization, biases and dropout by TensorFlow's own kernels.

They are written in forms that TensorFlow's optimizer fuses on a CPU. `xla_ops` has the same
functions for XLA.
"""

from __future__ import annotations

import tensorflow as tf

from tfner.model.encoders.casts import cast_like

softmax = tf.nn.softmax


def add_bias(x_NH: tf.Tensor, bias_H: tf.Tensor) -> tf.Tensor:
    """Add a bias in the type of `x`."""
    return tf.nn.bias_add(x_NH, tf.cast(bias_H, x_NH.dtype))


def normalize(
    x_NH: tf.Tensor, scale_H: tf.Tensor, offset_H: tf.Tensor, epsilon: float
) -> tf.Tensor:
    """Normalize rows: a batch normalization of N channels, which becomes one kernel.

    TensorFlow's optimizer (`FindMklLayerNorm` in its remapper) knows it by moments of size 0, a
    scale and an offset that are filled, a shape that is sliced, not unstacked, and a sum or
    difference in `x_NH`'s own type in front of the reshape; and only where N is not known before
    the graph runs.
    """
    if x_NH.dtype == tf.float32:
        x_NH -= tf.reduce_mean(x_NH, -1, keepdims=True)  # the kernels round less about 0
    shape = tf.shape(x_NH)
    x_1NH1 = tf.reshape(x_NH, [1, shape[0], shape[1], 1])
    scale_N = tf.fill(shape[:1], 1.0)
    offset_N = tf.fill(shape[:1], 0.0)
    moments = tf.zeros([0])
    inputs = {"x": x_1NH1, "scale": scale_N, "offset": offset_N, "mean": moments}
    options = {"epsilon": epsilon, "data_format": "NCHW", "is_training": True}
    normal = tf.raw_ops.FusedBatchNormV3(**inputs, variance=moments, **options)
    normal_NH = tf.reshape(normal.y, shape)
    scale_H = cast_like(scale_H, x_NH)
    scaled_NH = normal_NH * scale_H
    offset_H = cast_like(offset_H, x_NH)
    return scaled_NH + offset_H


def drop(x: tf.Tensor, rate: float, seed: tf.Tensor | None) -> tf.Tensor:
    """Drop out a share of `x`; nothing without a seed."""
    if seed is None or not rate:
        return x
    return tf.nn.experimental.stateless_dropout(x, rate, seed, rng_alg="philox")
