"""Make batches of packed rows (x, y, label_mask): static shapes and next to no padding.

A row holds several windows; `segment_ids` say which piece belongs to which of them, and attention
stays within a segment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from tfner.data.batching.collate import PACKED, Batch, collate_packed
from tfner.data.batching.epochs import EpochBatches, Order
from tfner.data.batching.packing import PackedShape, draws, join_rows, pack
from tfner.data.batching.replica_range import ReplicaRange
from tfner.data.encoded_corpus import EncodedCorpus

EpochRows = list[list[int]]  # the window numbers of each row


@dataclass(frozen=True)
class PackedSettings:
    """Say how windows become packed batches.

    A batch holds as many pieces as `batch_size` windows of the corpus' mean length, in rows of
    `row_length` pieces.
    """

    batch_size: int
    row_length: int
    pad_id: int
    seed: int

    def shape_of(self, rows: int, lengths_N: np.ndarray) -> PackedShape:
        """Shape the batches of an epoch of `rows` rows, given the lengths of all windows."""
        pieces = self.batch_size * float(lengths_N.mean()) if len(lengths_N) else 1.0
        return PackedShape.of(rows, pieces, self.row_length)


class PackedBatches(EpochBatches):
    """Batch a corpus, epoch by epoch; every window is in exactly one row of an epoch.

    A batch holds `rows_per_batch` rows, about as many pieces as `batch_size` windows have, so that
    an epoch has about as many updates as with `batch_size` windows a batch. An epoch's rows are
    spread evenly over its batches; rows without a window complete them. The shape is that of the
    first epoch; each further epoch is packed while the one before it is trained on.
    """

    members = PACKED

    def __init__(self, corpus: EncodedCorpus, settings: PackedSettings):
        self.corpus = corpus
        self.settings = settings
        self.lengths = corpus.lengths
        self.soft_tags = corpus.soft_tags
        self._first = self._pack(next(draws(settings.seed, 0)))
        self._shape = settings.shape_of(len(self._first), self.lengths)
        self.steps_per_epoch, self.rows_per_batch = self._shape

    def _pack(self, seeds: list[int]) -> EpochRows:
        """Pack all windows into rows, in an order that follows from `seeds`."""
        random = np.random.default_rng(seeds)
        windows = len(self.lengths)
        order = random.permutation(windows)
        rows = pack(self.lengths, order, self.settings.row_length)
        return [rows[row] for row in random.permutation(len(rows))]

    def draw(self, epoch: int) -> EpochRows:
        """Pack the rows of an epoch: a function of the seed and the epoch alone."""
        if epoch > 0:
            for seeds in draws(self.settings.seed, epoch):
                found = self._pack(seeds)
                if len(found) <= self._shape.capacity:
                    return found
        return self._first

    def plan(self, epoch: int) -> list[list[int]]:
        """List the window numbers of each batch of an epoch."""
        rows = self.draw(epoch)
        plan = []
        for step in range(self.steps_per_epoch):
            own = rows[self._shape.rows_of(step, len(rows))]
            plan.append(join_rows(own))
        return plan

    def shape(self, replicas: ReplicaRange) -> tuple[int, int]:
        """Give the one shape of all batches."""
        return replicas.rows_each(self.rows_per_batch), self.settings.row_length

    def collate(self, orders: Iterable[Order], replicas: ReplicaRange) -> Iterator[Batch]:
        """Collate the batches of some epochs, each from its first step on."""
        shape = self.shape(replicas)
        for rows, first_step in orders:
            for step in range(first_step, self.steps_per_epoch):
                batch = rows[self._shape.rows_of(step, len(rows))]
                for rows_of_one in replicas.slices(len(batch)):
                    own = batch[rows_of_one]
                    yield self._collate(own, shape)

    def _collate(self, rows: EpochRows, shape: tuple[int, int]) -> Batch:
        """Collate the rows of one replica in a step."""
        windows = join_rows(rows)
        counts = list(map(len, rows))
        pieces, lengths = self.corpus.pieces_of(windows), self.lengths[windows]
        return collate_packed(pieces, lengths, counts, shape, self.settings.pad_id)
