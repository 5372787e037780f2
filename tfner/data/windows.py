"""Cut pieces into windows that fit the encoder; every piece of every text is owned by one window.

A text of n pieces is covered by windows of at most `capacity` pieces; neighbours share at least
`overlap`. A piece in several windows is owned by the one where its shorter context, left or right,
is longest (a text's own end counts as unlimited context); in closed form the border between two
neighbours is the middle of what they share.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf


class Windows(NamedTuple):
    """Hold N windows, int32 [N] each; positions count a text's pieces without [CLS] and [SEP]."""

    text: tf.Tensor  # number of the text
    start: tf.Tensor  # first piece
    end: tf.Tensor  # one past the last piece
    own_start: tf.Tensor  # first owned piece
    own_end: tf.Tensor  # one past the last owned piece

    def take(self, indices: tf.Tensor) -> Windows:
        """Gather the windows at some indices."""
        return Windows(*(tf.gather(member, indices) for member in self))


def cut_windows(piece_counts_B: tf.Tensor, capacity: int, overlap: int) -> Windows:
    """Cover texts of `piece_counts_B` pieces, int32 [B], by N windows, in order of the texts.

    `overlap` is at most half of `capacity`, so that no piece lies in more than two windows but at a
    text's very end. A text without pieces has no window. Only the last window of a text moves back,
    to be as full as the others.

    Texts of 9, 0 and 3 pieces, in windows of 6 that share 2; the first text's are

        piece        0 1 2 3 4 5 6 7 8
        window 0     o o o o o .            o owned, . context
        window 1           . . o o o o

        >>> windows = cut_windows(tf.constant([9, 0, 3]), capacity=6, overlap=2)
        >>> windows.text.numpy().tolist()
        [0, 0, 2]
        >>> windows.start.numpy().tolist(), windows.end.numpy().tolist()
        ([0, 3, 0], [6, 9, 3])
        >>> windows.own_start.numpy().tolist(), windows.own_end.numpy().tolist()
        ([0, 4, 0], [4, 9, 3])
    """
    if not 0 <= 2 * overlap <= capacity:
        raise ValueError(f"overlap: expected 0 to half of the capacity {capacity}, got {overlap}")
    stride = capacity - overlap
    count_B = tf.maximum(piece_counts_B, 0)
    excess_B = count_B - capacity
    surplus_B = tf.maximum(excess_B, 0)
    more_B = (surplus_B + stride - 1) // stride  # windows behind the first
    windows_B = tf.where(count_B > 0, 1 + more_B, 0)
    texts = tf.size(count_B)
    number_B = tf.range(texts)
    text = tf.repeat(number_B, windows_B)
    before_B = tf.cumsum(windows_B, exclusive=True)
    index = tf.range(tf.size(text)) - tf.gather(before_B, text)
    count = tf.gather(count_B, text)
    surplus = tf.gather(surplus_B, text)
    start = tf.minimum(index * stride, surplus)
    end = tf.minimum(start + capacity, count)
    previous_start = (index - 1) * stride
    next_start = tf.minimum((index + 1) * stride, surplus)
    # the middle of what two neighbours share, from the start of the one to the end of the other
    middle_before = (previous_start + start + capacity) // 2
    middle_after = (start + next_start + capacity) // 2
    own_start = tf.where(index == 0, 0, middle_before)
    is_last = index + 1 == tf.gather(windows_B, text)
    own_end = tf.where(is_last, count, middle_after)
    return Windows(text, start, end, own_start, own_end)


def window_values(values: tf.RaggedTensor, windows: Windows) -> tf.RaggedTensor:
    """Gather the values at the pieces of each window; [B, (T)] -> [N, (T)].

    >>> windows = cut_windows(tf.constant([5, 2]), capacity=4, overlap=1)
    >>> window_values(tf.ragged.constant([[1, 2, 3, 4, 5], [6, 7]]), windows).to_list()
    [[1, 2, 3, 4], [2, 3, 4, 5], [6, 7]]
    """
    begin = tf.gather(values.row_starts(), windows.text)
    offset = tf.cast(begin, tf.int32)
    start = offset + windows.start
    end = offset + windows.end
    positions = tf.ragged.range(start, end, row_splits_dtype=tf.int32)
    return positions.with_values(tf.gather(values.values, positions.values))


def owned_pieces(windows: Windows) -> tf.RaggedTensor:
    """Mark the pieces that a window owns; -> bool [N, (T)].

    >>> owned = owned_pieces(cut_windows(tf.constant([5, 2]), capacity=4, overlap=1))
    >>> [[int(own) for own in row] for row in owned.to_list()]
    [[1, 1, 0, 0], [0, 1, 1, 1], [1, 1]]
    """
    positions = tf.ragged.range(windows.start, windows.end, row_splits_dtype=tf.int32)
    window = positions.value_rowids()
    piece = positions.values
    after_start = piece >= tf.gather(windows.own_start, window)
    before_end = piece < tf.gather(windows.own_end, window)
    return positions.with_values(after_start & before_end)


def frame(values: tf.RaggedTensor, first: int | bool, last: int | bool) -> tf.RaggedTensor:
    """Put a value before and after each row, as [CLS] and [SEP] are; [N, (T)] -> [N, (T + 2)].

    >>> frame(tf.ragged.constant([[7, 8], [9]]), 101, 102).to_list()
    [[101, 7, 8, 102], [101, 9, 102]]
    """
    shape = [values.nrows(), 1]
    before = tf.fill(shape, tf.cast(first, values.dtype))
    after = tf.fill(shape, tf.cast(last, values.dtype))
    return tf.concat([before, values, after], 1)


def pad_rows(
    values: tf.RaggedTensor, width: tf.Tensor | int, filler: int | float | bool
) -> tf.Tensor:
    """Pad rows to one width; [N, (T)] -> [N, width].

    >>> pad_rows(tf.ragged.constant([[7, 8], [9]]), 3, 0).numpy().tolist()
    [[7, 8, 0], [9, 0, 0]]
    """
    shape = tf.cast(tf.stack([-1, width]), values.row_splits.dtype)
    return tf.ensure_shape(values.to_tensor(filler, shape=shape), [None, None])
