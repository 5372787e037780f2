"""Windows → batches of packed rows (x, y, label_mask): static shapes and next to no padding.

A row holds several windows; `segment_ids` say which piece belongs to which of them, and attention stays within a segment.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfner.data.batching.collate import PACKED, Batch, dataset_of, join
from tfner.data.batching.packing import PackedShape, draws, pack
from tfner.data.batching.prefetch import Ahead
from tfner.data.batching.replica_range import WHOLE, Share
from tfner.data.encoded_corpus import EncodedCorpus

EpochRows = list[list[int]]  # the window numbers of each row


@dataclass(frozen=True)
class PackedSettings:
    """`batch_size` windows of the corpus' mean length are what a batch holds, in rows of `row_length` pieces."""

    batch_size: int
    row_length: int
    pad_id: int
    seed: int


class PackedBatches:
    """The batches of a corpus, epoch by epoch; every window is in exactly one row of an epoch.

    A batch holds `rows_per_batch` rows, about as many pieces as `batch_size` windows have, so that an epoch has about as many updates as
    with `batch_size` windows a batch. An epoch's rows are spread evenly over its batches; rows without a window complete them. The shape
    is that of the first epoch; each further epoch is packed while the one before it is trained on.
    """

    def __init__(self, corpus: EncodedCorpus, settings: PackedSettings):
        self.corpus = corpus
        self.settings = settings
        self.lengths = corpus.lengths
        self._first = self._pack(next(draws(settings.seed, 0)))
        pieces = settings.batch_size * float(self.lengths.mean()) if len(self.lengths) else 1.0
        self.steps_per_epoch, self.rows_per_batch = self._shape = PackedShape.of(
            len(self._first), pieces, settings.row_length
        )

    def _pack(self, seeds: list[int]) -> EpochRows:
        random = np.random.default_rng(seeds)
        rows = pack(self.lengths, random.permutation(len(self.lengths)), self.settings.row_length)
        return [rows[row] for row in random.permutation(len(rows))]

    def _pack_epoch(self, epoch: int) -> EpochRows:
        """The rows of an epoch: a function of the seed and the epoch alone."""
        if epoch > 0:
            for seeds in draws(self.settings.seed, epoch):
                found = self._pack(seeds)
                if len(found) <= self._shape.capacity:
                    return found
        return self._first

    def training(
        self, epochs: int, first_epoch: int = 0, first_step: int = 0, share: Share = WHOLE
    ) -> tf.data.Dataset:
        """All batches from a step of `first_epoch` on, each epoch in its own order; of each batch the parts of `share`, one by one."""
        shape = share.rows_each(self.rows_per_batch), self.settings.row_length

        def stream() -> Iterator[Batch]:
            packed = Ahead(self._pack_epoch, epochs)
            for epoch in range(first_epoch, epochs):
                for step in range(first_step if epoch == first_epoch else 0, self.steps_per_epoch):
                    yield from self._parts(step, packed(epoch), share, shape)

        return dataset_of(stream, PACKED, shape)

    def plan(self, epoch: int) -> list[list[int]]:
        """The window numbers of each batch of an epoch."""
        rows = self._pack_epoch(epoch)
        return [
            [window for row in rows[self._shape.rows_of(step, len(rows))] for window in row]
            for step in range(self.steps_per_epoch)
        ]

    def _parts(
        self, step: int, rows: EpochRows, share: Share, shape: tuple[int, int]
    ) -> Iterator[Batch]:
        batch = rows[self._shape.rows_of(step, len(rows))]
        for part in share.parts(len(batch)):
            windows = [window for row in batch[part] for window in row]
            counts = list(map(len, batch[part]))
            yield join(
                self.corpus.pieces_of(windows),
                self.lengths[windows],
                counts,
                shape,
                self.settings.pad_id,
            )
