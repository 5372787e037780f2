"""Compute softmax, normalization, biases and dropout so that XLA makes one fast pass on a CPU.

That holds for their gradients too. XLA turns a sum of more than 32 values into sliding windows that
take several times as long, so sums go in two steps, also those that arise in gradients. All is
computed in float32, whatever comes in.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

STEP = 32  # values that are summed at once


def sum_rows(x: tf.Tensor) -> tf.Tensor:
    """Sum over the last axis, which is kept with length 1."""
    steps = tf.reshape(x, [*x.shape[:-1], *factor(size_of(x, -1))])
    return tf.reduce_sum(tf.reduce_sum(steps, -1), -1, keepdims=True)


def sum_columns(x_NH: tf.Tensor) -> tf.Tensor:
    """Sum over the first axis: [N, H] -> [H].

    >>> sum_columns(tf.constant([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])).numpy().tolist()
    [9.0, 12.0]
    """
    steps = tf.reshape(x_NH, [*factor(size_of(x_NH, 0)), x_NH.shape[-1]])
    return tf.reduce_sum(tf.reduce_sum(steps, 1), 0)


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
    wide_NH = tf.cast(x_NH, tf.float32)
    return wide_NH + for_each_row(tf.cast(bias_H, tf.float32), wide_NH)


def softmax(x: tf.Tensor) -> tf.Tensor:
    """Take the softmax over the last axis."""
    wide = tf.cast(x, tf.float32)
    largest = tf.stop_gradient(tf.reduce_max(wide, -1, keepdims=True))
    exponentials = tf.exp(wide - largest)
    return exponentials * for_each_column(1 / sum_rows(exponentials), exponentials)


def normalize(
    x_NH: tf.Tensor, scale_H: tf.Tensor, offset_H: tf.Tensor, epsilon: float
) -> tf.Tensor:
    """Normalize rows to mean 0 and variance 1, then scale and shift columns."""
    wide_NH, width = tf.cast(x_NH, tf.float32), size_of(x_NH, -1)
    centred_NH = wide_NH - for_each_column(sum_rows(wide_NH) / width, wide_NH)
    variance_N1 = sum_rows(centred_NH * centred_NH) / width
    factor_NH = for_each_column(tf.math.rsqrt(variance_N1 + epsilon), wide_NH)
    scale_NH = for_each_row(tf.cast(scale_H, tf.float32), wide_NH)
    offset_NH = for_each_row(tf.cast(offset_H, tf.float32), wide_NH)
    return centred_NH * factor_NH * scale_NH + offset_NH


def drop(x: tf.Tensor, rate: float, seed: tf.Tensor | None) -> tf.Tensor:
    """Drop out a share of `x` by a hash of each element's number with the seed.

    That is far less work than Philox in a compiled program, and random enough for this. The hash is
    lowbias32 of https://github.com/skeeto/hash-prospector, with half of the seed in front and half
    between its rounds.
    """
    if seed is None or not rate:
        return x
    halves = tf.unstack(tf.cast(seed, tf.uint32))
    front = mix(halves[0])
    between = mix(front + halves[1])
    number = tf.reshape(tf.range(x.shape.num_elements()), x.shape)
    hashed = mix(tf.cast(number, tf.uint32) + front, between)
    kept = hashed >= tf.constant(round(rate * 2**32), tf.uint32)
    return tf.where(kept, x * tf.constant(1 / (1 - rate), x.dtype), tf.zeros_like(x))


def mix(bits: tf.Tensor, between: tf.Tensor | int = 0) -> tf.Tensor:
    """Mix every bit of a uint32 into every other."""
    bits = fold(bits, 16) * tf.constant(0x7FEB352D, tf.uint32)
    bits = tf.bitwise.bitwise_xor(bits, tf.cast(between, tf.uint32))
    bits = fold(bits, 15) * tf.constant(0x846CA68B, tf.uint32)
    return fold(bits, 16)


def fold(bits: tf.Tensor, by: int) -> tf.Tensor:
    """Fold the upper bits over the lower ones."""
    shifted = tf.bitwise.right_shift(bits, tf.constant(by, bits.dtype))
    return tf.bitwise.bitwise_xor(bits, shifted)
