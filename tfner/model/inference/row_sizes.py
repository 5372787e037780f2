"""Read how long rows of pieces are, as int32, which all positions are counted in."""

from __future__ import annotations

import tensorflow as tf


def width_of(ids_NT: tf.Tensor) -> tf.Tensor:
    """Read the width of padded rows; int32 scalar."""
    return tf.shape(ids_NT)[1]


def count_pieces(pieces: tf.RaggedTensor) -> tf.Tensor:
    """Count the pieces of each row: [N, (T)] -> int32 [N]."""
    counts_N = pieces.row_lengths()
    return tf.cast(counts_N, tf.int32)
