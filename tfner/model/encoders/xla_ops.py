"""Softmax, layer normalization, biases and dropout in forms of which XLA makes one fast pass on a CPU, the way back included.

XLA turns a sum of more than 32 values into sliding windows that take several times as long, so sums go in two steps, also those that
arise in gradients. All is computed in float32, whatever comes in.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

STEP = 32  # values that are summed at once


def sum_rows(x: tf.Tensor) -> tf.Tensor:
    """Sums over the last axis, which is kept with length 1."""
    return tf.reduce_sum(
        tf.reduce_sum(tf.reshape(x, [*x.shape[:-1], *in_steps(size_of(x, -1))]), -1),
        -1,
        keepdims=True,
    )


def sum_columns(x_NH: tf.Tensor) -> tf.Tensor:
    """Sums over the first axis: [N, H] -> [H]."""
    return tf.reduce_sum(
        tf.reduce_sum(tf.reshape(x_NH, [*in_steps(size_of(x_NH, 0)), x_NH.shape[-1]]), 1), 0
    )


def size_of(x: tf.Tensor, axis: int) -> int:
    """A static size."""
    return int(x.shape.as_list()[axis] or 0)


def in_steps(size: int) -> tuple[int, int]:
    """Two factors, the second as large as it may be."""
    step = next(step for step in range(STEP, 0, -1) if size % step == 0)
    return size // step, step


def for_each_column(value_1: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """A value a row, repeated for all of `like`'s columns."""
    return repeat(value_1, like, sum_rows)


def for_each_row(value_H: tf.Tensor, like_NH: tf.Tensor) -> tf.Tensor:
    """A value a column, repeated for all of `like`'s rows."""
    return repeat(value_H, like_NH, sum_columns)


def repeat(
    value: tf.Tensor, like: tf.Tensor, add_up: Callable[[tf.Tensor], tf.Tensor]
) -> tf.Tensor:
    """`value` in `like`'s shape, with `add_up` as the way back."""
    return tf.custom_gradient(lambda value: (tf.broadcast_to(value, like.shape), add_up))(value)


def add_bias(x_NH: tf.Tensor, bias_H: tf.Tensor) -> tf.Tensor:
    wide_NH = tf.cast(x_NH, tf.float32)
    return wide_NH + for_each_row(tf.cast(bias_H, tf.float32), wide_NH)


def softmax(x: tf.Tensor) -> tf.Tensor:
    """Over the last axis."""
    wide = tf.cast(x, tf.float32)
    exponentials = tf.exp(wide - tf.stop_gradient(tf.reduce_max(wide, -1, keepdims=True)))
    return exponentials * for_each_column(1 / sum_rows(exponentials), exponentials)


def normalize(
    x_NH: tf.Tensor, scale_H: tf.Tensor, offset_H: tf.Tensor, epsilon: float
) -> tf.Tensor:
    wide_NH, width = tf.cast(x_NH, tf.float32), size_of(x_NH, -1)
    centred_NH = wide_NH - for_each_column(sum_rows(wide_NH) / width, wide_NH)
    deviation_N1 = tf.math.rsqrt(sum_rows(centred_NH * centred_NH) / width + epsilon)
    scale_NH, offset_NH = (
        for_each_row(tf.cast(value_H, tf.float32), wide_NH) for value_H in (scale_H, offset_H)
    )
    return centred_NH * for_each_column(deviation_N1, wide_NH) * scale_NH + offset_NH


def drop(x: tf.Tensor, rate: float, seed: tf.Tensor | None) -> tf.Tensor:
    """Dropout that hashes each element's number with the seed: far less work than Philox in a compiled program, and random enough for this.

    The hash is lowbias32 of https://github.com/skeeto/hash-prospector, with half of the seed in front and half between its rounds.
    """
    if seed is None or not rate:
        return x
    halves = tf.unstack(tf.cast(seed, tf.uint32))
    front = mix(halves[0])
    between = mix(front + halves[1])
    number = tf.cast(tf.reshape(tf.range(x.shape.num_elements()), x.shape), tf.uint32)
    kept = mix(number + front, between) >= tf.constant(round(rate * 2**32), tf.uint32)
    return tf.where(kept, x * tf.constant(1 / (1 - rate), x.dtype), tf.zeros_like(x))


def mix(bits: tf.Tensor, between: tf.Tensor | int = 0) -> tf.Tensor:
    """Every bit of a uint32 into every other."""
    bits = tf.bitwise.bitwise_xor(
        fold(bits, 16) * tf.constant(0x7FEB352D, tf.uint32), tf.cast(between, tf.uint32)
    )
    return fold(fold(bits, 15) * tf.constant(0x846CA68B, tf.uint32), 16)


def fold(bits: tf.Tensor, by: int) -> tf.Tensor:
    """The upper bits over the lower ones."""
    return tf.bitwise.bitwise_xor(bits, tf.bitwise.right_shift(bits, tf.constant(by, bits.dtype)))
