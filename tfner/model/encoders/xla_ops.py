"""Compute softmax, normalization, biases and dropout so that XLA makes one fast pass on a CPU.

That holds for their gradients too. XLA turns a sum of more than 32 values into sliding windows that
take several times as long, so sums go in two steps, also those that arise in gradients. All is
computed in float32, whatever comes in.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from tfner.model.encoders.casts import to_float32

STEP = 32  # values that are summed at once


def sum_rows(x: tf.Tensor) -> tf.Tensor:
    """Sum over the last axis, which is kept with length 1."""
    size = size_of(x, -1)
    factors = factor(size)
    steps = tf.reshape(x, [*x.shape[:-1], *factors])
    sums = tf.reduce_sum(steps, -1)
    return tf.reduce_sum(sums, -1, keepdims=True)


def mean_rows(x: tf.Tensor) -> tf.Tensor:
    """Average over the last axis, which is kept with length 1."""
    width = size_of(x, -1)
    return sum_rows(x) / width


def sum_columns(x_NH: tf.Tensor) -> tf.Tensor:
    """Sum over the first axis: [N, H] -> [H].

    >>> sum_columns(tf.constant([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])).numpy().tolist()
    [9.0, 12.0]
    """
    size = size_of(x_NH, 0)
    factors = factor(size)
    steps = tf.reshape(x_NH, [*factors, x_NH.shape[-1]])
    sums = tf.reduce_sum(steps, 1)
    return tf.reduce_sum(sums, 0)


def size_of(x: tf.Tensor, axis: int) -> int:
    """Read a static size."""
    return int(x.shape.as_list()[axis] or 0)


def factor(size: int) -> tuple[int, int]:
    """Split a size into two factors, the second as large as STEP allows.

    >>> factor(384), factor(33)
    ((12, 32), (3, 11))
    """
    step = next(step for step in range(STEP, 0, -1) if size % step == 0)
    return size // step, step


def for_each_column(value_N1: tf.Tensor, like_NH: tf.Tensor) -> tf.Tensor:
    """Repeat a value a row for all columns of `like_NH`."""
    return repeat(value_N1, like_NH, sum_rows)


def for_each_row(value_H: tf.Tensor, like_NH: tf.Tensor) -> tf.Tensor:
    """Repeat a value a column for all rows of `like_NH`."""
    return repeat(value_H, like_NH, sum_columns)


def repeat(
    value: tf.Tensor, like: tf.Tensor, gradient: Callable[[tf.Tensor], tf.Tensor]
) -> tf.Tensor:
    """Repeat `value` in the shape of `like`; `gradient` sums up what flows back."""
    run = tf.custom_gradient(lambda value: (tf.broadcast_to(value, like.shape), gradient))
    return run(value)


def add_bias(x_NH: tf.Tensor, bias_H: tf.Tensor) -> tf.Tensor:
    """Add a bias; -> float32 [N, H]."""
    wide_NH = to_float32(x_NH)
    bias_H = to_float32(bias_H)
    bias_NH = for_each_row(bias_H, wide_NH)
    return wide_NH + bias_NH


def softmax(x: tf.Tensor) -> tf.Tensor:
    """Take the softmax over the last axis."""
    wide = to_float32(x)
    largest = tf.reduce_max(wide, -1, keepdims=True)
    exponentials = tf.exp(wide - tf.stop_gradient(largest))
    inverse = 1 / sum_rows(exponentials)
    inverses = for_each_column(inverse, exponentials)
    return exponentials * inverses


def normalize(
    x_NH: tf.Tensor, scale_H: tf.Tensor, offset_H: tf.Tensor, epsilon: float
) -> tf.Tensor:
    """Normalize rows to mean 0 and variance 1, then scale and shift columns."""
    wide_NH = to_float32(x_NH)
    mean_N1 = mean_rows(wide_NH)
    mean_NH = for_each_column(mean_N1, wide_NH)
    centred_NH = wide_NH - mean_NH
    squares_NH = centred_NH * centred_NH
    variance_N1 = mean_rows(squares_NH)
    factor_N1 = tf.math.rsqrt(variance_N1 + epsilon)
    factor_NH = for_each_column(factor_N1, wide_NH)
    scale_H = to_float32(scale_H)
    offset_H = to_float32(offset_H)
    normal_NH = centred_NH * factor_NH
    scale_NH = for_each_row(scale_H, wide_NH)
    scaled_NH = normal_NH * scale_NH
    offset_NH = for_each_row(offset_H, wide_NH)
    return scaled_NH + offset_NH


def drop(x: tf.Tensor, rate: float, seed: tf.Tensor | None) -> tf.Tensor:
    """Drop out a share of `x` by a hash of each element's number with the seed.

    That is far less work than Philox in a compiled program, and random enough for this. The hash is
    lowbias32 of https://github.com/skeeto/hash-prospector, with half of the seed in front and half
    between its rounds.
    """
    if seed is None or not rate:
        return x
    first, second = tf.unstack(tf.cast(seed, tf.uint32))
    front = mix(first)
    between = mix(front + second)
    count = x.shape.num_elements()
    number = tf.range(count)
    number = tf.cast(tf.reshape(number, x.shape), tf.uint32)
    threshold = tf.constant(round(rate * 2**32), tf.uint32)
    kept = mix(number + front, between) >= threshold
    scaled = x * tf.constant(1 / (1 - rate), x.dtype)
    return tf.where(kept, scaled, tf.zeros_like(x))


def mix(bits: tf.Tensor, between: tf.Tensor | int = 0) -> tf.Tensor:
    """Mix every bit of a uint32 into every other."""
    bits = fold(bits, 16)
    bits *= 0x7FEB352D
    bits = tf.bitwise.bitwise_xor(bits, tf.cast(between, tf.uint32))
    bits = fold(bits, 15)
    bits *= 0x846CA68B
    return fold(bits, 16)


def fold(bits: tf.Tensor, by: int) -> tf.Tensor:
    """Fold the upper bits over the lower ones."""
    shifted = tf.bitwise.right_shift(bits, tf.constant(by, bits.dtype))
    return tf.bitwise.bitwise_xor(bits, shifted)
