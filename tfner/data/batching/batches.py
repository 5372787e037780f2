"""Make padded batches (x, y, label_mask) of windows: bucketed by length or in plain order.

The order of an epoch is a function of the seed and the epoch's number alone, so that a run that is
resumed at epoch 5 sees what it would have seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tfner.data.batching.buckets import Buckets
from tfner.data.batching.collate import PADDED, Batch, collate_padded, padded_width
from tfner.data.batching.epochs import EpochBatches, Order
from tfner.data.batching.packing import draws
from tfner.data.batching.replica_range import ReplicaRange
from tfner.data.encoded_corpus import EncodedCorpus


@dataclass(frozen=True)
class PaddedSettings:
    """Say how windows become padded batches.

    `padded`: `batch_size` windows in random order, padded to the longest of them.

    `bucketed`: windows of similar length stand together, and all batches have about as many pieces:
    `batch_size` windows of the corpus' mean length m. A bucket holds the windows longer than the
    bound before its own and no longer than its own; where those have the mean length b, its batches
    hold round(batch_size * m / b) windows, at least one: many short ones or few long ones.
    """

    batch_size: int
    batching: Literal["bucketed", "padded"]
    bucket_lengths: tuple[int, ...]
    pad_id: int
    seed: int


def buckets_of(counts_L: np.ndarray, settings: PaddedSettings) -> Buckets:
    """Choose the buckets of a corpus with so many windows of each length."""
    lengths = () if settings.batching == "padded" else settings.bucket_lengths
    return Buckets.balanced(counts_L, settings.batch_size, lengths)


class Batches(EpochBatches):
    """Batch a corpus, epoch by epoch; nothing is dropped, the last batch of a bucket included.

    `steps_per_epoch` counts the batches of an epoch, the same number in every epoch.
    """

    members = PADDED

    def __init__(self, corpus: EncodedCorpus, settings: PaddedSettings):
        self.corpus = corpus
        self.settings = settings
        self.lengths = corpus.lengths
        self.soft_tags = corpus.soft_tags
        self.buckets = buckets_of(np.bincount(self.lengths), settings)
        self.steps_per_epoch = self.buckets.steps

    def shape(self, replicas: ReplicaRange) -> tuple[None, None]:
        """Leave rows and width open: both differ from batch to batch."""
        return None, None

    def draw(self, epoch: int) -> list[list[int]]:
        """List the window numbers of each batch of an epoch."""
        random = np.random.default_rng(next(draws(self.settings.seed, epoch)))
        windows = len(self.lengths)
        shuffled = random.permutation(windows)
        return list(self.buckets.group(shuffled.tolist(), self.lengths.__getitem__))

    plan = draw

    def collate(self, orders: Iterable[Order], replicas: ReplicaRange) -> Iterator[Batch]:
        """Collate the batches of some epochs, each from its first step on."""
        for plan, first_step in orders:
            for windows in plan[first_step:]:
                yield from self._collate(windows, replicas)

    def _collate(self, windows: list[int], replicas: ReplicaRange) -> Iterator[Batch]:
        """Collate the rows of each replica; all have one shape."""
        count = len(windows)
        lengths = self.lengths[windows]
        longest = self.buckets.longest
        rows = replicas.rows_each(count)
        width = padded_width(lengths, longest)
        shape = rows, width
        for rows_of_one in replicas.slices(count):
            own = windows[rows_of_one]
            own_lengths = self.lengths[own]
            pieces = self.corpus.pieces_of(own)
            yield collate_padded(pieces, own_lengths, shape, self.settings.pad_id)
