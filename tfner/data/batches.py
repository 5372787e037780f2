"""Windows → batches (x, y, label_mask) by tf.data: bucketed by length or in plain order, ragged until the last step.

The order of an epoch is a function of the seed and the epoch's number alone, so that a run that goes on at epoch 5 sees what it
would have seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import tensorflow as tf

from tfner.data.buckets import Buckets
from tfner.data.corpus import EncodedCorpus
from tfner.data.windows import pad_rows

ROUNDING = 8  # batches are padded to a multiple of this: few shapes, so that kernels prepared for a shape are used again


@dataclass(frozen=True)
class BatchSettings:
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


def buckets_of(counts_L: np.ndarray, settings: BatchSettings) -> Buckets:
    """The buckets of a corpus with so many windows of each length."""
    if settings.batching == "padded":
        return Buckets.single(counts_L, settings.batch_size)
    return Buckets.balanced(counts_L, settings.batch_size, settings.bucket_lengths)


class Batches:
    """The batches of a corpus, epoch by epoch; nothing is dropped, the last batch of a bucket included."""

    def __init__(self, corpus: EncodedCorpus, settings: BatchSettings):
        self.corpus = corpus
        self.settings = settings
        self.lengths = corpus.lengths
        self._lengths = tf.constant(self.lengths)  # once, or every epoch's graph would hold a copy
        buckets = buckets_of(np.bincount(self.lengths), settings)
        self.bounds, self.sizes = buckets.bounds, buckets.sizes
        self.steps_per_epoch = buckets.steps  # batches of one epoch: the same number in every epoch

    def training(self, epochs: int, first_epoch: int = 0) -> tf.data.Dataset:
        """All batches from `first_epoch` on, each epoch in its own order."""
        return tf.data.Dataset.range(first_epoch, epochs).flat_map(self._epoch).map(self._assemble, tf.data.AUTOTUNE).prefetch(2)

    def in_order(self) -> tf.data.Dataset:
        """One pass for evaluation: windows in the corpus' order inside each bucket."""
        return self._bucketed(tf.data.Dataset.range(len(self.lengths))).map(self._assemble, tf.data.AUTOTUNE).prefetch(2)

    def _epoch(self, epoch: tf.Tensor) -> tf.data.Dataset:
        seed = tf.stack([tf.constant(self.settings.seed, tf.int64), epoch])
        order = tf.random.experimental.stateless_shuffle(tf.range(len(self.lengths), dtype=tf.int64), seed)
        return self._bucketed(tf.data.Dataset.from_tensor_slices(order))

    def _bucketed(self, indices: tf.data.Dataset) -> tf.data.Dataset:
        return indices.bucket_by_sequence_length(
            element_length_func=lambda index: self._lengths[index],
            bucket_boundaries=(self.bounds[:-1] + 1).tolist(),
            bucket_batch_sizes=self.sizes,
        )

    def _assemble(self, indices: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]:
        """Window numbers [B] -> (x, y, label_mask), each [B, T]."""
        ids, labels, mask = (tf.gather(rows, indices) for rows in (self.corpus.input_ids, self.corpus.labels, self.corpus.label_mask))
        longest = tf.reduce_max(ids.row_lengths())
        width = tf.minimum((longest + ROUNDING - 1) // ROUNDING * ROUNDING, int(self.bounds[-1]))
        x = {"input_ids": pad_rows(ids, width, self.settings.pad_id), "attention_mask": pad_rows(tf.ones_like(ids), width, 0)}
        return x, pad_rows(labels, width, 0), pad_rows(mask, width, 0.0)
