"""Shards on disk → the batches that `Batches` and `PackedBatches` make of a corpus in memory, in bounded memory.

The order of an epoch is a function of the seed and the epoch's number alone. How many batches it has is known beforehand: of buckets from
the lengths of all windows; of packed rows from the first epoch, packed by lengths alone. Each further epoch is tried out in the same way,
while the one before it is trained on, so that its rows fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from operator import attrgetter
from typing import Any, NamedTuple, Protocol

import numpy as np
import tensorflow as tf

from tfner.data.batching.batches import PaddedSettings, buckets_of
from tfner.data.batching.collate import (
    PACKED,
    PADDED,
    Batch,
    Pieces,
    dataset_of,
    join,
    pad,
    width_of,
)
from tfner.data.batching.packed_batches import PackedSettings
from tfner.data.batching.packing import PackedShape, draws, pack_stream
from tfner.data.batching.prefetch import Ahead
from tfner.data.batching.replica_range import WHOLE, Share
from tfner.data.shards.order import Window, windows_in_order
from tfner.data.shards.sharded_corpus import PIECE, ShardedCorpus, ShardReader
from tfner.exceptions import DataError

Read = Callable[[int], list[bytes]]  # the windows of a block


class Epochs(Protocol):
    """How windows become batches. `members` are those of x, `steps` counts the batches of an epoch."""

    members: tuple[str, ...]
    steps: int

    def shape(self, share: Share) -> tuple[int | None, int | None]:
        """That of every tensor of a replica's part of a batch."""
        ...

    def draw(self, epoch: int) -> Any:
        """What the order of an epoch follows from."""
        ...

    def groups(
        self, read: Callable[[int], list[Window]], length: Callable[[Window], int], drawn: Any
    ) -> Iterator[list[Window]]:
        """What `read` gives of each window, batch by batch."""
        ...

    def batches(self, read: Read, drawn: Any, first_step: int, share: Share) -> Iterator[Batch]:
        """The parts of the batches of an epoch from a step on; what comes before is read, but not put together."""
        ...


class WindowAt(NamedTuple):
    """Where a window is, and how many pieces it has."""

    block: int
    place: int
    length: int


class ShardBatches:
    """The batches of a corpus on disk, epoch by epoch; nothing is dropped. `failure` is the error that ended a dataset, if one did."""

    def __init__(self, corpus: ShardedCorpus, settings: PaddedSettings | PackedSettings):
        self.corpus = corpus
        self.lengths = corpus.blocks.lengths
        self.failure: DataError | None = None
        self._epochs: Epochs = (
            PackedEpochs(corpus, settings)
            if isinstance(settings, PackedSettings)
            else PaddedEpochs(corpus, settings)
        )
        self.steps_per_epoch = self._epochs.steps

    def training(
        self, epochs: int, first_epoch: int = 0, first_step: int = 0, share: Share = WHOLE
    ) -> tf.data.Dataset:
        """All batches from a step of `first_epoch` on, each epoch in its own order; of each batch the parts of `share`, one by one."""
        return dataset_of(
            lambda: self._stream(epochs, first_epoch, first_step, share),
            self._epochs.members,
            self._epochs.shape(share),
        )

    def _stream(
        self, epochs: int, first_epoch: int, first_step: int, share: Share
    ) -> Iterator[Batch]:
        drawn = Ahead(self._epochs.draw, epochs)
        try:
            with ShardReader(self.corpus) as reader:
                for epoch in range(first_epoch, epochs):
                    yield from self._epochs.batches(
                        reader.windows,
                        drawn(epoch),
                        first_step if epoch == first_epoch else 0,
                        share,
                    )
        except DataError as error:
            self.failure = (
                error  # TensorFlow would pass on its text alone, with a traceback around it
            )
            raise

    def windows_of(self, epoch: int, step: int) -> list[WindowAt]:
        """The windows of a batch, found by lengths alone."""

        def places(block: int) -> list[WindowAt]:
            return [
                WindowAt(block, place, length)
                for place, length in enumerate(self.corpus.blocks.lengths_of(block))
            ]

        return next(
            islice(
                self._epochs.groups(places, attrgetter("length"), self._epochs.draw(epoch)),
                step,
                None,
            )
        )


class PaddedEpochs:
    """Batches of windows padded to the longest of them, by buckets of lengths or without, as `PaddedSettings` says."""

    members = PADDED

    def __init__(self, corpus: ShardedCorpus, settings: PaddedSettings):
        self._corpus = corpus
        self._settings = settings
        self._buckets = buckets_of(corpus.counts, settings)
        self.steps = self._buckets.steps

    def shape(self, share: Share) -> tuple[None, None]:
        return None, None

    def draw(self, epoch: int) -> list[int]:
        return next(draws(self._settings.seed, epoch))

    def groups(
        self, read: Callable[[int], list[Window]], length: Callable[[Window], int], drawn: list[int]
    ) -> Iterator[list[Window]]:
        return self._buckets.group(
            windows_in_order(len(self._corpus.blocks), read, np.random.default_rng(drawn)), length
        )

    def batches(
        self, read: Read, drawn: list[int], first_step: int, share: Share
    ) -> Iterator[Batch]:
        for together in islice(self.groups(read, length_of, drawn), first_step, None):
            width = width_of(
                np.array(list(map(length_of, together))), int(self._buckets.bounds[-1])
            )
            for part in share.parts(len(together)):
                yield pad(
                    *pieces_of(together[part]),
                    (share.rows_each(len(together)), width),
                    self._settings.pad_id,
                )


class PackedEpochs:
    """Batches of rows that hold several windows, in one shape, as `PackedSettings` says."""

    members = PACKED

    def __init__(self, corpus: ShardedCorpus, settings: PackedSettings):
        self._corpus = corpus
        self._settings = settings
        self._shortest = int(corpus.blocks.lengths.min(initial=settings.row_length))
        seeds = next(draws(settings.seed, 0))
        self._first = seeds, self._count(seeds)
        pieces = (
            settings.batch_size * float(corpus.blocks.lengths.mean())
            if len(corpus.blocks.lengths)
            else 1.0
        )
        self._shape = PackedShape.of(self._first[1], pieces, settings.row_length)
        self.steps = self._shape.steps

    def shape(self, share: Share) -> tuple[int, int]:
        return share.rows_each(self._shape.rows), self._settings.row_length

    def draw(self, epoch: int) -> tuple[list[int], int]:
        """Seeds whose rows fit into the batches, and how many rows there are; at the worst those of the first epoch."""
        for seeds in draws(self._settings.seed, epoch) if epoch else ():
            rows = self._count(seeds)
            if rows <= self._shape.capacity:
                return seeds, rows
        return self._first

    def batches(
        self, read: Read, drawn: tuple[list[int], int], first_step: int, share: Share
    ) -> Iterator[Batch]:
        shape = self.shape(share)
        for rows in islice(self._rows_by_step(read, length_of, drawn), first_step, None):
            for own in share.parts(len(rows)):
                windows = [window for row in rows[own] for window in row]
                yield join(
                    *pieces_of(windows), list(map(len, rows[own])), shape, self._settings.pad_id
                )

    def groups(
        self,
        read: Callable[[int], list[Window]],
        length: Callable[[Window], int],
        drawn: tuple[list[int], int],
    ) -> Iterator[list[Window]]:
        return (
            [window for row in rows for window in row]
            for rows in self._rows_by_step(read, length, drawn)
        )

    def _rows_by_step(
        self,
        read: Callable[[int], list[Window]],
        length: Callable[[Window], int],
        drawn: tuple[list[int], int],
    ) -> Iterator[list[list[Window]]]:
        """The rows of each batch, without those that hold no window."""
        seeds, count = drawn
        rows = self._rows(read, length, seeds)
        for step in range(self.steps):
            span = self._shape.rows_of(step, count)
            yield list(islice(rows, span.stop - span.start))

    def _count(self, seeds: list[int]) -> int:
        """How many rows the windows come to, by their lengths."""
        return sum(1 for _ in self._rows(self._corpus.blocks.lengths_of, int, seeds))

    def _rows(
        self, read: Callable[[int], list[Window]], length: Callable[[Window], int], seeds: list[int]
    ) -> Iterator[list[Window]]:
        order, within = np.random.default_rng(seeds).spawn(2)
        windows = windows_in_order(len(self._corpus.blocks), read, order)
        return pack_stream(
            windows, length, self._settings.row_length, within, shortest=self._shortest
        )


def length_of(window: bytes) -> int:
    return len(window) // PIECE.itemsize


def pieces_of(windows: list[bytes]) -> tuple[Pieces, np.ndarray]:
    """The pieces of some windows as they are on disk, and how many each window has."""
    pieces = np.frombuffer(b"".join(windows), PIECE)
    return Pieces(pieces["id"], pieces["label"], pieces["labelled"]), np.array(
        [length_of(window) for window in windows], np.int32
    )
