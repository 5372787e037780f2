"""Collate windows to the tensors of a batch: x, labels and label mask, padded or in packed rows.

Numpy: an epoch's graph would be slower.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

# x and y int32, label_mask float32, each [B, T]
Batch = tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]
WIDTH_STEP = 8  # widths are multiples of it: few shapes, so that prepared kernels are used again
PADDED = ("input_ids", "attention_mask")  # members of x
PACKED = ("input_ids", "segment_ids", "position_ids")
PREFETCH = 8


class SoftLabels(NamedTuple):
    """Hold what teachers say of the L labelled pieces of some windows, in their order.

    probabilities: float16 [L, K], of each tag; no row is all zeros.
    is_gold: bool [L], whether the piece's label is gold; where it is not, the teachers' word is all
        there is to learn.
    """

    probabilities: np.ndarray
    is_gold: np.ndarray

    def take(self, rows: np.ndarray) -> SoftLabels:
        """Gather those of some labelled pieces."""
        return SoftLabels(*(member[rows] for member in self))


class Pieces(NamedTuple):
    """Hold the pieces of some windows, one window after the other; arrays [P]."""

    ids: np.ndarray
    labels: np.ndarray
    label_mask: np.ndarray
    soft_labels: SoftLabels | None = None  # of the pieces with a label


def padded_width(lengths_B: np.ndarray, longest: int) -> int:
    """Round the longest window's length up to a multiple of WIDTH_STEP, but at most to `longest`.

    >>> padded_width(np.array([3, 9]), longest=64), padded_width(np.array([3, 9]), longest=12)
    (16, 12)
    """
    widest = int(lengths_B.max())
    padding = -widest % WIDTH_STEP
    width = widest + padding
    return min(width, longest)


def collate_padded(
    pieces: Pieces, lengths_B: np.ndarray, shape: tuple[int, int], pad_id: int
) -> Batch:
    """Put a window in each row; rows without one complete the shape.

    >>> pieces = Pieces(np.array([101, 7, 102, 101, 8, 9, 102]), np.arange(7), np.ones(7))
    >>> x, y, label_mask = collate_padded(pieces, np.array([3, 4]), (3, 5), pad_id=0)
    >>> x["input_ids"].tolist()
    [[101, 7, 102, 0, 0], [101, 8, 9, 102, 0], [0, 0, 0, 0, 0]]
    >>> x["attention_mask"].tolist()
    [[1, 1, 1, 0, 0], [1, 1, 1, 1, 0], [0, 0, 0, 0, 0]]
    >>> y.tolist()
    [[0, 1, 2, 0, 0], [3, 4, 5, 6, 0], [0, 0, 0, 0, 0]]
    """
    rows, width = shape
    lengths_R = np.zeros(rows, np.int32)
    lengths_R[: len(lengths_B)] = lengths_B
    real_BT = real_positions(lengths_R, width)
    ids_BT, y_BT, mask_BT = scatter_pieces(pieces, real_BT, pad_id)
    x = {"input_ids": ids_BT, "attention_mask": real_BT.astype(np.int32)}
    return {**x, **scatter_soft_labels(pieces.soft_labels, mask_BT)}, y_BT, mask_BT


def collate_packed(
    pieces: Pieces,
    lengths_N: np.ndarray,
    counts_R: Sequence[int],
    shape: tuple[int, int],
    pad_id: int,
) -> Batch:
    """Put N windows into rows, `counts_R` [i] in row i; rows without a window complete the shape.

    >>> pieces = Pieces(np.array([101, 7, 8, 102, 101, 9, 102]), np.zeros(7), np.ones(7))
    >>> x, y, label_mask = collate_packed(pieces, np.array([4, 3]), [2], (1, 8), pad_id=0)
    >>> x["input_ids"].tolist()
    [[101, 7, 8, 102, 101, 9, 102, 0]]
    >>> x["segment_ids"].tolist()
    [[1, 1, 1, 1, 2, 2, 2, 0]]
    >>> x["position_ids"].tolist()
    [[0, 1, 2, 3, 0, 1, 2, 0]]
    """
    rows, width = shape
    windows_R = np.zeros(rows, np.int64)
    windows_R[: len(counts_R)] = counts_R
    last_R = np.cumsum(windows_R)
    ends_N = np.cumsum(lengths_N)
    piece_bounds_N = np.append(0, ends_N)
    window_bounds_R = np.append(0, last_R)
    begins_R = piece_bounds_N[window_bounds_R]
    pieces_R = np.diff(begins_R)
    real_RT = real_positions(pieces_R, width)
    ids_RT, y_RT, mask_RT = scatter_pieces(pieces, real_RT, pad_id)
    segments_RT = np.zeros_like(ids_RT)
    first_R = last_R - windows_R  # the first window of each row
    first_N = first_R.repeat(windows_R)
    segment_N = 1 + np.arange(len(lengths_N)) - first_N
    segment_P = segment_N.repeat(lengths_N)
    segments_RT[real_RT] = segment_P
    positions_RT = np.zeros_like(ids_RT)
    begin_N = ends_N - lengths_N
    begin_P = begin_N.repeat(lengths_N)
    positions_RT[real_RT] = np.arange(len(pieces.ids)) - begin_P
    x = {"input_ids": ids_RT, "segment_ids": segments_RT, "position_ids": positions_RT}
    return {**x, **scatter_soft_labels(pieces.soft_labels, mask_RT)}, y_RT, mask_RT


def real_positions(lengths_B: np.ndarray, width: int) -> np.ndarray:
    """Mark the positions of each row that hold a piece; bool [B, T].

    >>> real_positions(np.array([1, 2]), width=3).astype(int).tolist()
    [[1, 0, 0], [1, 1, 0]]
    """
    position_T = np.arange(width)
    lengths_B1 = lengths_B[:, None]
    return position_T < lengths_B1


def scatter_pieces(
    pieces: Pieces, real_BT: np.ndarray, pad_id: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Write ids, labels and label mask, in order, at the real positions; each [B, T].

    >>> real = np.array([[True, False], [True, True]])
    >>> pieces = Pieces(np.array([5, 6, 7]), np.array([1, 2, 0]), np.array([1, 0, 1]))
    >>> [array.tolist() for array in scatter_pieces(pieces, real, pad_id=9)]
    [[[5, 9], [6, 7]], [[1, 0], [2, 0]], [[1.0, 0.0], [0.0, 1.0]]]
    """
    ids_BT = np.full(real_BT.shape, pad_id, np.int32)
    y_BT = np.zeros_like(ids_BT)
    mask_BT = np.zeros(real_BT.shape, np.float32)
    ids_BT[real_BT] = pieces.ids
    y_BT[real_BT] = pieces.labels
    mask_BT[real_BT] = pieces.label_mask
    return ids_BT, y_BT, mask_BT


def scatter_soft_labels(soft: SoftLabels | None, mask_BT: np.ndarray) -> dict[str, np.ndarray]:
    """Write soft labels, in order, at the labelled positions, as two more members of x.

    `soft_labels` is float32 [B, T, K], each row that a teacher gave with the sum 1, `gold_mask`
    float32 [B, T]. Without soft labels there are no such members.

        >>> soft = SoftLabels(np.array([[0.25, 0.75], [2.0, 0.0]]), np.array([True, False]))
        >>> members = scatter_soft_labels(soft, np.array([[0.0, 1.0, 1.0]]))
        >>> members["soft_labels"].tolist(), members["gold_mask"].tolist()
        ([[[0.0, 0.0], [0.25, 0.75], [1.0, 0.0]]], [[0.0, 1.0, 0.0]])
    """
    if soft is None:
        return {}
    labelled_BT = mask_BT > 0
    rows_LK = soft.probabilities.astype(np.float32)
    mass_L1 = rows_LK.sum(axis=1, keepdims=True)
    tags = rows_LK.shape[1]
    shape = (*mask_BT.shape, tags)
    soft_BTK = np.zeros(shape, np.float32)
    soft_BTK[labelled_BT] = rows_LK / mass_L1
    gold_BT = np.zeros(mask_BT.shape, np.float32)
    gold_BT[labelled_BT] = soft.is_gold
    return {"soft_labels": soft_BTK, "gold_mask": gold_BT}


def dataset_of(
    stream: Callable[[], Iterator[Batch]],
    members: Sequence[str],
    shape: tuple[int | None, int | None],
    soft_tags: int | None = None,
) -> tf.data.Dataset:
    """Wrap what `stream` yields, some batches prefetched.

    `shape` is that of every tensor; where `soft_tags` are given, there are soft labels of so many.
    """
    ids, label_mask = tf.TensorSpec(shape, tf.int32), tf.TensorSpec(shape, tf.float32)
    x = dict.fromkeys(members, ids)
    if soft_tags is not None:
        soft_labels = tf.TensorSpec([*shape, soft_tags], tf.float32)
        x |= {"soft_labels": soft_labels, "gold_mask": label_mask}
    signature = x, ids, label_mask
    dataset = tf.data.Dataset.from_generator(stream, output_signature=signature)
    return dataset.prefetch(PREFETCH)
