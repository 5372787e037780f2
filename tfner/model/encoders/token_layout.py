"""A batch as rows of one matrix: which of its positions have one."""

from __future__ import annotations

import math

import tensorflow as tf

FINE = 8  # numbers of rows are multiples of this
SHARE = 16  # and of a power of two of about this part of them, so that kernels see few shapes


class AllRows:
    """A row for each position of a batch [B, T], padding included.

    Args:
        mask_BT: int, 0 on padding.
    """

    def __init__(self, mask_BT: tf.Tensor):
        self.shape = tf.shape(mask_BT)

    def take(self, x_PX: tf.Tensor) -> tf.Tensor:
        """What positions have -> what rows have; P = B * T, any X."""
        return x_PX

    def take_columns(self, x_TH: tf.Tensor) -> tf.Tensor:
        """What each of the T columns has -> what rows have."""
        return tf.tile(x_TH, tf.stack([self.shape[0], 1]))

    def spread(self, x_NX: tf.Tensor) -> tf.Tensor:
        """What rows have -> what positions have, of no meaning on padding."""
        return x_NX


class RealRows(AllRows):
    """A row for each position that is not padding, and some copies of the first position to fill up their number."""

    def __init__(self, mask_BT: tf.Tensor):
        super().__init__(mask_BT)
        real_P = tf.reshape(tf.cast(mask_BT > 0, tf.int32), [-1])
        position_N = tf.cast(tf.where(real_P > 0)[:, 0], tf.int32)
        least = tf.minimum(tf.size(real_P), 1)
        missing = round_up(tf.maximum(tf.size(position_N), least)) - tf.size(position_N)
        self._position_N = tf.pad(position_N, [[0, missing]])
        self._row_P = tf.maximum(tf.cumsum(real_P) - 1, 0)

    def take(self, x_PX: tf.Tensor) -> tf.Tensor:
        return tf.gather(x_PX, self._position_N)

    def take_columns(self, x_TH: tf.Tensor) -> tf.Tensor:
        return tf.gather(x_TH, tf.math.floormod(self._position_N, self.shape[1]))

    def spread(self, x_NX: tf.Tensor) -> tf.Tensor:
        return tf.gather(x_NX, self._row_P)


def round_up(count: tf.Tensor) -> tf.Tensor:
    """The number of rows that hold `count`, which is at least that; int32 scalars."""
    power = tf.cast(
        tf.math.log(tf.cast(tf.maximum(count, 1), tf.float32) / SHARE) / math.log(2), tf.int32
    )
    step = tf.bitwise.left_shift(1, tf.maximum(power, int(math.log2(FINE))))
    return -(-count // step) * step
