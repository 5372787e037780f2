"""Work on the units of many rows that stand in one line, without padding."""

from __future__ import annotations

import tensorflow as tf


def positions(marked_M: tf.Tensor) -> tf.Tensor:
    """Find the marks, in order: bool [M] -> int32 [N].

    >>> positions(tf.constant([False, True, False, True])).numpy().tolist()
    [1, 3]
    """
    position_N1 = tf.where(marked_M)
    position_N = position_N1[:, 0]
    return tf.cast(position_N, tf.int32)


def running_count(marked_M: tf.Tensor) -> tf.Tensor:
    """Count the marks up to each unit, its own included: bool [M] -> int32 [M].

    >>> running_count(tf.constant([False, True, False, True])).numpy().tolist()
    [0, 1, 1, 2]
    """
    marks_M = tf.cast(marked_M, tf.int32)
    return tf.cumsum(marks_M)


def pad_line(values_M: tf.Tensor, before: int = 0, after: int = 0) -> tf.Tensor:
    """Put zeros, or False, before and after the values of a line.

    >>> pad_line(tf.constant([7, 8]), before=1).numpy().tolist()
    [0, 7, 8]
    """
    return tf.pad(values_M, [[before, after]])


def select_columns(values_MK: tf.Tensor, column_M: tf.Tensor) -> tf.Tensor:
    """Select one value of each row: [M, K], int32 [M] -> [M]."""
    return tf.gather(values_MK, column_M, batch_dims=1)


def replace_nan(values: tf.Tensor, filler: float) -> tf.Tensor:
    """Put a number where NaN is."""
    return tf.where(tf.math.is_nan(values), filler, values)
