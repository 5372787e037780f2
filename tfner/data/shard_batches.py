"""Shards on disk → the batches that `Batches` and `PackedBatches` make of a corpus in memory, in bounded memory.

The order of an epoch is a function of the seed and the epoch's number alone. How many batches it has is known beforehand: of buckets from
the lengths of all windows; of packed rows from the first epoch, packed by lengths alone. Each further epoch is tried out in the same way,
while the one before it is trained on, so that its rows fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from tfner.data.ahead import Ahead
from tfner.data.batches import ROUNDING, BatchSettings, buckets_of
from tfner.data.buckets import Buckets
from tfner.data.packed_batches import PackSettings
from tfner.data.packing import PackedShape, draws, pack_stream
from tfner.data.shard_order import Window, windows_in_order
from tfner.data.shards import PIECE, ShardedCorpus, ShardReader
from tfner.exceptions import DataError

Batch = tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]  # x, y, label_mask
Read = Callable[[int], list[bytes]]  # the windows of a block
PREFETCH = 8


class Epochs(Protocol):
    """How windows become batches. `members` are those of x, `shape` is that of every tensor of a batch, `steps` the batches of an epoch."""

    members: tuple[str, ...]
    shape: tuple[int | None, int | None]
    steps: int

    def draw(self, epoch: int) -> Any:
        """What the order of an epoch follows from."""
        ...

    def batches(self, read: Read, drawn: Any) -> Iterator[Batch]:
        """The batches of an epoch."""
        ...


class ShardBatches:
    """The batches of a corpus on disk, epoch by epoch; nothing is dropped. `failure` is the error that ended a dataset, if one did."""

    def __init__(self, corpus: ShardedCorpus, settings: BatchSettings | PackSettings):
        self.corpus = corpus
        self.lengths = corpus.blocks.lengths
        self.failure: DataError | None = None
        self._epochs: Epochs = PackedEpochs(corpus, settings) if isinstance(settings, PackSettings) else PaddedEpochs(corpus, settings)
        self.steps_per_epoch = self._epochs.steps

    def training(self, epochs: int, first_epoch: int = 0) -> tf.data.Dataset:
        """All batches from `first_epoch` on, each epoch in its own order."""
        shape = self._epochs.shape
        x = {name: tf.TensorSpec(shape, tf.int32) for name in self._epochs.members}
        signature = x, tf.TensorSpec(shape, tf.int32), tf.TensorSpec(shape, tf.float32)
        batches = tf.data.Dataset.from_generator(lambda: self._stream(epochs, first_epoch), output_signature=signature)
        return batches.prefetch(PREFETCH)

    def _stream(self, epochs: int, first_epoch: int) -> Iterator[Batch]:
        drawn = Ahead(self._epochs.draw, epochs)
        try:
            with ShardReader(self.corpus) as reader:
                for epoch in range(first_epoch, epochs):
                    yield from self._epochs.batches(reader.windows, drawn(epoch))
        except DataError as error:
            self.failure = error  # TensorFlow would pass on its text alone, with a traceback around it
            raise


class PaddedEpochs:
    """Batches of windows padded to the longest of them, by buckets of lengths or without, as `BatchSettings` says."""

    members = ("input_ids", "attention_mask")
    shape = (None, None)

    def __init__(self, corpus: ShardedCorpus, settings: BatchSettings):
        self._corpus = corpus
        self._settings = settings
        self._buckets = buckets_of(corpus.counts, settings)
        self.steps = self._buckets.steps

    def draw(self, epoch: int) -> list[int]:
        return next(draws(self._settings.seed, epoch))

    def batches(self, read: Read, drawn: list[int]) -> Iterator[Batch]:
        windows = windows_in_order(len(self._corpus.blocks), read, np.random.default_rng(drawn))
        for together in bucketed(windows, self._buckets):
            yield pad(together, int(self._buckets.bounds[-1]), self._settings.pad_id)


class PackedEpochs:
    """Batches of rows that hold several windows, in one shape, as `PackSettings` says."""

    members = ("input_ids", "segment_ids", "position_ids")

    def __init__(self, corpus: ShardedCorpus, settings: PackSettings):
        self._corpus = corpus
        self._settings = settings
        self._shortest = int(corpus.blocks.lengths.min(initial=settings.row_length))
        seeds = next(draws(settings.seed, 0))
        self._first = seeds, self._count(seeds)
        pieces = settings.batch_size * float(corpus.blocks.lengths.mean()) if len(corpus.blocks.lengths) else 1.0
        self._shape = PackedShape.of(self._first[1], pieces, settings.row_length)
        self.shape = self._shape.rows, settings.row_length
        self.steps = self._shape.steps

    def draw(self, epoch: int) -> tuple[list[int], int]:
        """Seeds whose rows fit into the batches, and how many rows there are; at the worst those of the first epoch."""
        for seeds in draws(self._settings.seed, epoch) if epoch else ():
            rows = self._count(seeds)
            if rows <= self._shape.capacity:
                return seeds, rows
        return self._first

    def batches(self, read: Read, drawn: tuple[list[int], int]) -> Iterator[Batch]:
        seeds, count = drawn
        rows = self._rows(read, length_of, seeds)
        for step in range(self.steps):
            yield join(list(islice(rows, self._shape.rows_of(step, count))), self.shape, self._settings.pad_id)

    def _count(self, seeds: list[int]) -> int:
        """How many rows the windows come to, by their lengths."""
        return sum(1 for _ in self._rows(self._corpus.blocks.lengths_of, int, seeds))

    def _rows(self, read: Callable[[int], list[Window]], length: Callable[[Window], int], seeds: list[int]) -> Iterator[list[Window]]:
        order, within = np.random.default_rng(seeds).spawn(2)
        windows = windows_in_order(len(self._corpus.blocks), read, order)
        return pack_stream(windows, length, self._settings.row_length, within, shortest=self._shortest)


def length_of(window: bytes) -> int:
    return len(window) // PIECE.itemsize


def bucketed(windows: Iterable[bytes], buckets: Buckets) -> Iterator[list[bytes]]:
    """Windows of one bucket at a time, as soon as there are enough of them; those that are left over at the end."""
    bucket_of = np.searchsorted(buckets.bounds, np.arange(buckets.bounds[-1] + 1)).tolist()
    waiting: list[list[bytes]] = [[] for _ in buckets.sizes]
    for window in windows:
        bucket = bucket_of[length_of(window)]
        waiting[bucket].append(window)
        if len(waiting[bucket]) == buckets.sizes[bucket]:
            yield waiting[bucket]
            waiting[bucket] = []
    yield from filter(None, waiting)


def pad(windows: list[bytes], longest: int, pad_id: int) -> Batch:
    """Windows [B] -> (x, y, label_mask), each [B, T], T the longest window's length rounded up, but at most `longest`."""
    lengths_B = np.array([length_of(window) for window in windows])
    width = min(-(-int(lengths_B.max()) // ROUNDING) * ROUNDING, longest)
    real_BT = np.arange(width) < lengths_B[:, None]
    ids_BT, y_BT, mask_BT = fill(b"".join(windows), real_BT, pad_id)
    return {"input_ids": ids_BT, "attention_mask": real_BT.astype(np.int32)}, y_BT, mask_BT


def join(rows: list[list[bytes]], shape: tuple[int, int], pad_id: int) -> Batch:
    """Rows of windows -> (x, y, label_mask), each of `shape`; rows without a window complete them."""
    windows = [window for row in rows for window in row]
    lengths_N = np.array([length_of(window) for window in windows], np.int32)
    number_N = np.array([number for row in rows for number in range(1, len(row) + 1)], np.int32)
    pieces_R = np.zeros(shape[0], np.int32)
    pieces_R[: len(rows)] = [sum(map(length_of, row)) for row in rows]
    real_RT = np.arange(shape[1]) < pieces_R[:, None]
    ids_RT, y_RT, mask_RT = fill(b"".join(windows), real_RT, pad_id)
    segments_RT, positions_RT = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    segments_RT[real_RT] = np.repeat(number_N, lengths_N)
    positions_RT[real_RT] = np.arange(lengths_N.sum()) - np.repeat(np.cumsum(lengths_N) - lengths_N, lengths_N)
    return {"input_ids": ids_RT, "segment_ids": segments_RT, "position_ids": positions_RT}, y_RT, mask_RT


def fill(content: bytes, real_BT: np.ndarray, pad_id: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pieces, in order, at the real positions: ids int32, labels int32, label mask float32, each [B, T]."""
    pieces = np.frombuffer(content, PIECE)
    ids_BT, y_BT, mask_BT = np.full(real_BT.shape, pad_id, np.int32), np.zeros(real_BT.shape, np.int32), np.zeros(real_BT.shape, np.float32)
    ids_BT[real_BT], y_BT[real_BT], mask_BT[real_BT] = pieces["id"], pieces["label"], pieces["labelled"]
    return ids_BT, y_BT, mask_BT
