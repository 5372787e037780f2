"""Softmax, layer normalization, biases and dropout as TensorFlow's own kernels do them, in forms that its optimizer fuses on a CPU."""

from __future__ import annotations

import tensorflow as tf

softmax = tf.nn.softmax


def add_bias(x_NH: tf.Tensor, bias_H: tf.Tensor) -> tf.Tensor:
    return tf.nn.bias_add(x_NH, tf.cast(bias_H, x_NH.dtype))


def normalize(x_NH: tf.Tensor, scale_H: tf.Tensor, offset_H: tf.Tensor, epsilon: float) -> tf.Tensor:
    """Layer normalization, computed in float32."""
    wide_NH = tf.cast(x_NH, tf.float32)
    mean_N1 = tf.reduce_mean(wide_NH, axis=-1, keepdims=True)
    variance_N1 = tf.reduce_mean(tf.math.squared_difference(wide_NH, mean_N1), axis=-1, keepdims=True)
    scale_H, offset_H = tf.cast(scale_H, tf.float32), tf.cast(offset_H, tf.float32)
    return tf.cast(tf.nn.batch_normalization(wide_NH, mean_N1, variance_N1, offset_H, scale_H, epsilon), x_NH.dtype)


def drop(x: tf.Tensor, rate: float, seed: tf.Tensor | None) -> tf.Tensor:
    return x if seed is None or not rate else tf.nn.experimental.stateless_dropout(x, rate, seed, rng_alg="philox")
