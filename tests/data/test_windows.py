"""Windows cover every piece, own each once, where its context is best."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import tensorflow as tf
from hypothesis import given
from hypothesis import settings as limited
from hypothesis import strategies as st

from tfner.data.windows import cut_windows, frame, owned_pieces, pad_rows, window_values


@st.composite
def settings(draw):
    capacity = draw(st.integers(1, 40))
    return (
        capacity,
        draw(st.integers(0, capacity // 2)),
        draw(st.lists(st.integers(0, 200), min_size=0, max_size=5)),
    )


def context(piece, start, end, count):
    """The shorter of the contexts of a piece in a window; the text's own ends do not limit."""
    left = np.inf if start == 0 else piece - start
    right = np.inf if end == count else end - 1 - piece
    return min(left, right)


@given(settings())
def test_each_piece_is_owned_once_where_its_context_is_best(drawn):
    capacity, overlap, counts = drawn
    windows = [
        member.numpy() for member in cut_windows(tf.constant(counts, tf.int32), capacity, overlap)
    ]
    for row, count in enumerate(counts):
        of_text = [w for w in zip(*windows, strict=True) if w[0] == row]
        for piece in range(count):
            holders = [w for w in of_text if w[1] <= piece < w[2]]
            owners = [w for w in holders if w[3] <= piece < w[4]]
            assert len(owners) == 1
            assert context(piece, *owners[0][1:3], count) >= max(
                context(piece, *w[1:3], count) for w in holders
            )
        assert all(end - start <= capacity for _, start, end, _, _ in of_text)
        assert all(a[2] - b[1] >= overlap for a, b in pairwise(of_text))


@limited(max_examples=40)
@given(settings())
def test_what_the_windows_own_is_the_text_again(drawn):
    capacity, overlap, counts = drawn
    splits = tf.constant(np.cumsum([0, *counts]), tf.int32)
    pieces = tf.RaggedTensor.from_row_splits(
        tf.random.stateless_uniform([sum(counts)], [1, 2], 0, 9, tf.int32), splits
    )
    windows = cut_windows(tf.constant(counts, tf.int32), capacity, overlap)
    values, owned = window_values(pieces, windows), owned_pieces(windows)
    again = [[] for _ in counts]
    for row, window, own in zip(
        windows.text.numpy(), values.to_list(), owned.to_list(), strict=True
    ):
        assert len(window) == len(own)
        again[row] += [piece for piece, is_own in zip(window, own, strict=True) if is_own]
    assert again == pieces.to_list()
    rows = pad_rows(frame(values, 8, 9), capacity + 2, -1).numpy() if windows.text.shape[0] else []
    assert [row[row >= 0].tolist() for row in rows] == [
        [8, *window, 9] for window in values.to_list()
    ]


def test_empty_input_has_no_window():
    assert cut_windows(tf.zeros([0], tf.int32), 8, 2).text.shape == (0,)
    assert cut_windows(tf.constant([0, 0]), 8, 2).text.shape == (0,)


def test_values_and_ownership_follow_the_windows():
    pieces = tf.ragged.constant(
        [[], list(range(10, 21))], dtype=tf.int32, row_splits_dtype=tf.int32
    )
    windows = cut_windows(tf.cast(pieces.row_lengths(), tf.int32), 6, 2)
    assert window_values(pieces, windows).to_list() == [
        [10, 11, 12, 13, 14, 15],
        [14, 15, 16, 17, 18, 19],
        [15, 16, 17, 18, 19, 20],
    ]
    owned = tf.ragged.boolean_mask(window_values(pieces, windows), owned_pieces(windows))
    assert [piece for row in owned.to_list() for piece in row] == list(range(10, 21))
    assert frame(pieces, 1, 2).to_list() == [[1, 2], [1, *range(10, 21), 2]]
