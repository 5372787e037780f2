"""Windows → the tensors of a batch: x, labels and label mask, padded or in packed rows. Numpy: an epoch's graph would be slower."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

Batch = tuple[
    dict[str, np.ndarray], np.ndarray, np.ndarray
]  # x and y int32, label_mask float32, each [B, T]
ROUNDING = 8  # batches are padded to a multiple of this: few shapes, so that kernels prepared for a shape are used again
PADDED = ("input_ids", "attention_mask")  # members of x
PACKED = ("input_ids", "segment_ids", "position_ids")
PREFETCH = 8


class Pieces(NamedTuple):
    """The pieces of some windows, one window after the other; arrays [P]."""

    ids: np.ndarray
    labels: np.ndarray
    label_mask: np.ndarray


def width_of(lengths_B: np.ndarray, longest: int) -> int:
    """The width of a padded batch: its longest window's length rounded up, but at most `longest`."""
    return min(-(-int(lengths_B.max()) // ROUNDING) * ROUNDING, longest)


def pad(pieces: Pieces, lengths_B: np.ndarray, shape: tuple[int, int], pad_id: int) -> Batch:
    """A window a row; rows without one complete the shape."""
    lengths_R = np.zeros(shape[0], np.int32)
    lengths_R[: len(lengths_B)] = lengths_B
    real_BT = np.arange(shape[1]) < lengths_R[:, None]
    ids_BT, y_BT, mask_BT = fill(pieces, real_BT, pad_id)
    return {"input_ids": ids_BT, "attention_mask": real_BT.astype(np.int32)}, y_BT, mask_BT


def join(
    pieces: Pieces,
    lengths_N: np.ndarray,
    counts_R: Sequence[int],
    shape: tuple[int, int],
    pad_id: int,
) -> Batch:
    """N windows, so many in each row; rows without a window complete the shape."""
    windows = np.zeros(shape[0], np.int64)
    windows[: len(counts_R)] = counts_R
    ends_N = np.cumsum(lengths_N)
    first_R = np.cumsum(windows) - windows
    pieces_R = np.diff(np.append(0, ends_N)[np.append(0, np.cumsum(windows))])
    real_RT = np.arange(shape[1]) < pieces_R[:, None]
    ids_RT, y_RT, mask_RT = fill(pieces, real_RT, pad_id)
    segments_RT, positions_RT = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    segments_RT[real_RT] = np.repeat(
        1 + np.arange(len(lengths_N)) - np.repeat(first_R, windows), lengths_N
    )
    positions_RT[real_RT] = np.arange(len(pieces.ids)) - np.repeat(ends_N - lengths_N, lengths_N)
    return (
        {"input_ids": ids_RT, "segment_ids": segments_RT, "position_ids": positions_RT},
        y_RT,
        mask_RT,
    )


def fill(
    pieces: Pieces, real_BT: np.ndarray, pad_id: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ids, labels and label mask, in order, at the real positions; each [B, T]."""
    ids_BT, y_BT, mask_BT = (
        np.full(real_BT.shape, pad_id, np.int32),
        np.zeros(real_BT.shape, np.int32),
        np.zeros(real_BT.shape, np.float32),
    )
    ids_BT[real_BT], y_BT[real_BT], mask_BT[real_BT] = pieces
    return ids_BT, y_BT, mask_BT


def dataset_of(
    stream: Callable[[], Iterator[Batch]],
    members: Sequence[str],
    shape: tuple[int | None, int | None],
) -> tf.data.Dataset:
    """What `stream` yields, some batches ahead of their use; `shape` is that of every tensor."""
    x = {name: tf.TensorSpec(shape, tf.int32) for name in members}
    signature = x, tf.TensorSpec(shape, tf.int32), tf.TensorSpec(shape, tf.float32)
    return tf.data.Dataset.from_generator(stream, output_signature=signature).prefetch(PREFETCH)
