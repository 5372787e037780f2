"""Batch shards on disk as `Batches` and `PackedBatches` do a corpus in memory, in bounded memory.

The order of an epoch is a function of the seed and the epoch's number alone. How many batches it
has is known beforehand: of buckets from the lengths of all windows; of packed rows from the first
epoch, packed by lengths alone. Each further epoch is tried out in the same way, while the one
before it is trained on, so that its rows fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import count, islice, repeat
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np

from tfner.data.batching import collate
from tfner.data.batching.batches import PaddedSettings, buckets_of
from tfner.data.batching.collate import PACKED, PADDED, Batch, Pieces
from tfner.data.batching.epochs import EpochBatches, Order
from tfner.data.batching.packed_batches import PackedSettings
from tfner.data.batching.packing import draws, join_rows, pack_stream
from tfner.data.batching.replica_range import ReplicaRange
from tfner.data.shards.order import Window, windows_in_order
from tfner.data.shards.sharded_corpus import PIECE, ShardedCorpus, ShardReader
from tfner.exceptions import DataError

Read = Callable[[int], list[Window]]  # the windows of a block, by its number
LengthOf = Callable[[Window], int]
Drawn = tuple[list[int], int]  # of packed rows: the seeds of an order, and how many rows it has


class WindowAt(NamedTuple):
    """Say where a window is, and how many pieces it has."""

    block: int
    number: int  # within the block
    length: int


class ShardBatches(EpochBatches):
    """Batch a corpus on disk, epoch by epoch; nothing is dropped.

    `failure` is the error that ended a dataset, if one did.
    """

    def __init__(self, corpus: ShardedCorpus, settings: PaddedSettings | PackedSettings):
        self.corpus = corpus
        self.lengths = corpus.blocks.lengths
        self.failure: DataError | None = None
        self._epochs: Any
        if isinstance(settings, PackedSettings):
            self._epochs = PackedEpochs(corpus, settings)
        else:
            self._epochs = PaddedEpochs(corpus, settings)
        self.members = self._epochs.members
        self.steps_per_epoch = self._epochs.steps

    def shape(self, replicas: ReplicaRange) -> tuple[int | None, int | None]:
        """Give the shape of every tensor of a replica's rows of a batch."""
        return self._epochs.shape(replicas)

    def draw(self, epoch: int) -> Any:
        """Work out what the order of an epoch follows from."""
        return self._epochs.draw(epoch)

    def collate(self, orders: Iterable[Order], replicas: ReplicaRange) -> Iterator[Batch]:
        """Collate the batches of some epochs, each from its first step on."""
        try:
            with ShardReader(self.corpus) as reader:
                for drawn, first_step in orders:
                    yield from self._epochs.batches(reader.windows, drawn, first_step, replicas)
        except DataError as error:
            # TensorFlow would pass on its text alone, with a traceback around it
            self.failure = error
            raise

    def windows_of(self, epoch: int, step: int) -> list[WindowAt]:
        """Find the windows of a batch by lengths alone."""
        drawn = self.draw(epoch)
        groups = self._epochs.groups(self._windows_at, attrgetter("length"), drawn)
        return next(islice(groups, step, None))

    def _windows_at(self, block: int) -> list[WindowAt]:
        """List the windows of a block."""
        lengths = self.corpus.blocks.lengths_of(block)
        return list(map(WindowAt, repeat(block), count(), lengths))


class PaddedEpochs:
    """Batch windows padded to the longest of them, in buckets or not, as `PaddedSettings` says."""

    members = PADDED

    def __init__(self, corpus: ShardedCorpus, settings: PaddedSettings):
        self._corpus = corpus
        self._settings = settings
        self._buckets = buckets_of(corpus.counts, settings)
        self.steps = self._buckets.steps

    def shape(self, replicas: ReplicaRange) -> tuple[None, None]:
        """Leave rows and width open: both differ from batch to batch."""
        return None, None

    def draw(self, epoch: int) -> list[int]:
        """Give the seeds of an epoch's order."""
        return next(draws(self._settings.seed, epoch))

    def groups(
        self, read: Read[Window], length: LengthOf[Window], drawn: list[int]
    ) -> Iterator[list[Window]]:
        """Give what `read` gives of each window, batch by batch."""
        random = np.random.default_rng(drawn)
        windows = windows_in_order(len(self._corpus.blocks), read, random)
        return self._buckets.group(windows, length)

    def batches(
        self, read: Read[bytes], drawn: list[int], first_step: int, replicas: ReplicaRange
    ) -> Iterator[Batch]:
        """Collate the batches of an epoch from a step on; what comes before is only read."""
        groups = self.groups(read, length_of, drawn)
        for together in islice(groups, first_step, None):
            lengths = np.array(list(map(length_of, together)))
            width = collate.padded_width(lengths, self._buckets.longest)
            shape = replicas.rows_each(len(together)), width
            for rows in replicas.slices(len(together)):
                pieces, own_lengths = pieces_of(together[rows])
                yield collate.collate_padded(pieces, own_lengths, shape, self._settings.pad_id)


class PackedEpochs:
    """Batch rows that hold several windows, in one shape, as `PackedSettings` says."""

    members = PACKED

    def __init__(self, corpus: ShardedCorpus, settings: PackedSettings):
        self._corpus = corpus
        self._settings = settings
        lengths = corpus.blocks.lengths
        self._shortest = int(lengths.min(initial=settings.row_length))
        seeds = next(draws(settings.seed, 0))
        rows = self._count(seeds)
        self._first = seeds, rows
        self._shape = settings.shape_of(rows, lengths)
        self.steps = self._shape.steps

    def shape(self, replicas: ReplicaRange) -> tuple[int, int]:
        """Give the one shape of all batches."""
        return replicas.rows_each(self._shape.rows), self._settings.row_length

    def draw(self, epoch: int) -> Drawn:
        """Find seeds whose rows fit into the batches; at the worst those of the first epoch.

        Returns:
            The seeds, and how many rows there are.
        """
        for seeds in draws(self._settings.seed, epoch) if epoch else ():
            rows = self._count(seeds)
            if rows <= self._shape.capacity:
                return seeds, rows
        return self._first

    def batches(
        self, read: Read[bytes], drawn: Drawn, first_step: int, replicas: ReplicaRange
    ) -> Iterator[Batch]:
        """Collate the batches of an epoch from a step on; what comes before is only read."""
        shape = self.shape(replicas)
        steps = self._rows_by_step(read, length_of, drawn)
        for rows in islice(steps, first_step, None):
            for rows_of_one in replicas.slices(len(rows)):
                own = rows[rows_of_one]
                pieces, lengths = pieces_of(join_rows(own))
                counts = list(map(len, own))
                yield collate.collate_packed(pieces, lengths, counts, shape, self._settings.pad_id)

    def groups(
        self, read: Read[Window], length: LengthOf[Window], drawn: Drawn
    ) -> Iterator[list[Window]]:
        """Give what `read` gives of each window, batch by batch."""
        for rows in self._rows_by_step(read, length, drawn):
            yield join_rows(rows)

    def _rows_by_step(
        self, read: Read[Window], length: LengthOf[Window], drawn: Drawn
    ) -> Iterator[list[list[Window]]]:
        """Give the rows of each batch, without those that hold no window."""
        seeds, all_rows = drawn
        rows = self._rows(read, length, seeds)
        for step in range(self.steps):
            span = self._shape.rows_of(step, all_rows)
            yield list(islice(rows, span.stop - span.start))

    def _count(self, seeds: list[int]) -> int:
        """Count the rows that the windows come to, by their lengths."""
        rows = self._rows(self._corpus.blocks.lengths_of, int, seeds)
        return sum(1 for _ in rows)

    def _rows(
        self, read: Read[Window], length: LengthOf[Window], seeds: list[int]
    ) -> Iterator[list[Window]]:
        """Pack all windows into rows, in an order that follows from `seeds`."""
        order, within = np.random.default_rng(seeds).spawn(2)
        windows = windows_in_order(len(self._corpus.blocks), read, order)
        row_length = self._settings.row_length
        return pack_stream(windows, length, row_length, within, shortest=self._shortest)


def length_of(window: bytes) -> int:
    """Count the pieces of a window as it is on disk."""
    return len(window) // PIECE.itemsize


def pieces_of(windows: list[bytes]) -> tuple[Pieces, np.ndarray]:
    """Join the pieces of some windows as they are on disk, and count those of each.

    >>> window = np.array([(101, 0, 0), (7, 2, 1), (102, 0, 0)], PIECE).tobytes()
    >>> pieces, lengths = pieces_of([window, window[: PIECE.itemsize]])
    >>> pieces.ids.tolist(), pieces.labels.tolist(), lengths.tolist()
    ([101, 7, 102, 101], [0, 2, 0, 0], [3, 1])
    """
    pieces = np.frombuffer(b"".join(windows), PIECE)
    lengths = np.array(list(map(length_of, windows)), np.int32)
    return Pieces(pieces["id"], pieces["label"], pieces["labelled"]), lengths
