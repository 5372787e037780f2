"""Choose which positions of a batch [B, T] are computed, as the rows of a matrix [N, X].

Between a transformer's attentions every token is computed by itself, so padding needs no row.
"""

from __future__ import annotations

import math

import tensorflow as tf

ROW_MULTIPLE = 8  # numbers of rows are multiples of this
ROW_SHARE = 16  # and of a power of two of about this part of them, so that kernels see few shapes


class PaddedLayout:
    """Give every position of a batch [B, T] a row, padding included.

    Args:
        mask_BT: int, 0 on padding.
    """

    def __init__(self, mask_BT: tf.Tensor):
        self.shape = tf.shape(mask_BT)

    def gather(self, x_PX: tf.Tensor) -> tf.Tensor:
        """Gather the rows from positions; P = B * T, any X: [P, X] -> [N, X]."""
        return x_PX

    def gather_columns(self, x_TH: tf.Tensor) -> tf.Tensor:
        """Gather the rows from what each of the T columns has: [T, H] -> [N, H]."""
        return tf.tile(x_TH, tf.stack([self.shape[0], 1]))

    def scatter(self, x_NX: tf.Tensor) -> tf.Tensor:
        """Put rows back at their positions, of no meaning on padding: [N, X] -> [P, X]."""
        return x_NX


class PackedLayout(PaddedLayout):
    """Give a row to each position that is not padding, and fill up their number.

    What fills up are copies of the first position:

        mask     1 1 1 0        positions 0 1 2 4, then 0 0 0 0 to make them 8
                 1 0 0 0        scatter: positions 3, 5, 6, 7 get some row, of no meaning

    Args:
        mask_BT: int or bool, 0 on padding and on what else needs no row.
    """

    def __init__(self, mask_BT: tf.Tensor):
        super().__init__(mask_BT)
        real_P = tf.cast(tf.cast(tf.reshape(mask_BT, [-1]), tf.bool), tf.int32)
        position_N = tf.where(real_P > 0)[:, 0]
        position_N = tf.cast(position_N, tf.int32)
        count = tf.size(position_N)
        least = tf.minimum(tf.size(real_P), 1)
        wanted = round_up(tf.maximum(count, least))
        self._position_N = tf.pad(position_N, [[0, wanted - count]])
        row_P = tf.cumsum(real_P) - 1
        self._row_P = tf.maximum(row_P, 0)

    def gather(self, x_PX: tf.Tensor) -> tf.Tensor:
        """Gather the rows of real positions: [P, X] -> [N, X]."""
        return tf.gather(x_PX, self._position_N)

    def gather_columns(self, x_TH: tf.Tensor) -> tf.Tensor:
        """Gather the rows from what each of the T columns has: [T, H] -> [N, H]."""
        column_N = tf.math.floormod(self._position_N, self.shape[1])
        return tf.gather(x_TH, column_N)

    def scatter(self, x_NX: tf.Tensor) -> tf.Tensor:
        """Put rows back at their positions: [N, X] -> [P, X]."""
        return tf.gather(x_NX, self._row_P)


def round_up(count: tf.Tensor) -> tf.Tensor:
    """Round up a number of rows to one of a few; int32 scalars, at least `count`.

    >>> [int(round_up(tf.constant(count))) for count in (1, 9, 300, 1000)]
    [8, 16, 304, 1024]
    """
    rows = tf.cast(tf.maximum(count, 1), tf.float32)
    power = tf.math.log(rows / ROW_SHARE) / math.log(2)
    least = int(math.log2(ROW_MULTIPLE))
    power = tf.maximum(tf.cast(power, tf.int32), least)
    step = tf.bitwise.left_shift(1, power)
    return -(-count // step) * step
