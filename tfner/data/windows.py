"""Pieces → windows that fit the encoder. Every piece of every text is owned by exactly one window.

A text of n pieces is covered by windows of at most `capacity` pieces; neighbours share at least `overlap`. A piece in
several windows is owned by the one where its shorter context, left or right, is longest (a text's own end counts as
unlimited context); in closed form the border between two neighbours is the middle of what they share.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf


class Windows(NamedTuple):
    """Stretches of pieces; every member int32 [N], positions count pieces of the text without [CLS] and [SEP]."""

    text: tf.Tensor  # row of the text
    start: tf.Tensor  # first piece
    end: tf.Tensor  # one past the last piece
    own_start: tf.Tensor  # first owned piece
    own_end: tf.Tensor  # one past the last owned piece

    def take(self, indices: tf.Tensor) -> Windows:
        """The windows at some indices."""
        return Windows(*(tf.gather(member, indices) for member in self))


def cut_windows(piece_counts_B: tf.Tensor, capacity: int, overlap: int) -> Windows:
    """Cover texts of `piece_counts_B` pieces; int32 [B] -> Windows of N stretches, in order of the texts.

    `overlap` is at most half of `capacity`, so that no piece lies in more than two windows but at a text's very end.
    A text without pieces has no window. Only the last window of a text moves back, to be as full as the others.
    """
    if not 0 <= 2 * overlap <= capacity:
        raise ValueError(f"overlap: expected 0 to half of the capacity {capacity}, got {overlap}")
    stride = capacity - overlap
    count_B = tf.maximum(piece_counts_B, 0)
    surplus_B = tf.maximum(count_B - capacity, 0)
    windows_B = tf.where(count_B > 0, 1 + (surplus_B + stride - 1) // stride, 0)
    text = tf.repeat(tf.range(tf.size(count_B)), windows_B)
    index = tf.range(tf.size(text)) - tf.gather(tf.cumsum(windows_B, exclusive=True), text)
    count, surplus = tf.gather(count_B, text), tf.gather(surplus_B, text)
    start = tf.minimum(index * stride, surplus)
    next_start = tf.minimum((index + 1) * stride, surplus)
    own_start = tf.where(index == 0, 0, ((index - 1) * stride + start + capacity) // 2)
    own_end = tf.where(
        index + 1 == tf.gather(windows_B, text), count, (start + next_start + capacity) // 2
    )
    return Windows(text, start, tf.minimum(start + capacity, count), own_start, own_end)


def window_values(values: tf.RaggedTensor, windows: Windows) -> tf.RaggedTensor:
    """What stands at the pieces of each window; [B, (T)] -> [N, (T)]."""
    offset = tf.cast(tf.gather(values.row_starts(), windows.text), tf.int32)
    positions = tf.ragged.range(
        offset + windows.start, offset + windows.end, row_splits_dtype=tf.int32
    )
    return positions.with_values(tf.gather(values.values, positions.values))


def owned_pieces(windows: Windows) -> tf.RaggedTensor:
    """True where a window owns its piece; -> bool [N, (T)]."""
    positions = tf.ragged.range(windows.start, windows.end, row_splits_dtype=tf.int32)
    row = positions.value_rowids()
    owned = (positions.values >= tf.gather(windows.own_start, row)) & (
        positions.values < tf.gather(windows.own_end, row)
    )
    return positions.with_values(owned)


def frame(values: tf.RaggedTensor, first: int | bool, last: int | bool) -> tf.RaggedTensor:
    """Put a value before and after each row, as [CLS] and [SEP] stand around a window; [N, (T)] -> [N, (T+2)]."""
    rows = values.nrows()
    return tf.concat(
        [
            tf.fill([rows, 1], tf.cast(first, values.dtype)),
            values,
            tf.fill([rows, 1], tf.cast(last, values.dtype)),
        ],
        1,
    )


def pad_rows(
    values: tf.RaggedTensor, width: tf.Tensor | int, filler: int | float | bool
) -> tf.Tensor:
    """The one place where rows become equally long; [N, (T)] -> [N, width]."""
    shape = tf.cast(tf.stack([-1, width]), values.row_splits.dtype)
    return tf.ensure_shape(values.to_tensor(filler, shape=shape), [None, None])
