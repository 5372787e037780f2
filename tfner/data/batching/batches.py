"""Windows → padded batches (x, y, label_mask): bucketed by length or in plain order.

The order of an epoch is a function of the seed and the epoch's number alone, so that a run that goes on at epoch 5 sees what it
would have seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import tensorflow as tf

from tfner.data.batching.buckets import Buckets
from tfner.data.batching.collate import PADDED, Batch, dataset_of, pad, width_of
from tfner.data.batching.packing import draws
from tfner.data.batching.prefetch import Ahead
from tfner.data.batching.replica_range import WHOLE, Share
from tfner.data.encoded_corpus import EncodedCorpus


@dataclass(frozen=True)
class PaddedSettings:
    """How windows become batches.

    `padded`: `batch_size` windows in random order, padded to the longest of them.

    `bucketed`: windows of similar length stand together, and all batches have about as many pieces: `batch_size` windows of the
    corpus' mean length m. A bucket holds the windows longer than the bound before its own and no longer than its own; where those have
    the mean length b, its batches hold round(batch_size * m / b) windows, at least one: many short ones or few long ones.
    """

    batch_size: int
    batching: Literal["bucketed", "padded"]
    bucket_lengths: tuple[int, ...]
    pad_id: int
    seed: int


def buckets_of(counts_L: np.ndarray, settings: PaddedSettings) -> Buckets:
    """The buckets of a corpus with so many windows of each length."""
    if settings.batching == "padded":
        return Buckets.single(counts_L, settings.batch_size)
    return Buckets.balanced(counts_L, settings.batch_size, settings.bucket_lengths)


class Batches:
    """The batches of a corpus, epoch by epoch; nothing is dropped, the last batch of a bucket included."""

    def __init__(self, corpus: EncodedCorpus, settings: PaddedSettings):
        self.corpus = corpus
        self.settings = settings
        self.lengths = corpus.lengths
        self.buckets = buckets_of(np.bincount(self.lengths), settings)
        self.steps_per_epoch = (
            self.buckets.steps
        )  # batches of one epoch: the same number in every epoch

    def training(
        self, epochs: int, first_epoch: int = 0, first_step: int = 0, share: Share = WHOLE
    ) -> tf.data.Dataset:
        """All batches from a step of `first_epoch` on, each epoch in its own order; of each batch the parts of `share`, one by one."""

        def stream() -> Iterator[Batch]:
            planned = Ahead(self.plan, epochs)
            for epoch in range(first_epoch, epochs):
                yield from self._batches(
                    planned(epoch)[first_step if epoch == first_epoch else 0 :], share
                )

        return dataset_of(stream, PADDED, (None, None))

    def in_order(self) -> tf.data.Dataset:
        """One pass for evaluation: windows in the corpus' order inside each bucket."""
        return dataset_of(
            lambda: self._batches(self._group(range(len(self.lengths))), WHOLE),
            PADDED,
            (None, None),
        )

    def plan(self, epoch: int) -> list[list[int]]:
        """The window numbers of each batch of an epoch."""
        return self._group(
            np.random.default_rng(next(draws(self.settings.seed, epoch)))
            .permutation(len(self.lengths))
            .tolist()
        )

    def _group(self, windows: Iterable[int]) -> list[list[int]]:
        return list(self.buckets.group(windows, self.lengths.__getitem__))

    def _batches(self, plan: list[list[int]], share: Share) -> Iterator[Batch]:
        for windows in plan:
            shape = (
                share.rows_each(len(windows)),
                width_of(self.lengths[windows], int(self.buckets.bounds[-1])),
            )
            for part in share.parts(len(windows)):
                own = windows[part]
                yield pad(
                    self.corpus.pieces_of(own), self.lengths[own], shape, self.settings.pad_id
                )
