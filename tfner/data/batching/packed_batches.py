"""Make batches of packed rows (x, y, label_mask): static shapes and next to no padding.

A row holds several windows; `segment_ids` say which piece belongs to which of them, and attention
stays within a segment.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfner.data.batching.collate import PACKED, Batch, collate_packed, dataset_of
from tfner.data.batching.packing import PackedShape, draws, pack
from tfner.data.batching.prefetch import EpochPrefetcher
from tfner.data.batching.replica_range import ONE_REPLICA, ReplicaRange
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


class PackedBatches:
    """Batch a corpus, epoch by epoch; every window is in exactly one row of an epoch.

    A batch holds `rows_per_batch` rows, about as many pieces as `batch_size` windows have, so that
    an epoch has about as many updates as with `batch_size` windows a batch. An epoch's rows are
    spread evenly over its batches; rows without a window complete them. The shape is that of the
    first epoch; each further epoch is packed while the one before it is trained on.
    """

    def __init__(self, corpus: EncodedCorpus, settings: PackedSettings):
        self.corpus = corpus
        self.settings = settings
        self.lengths = corpus.lengths
        self._first = self._pack(next(draws(settings.seed, 0)))
        self._shape = PackedShape.for_corpus(
            len(self._first), self.lengths, settings.batch_size, settings.row_length
        )
        self.steps_per_epoch, self.rows_per_batch = self._shape

    def _pack(self, seeds: list[int]) -> EpochRows:
        """Pack all windows into rows, in an order that follows from `seeds`."""
        random = np.random.default_rng(seeds)
        order = random.permutation(len(self.lengths))
        rows = pack(self.lengths, order, self.settings.row_length)
        return [rows[row] for row in random.permutation(len(rows))]

    def _pack_epoch(self, epoch: int) -> EpochRows:
        """Pack the rows of an epoch: a function of the seed and the epoch alone."""
        if epoch > 0:
            for seeds in draws(self.settings.seed, epoch):
                found = self._pack(seeds)
                if len(found) <= self._shape.capacity:
                    return found
        return self._first

    def training(
        self,
        epochs: int,
        first_epoch: int = 0,
        first_step: int = 0,
        replicas: ReplicaRange = ONE_REPLICA,
    ) -> tf.data.Dataset:
        """Give all batches from a step of `first_epoch` on, each epoch in its own order.

        Of each batch come the rows of every replica in `replicas`, one replica after the other.
        """
        shape = replicas.rows_each(self.rows_per_batch), self.settings.row_length

        def stream() -> Iterator[Batch]:
            rows_of = EpochPrefetcher(self._pack_epoch, epochs)
            skipped = first_step
            for epoch in range(first_epoch, epochs):
                rows = rows_of(epoch)
                for step in range(skipped, self.steps_per_epoch):
                    yield from self._collate(step, rows, replicas, shape)
                skipped = 0

        return dataset_of(stream, PACKED, shape)

    def plan(self, epoch: int) -> list[list[int]]:
        """List the window numbers of each batch of an epoch."""
        rows = self._pack_epoch(epoch)
        plan = []
        for step in range(self.steps_per_epoch):
            own = rows[self._shape.rows_of(step, len(rows))]
            plan.append([window for row in own for window in row])
        return plan

    def _collate(
        self, step: int, rows: EpochRows, replicas: ReplicaRange, shape: tuple[int, int]
    ) -> Iterator[Batch]:
        """Collate the rows of each replica in a step."""
        batch = rows[self._shape.rows_of(step, len(rows))]
        for rows_of_one in replicas.slices(len(batch)):
            own = batch[rows_of_one]
            windows = [window for row in own for window in row]
            pieces, lengths = self.corpus.pieces_of(windows), self.lengths[windows]
            counts = list(map(len, own))
            yield collate_packed(pieces, lengths, counts, shape, self.settings.pad_id)
