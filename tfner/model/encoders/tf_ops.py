"""Softmax, layer normalization, biases and dropout as TensorFlow's own kernels do them, in forms that its optimizer fuses on a CPU."""

from __future__ import annotations

import tensorflow as tf

softmax = tf.nn.softmax


def add_bias(x_NH: tf.Tensor, bias_H: tf.Tensor) -> tf.Tensor:
    return tf.nn.bias_add(x_NH, tf.cast(bias_H, x_NH.dtype))


def normalize(
    x_NH: tf.Tensor, scale_H: tf.Tensor, offset_H: tf.Tensor, epsilon: float
) -> tf.Tensor:
    """Layer normalization: a batch normalization of N channels, which with what follows it becomes one kernel.

    The optimizer knows it by moments of size 0, a scale and an offset that are filled, a shape that is sliced, not unstacked, and a
    sum or difference in `x_NH`'s own type in front of the reshape; and only where N is known no sooner than the graph runs
    (`FindMklLayerNorm` of TensorFlow's remapper).
    """
    if x_NH.dtype == tf.float32:
        x_NH -= tf.reduce_mean(x_NH, -1, keepdims=True)  # the kernels round less about 0
    shape = tf.shape(x_NH)
    moments = tf.zeros([0])
    batch_norm = tf.raw_ops.FusedBatchNormV3(
        x=tf.reshape(x_NH, [1, shape[0], shape[1], 1]),
        scale=tf.fill(shape[:1], 1.0),
        offset=tf.fill(shape[:1], 0.0),
        mean=moments,
        variance=moments,
        epsilon=epsilon,
        data_format="NCHW",
        is_training=True,
    )
    return tf.reshape(batch_norm.y, shape) * tf.cast(scale_H, x_NH.dtype) + tf.cast(
        offset_H, x_NH.dtype
    )


def drop(x: tf.Tensor, rate: float, seed: tf.Tensor | None) -> tf.Tensor:
    return (
        x
        if seed is None or not rate
        else tf.nn.experimental.stateless_dropout(x, rate, seed, rng_alg="philox")
    )
