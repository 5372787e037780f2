"""Windows → batches of packed rows (x, y, label_mask): static shapes and next to no padding.

A row holds several windows; `segment_ids` say which piece belongs to which of them, and attention stays within a segment.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfner.data.ahead import Ahead
from tfner.data.corpus import EncodedCorpus
from tfner.data.packing import PackedShape, draws, pack

EpochRows = tuple[np.ndarray, np.ndarray]  # window numbers, row after row, and how many are in each row; int64


@dataclass(frozen=True)
class PackSettings:
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

    def __init__(self, corpus: EncodedCorpus, settings: PackSettings):
        self.corpus = corpus
        self.settings = settings
        self.lengths = corpus.lengths
        self._first = self._pack(next(draws(settings.seed, 0)))
        pieces = settings.batch_size * float(self.lengths.mean()) if len(self.lengths) else 1.0
        self.steps_per_epoch, self.rows_per_batch = self._shape = PackedShape.of(len(self._first[1]), pieces, settings.row_length)

    def _pack(self, seeds: list[int]) -> EpochRows:
        random = np.random.default_rng(seeds)
        rows = pack(self.lengths, random.permutation(len(self.lengths)), self.settings.row_length)
        rows = [rows[row] for row in random.permutation(len(rows))]
        return np.array([window for row in rows for window in row], np.int64), np.array([len(row) for row in rows], np.int64)

    def _pack_epoch(self, epoch: int) -> EpochRows:
        """The rows of an epoch: a function of the seed and the epoch alone."""
        if epoch > 0:
            for seeds in draws(self.settings.seed, epoch):
                found = self._pack(seeds)
                if len(found[1]) <= self._shape.capacity:
                    return found
        return self._first

    def training(self, epochs: int, first_epoch: int = 0) -> tf.data.Dataset:
        """All batches from `first_epoch` on, each epoch in its own order."""
        packed = Ahead(self._pack_epoch, epochs)

        def rows_of_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
            found = tf.numpy_function(lambda number: packed(int(number)), [epoch], [tf.int64, tf.int64], stateful=False)
            return self._batches_of(*found)

        return tf.data.Dataset.range(first_epoch, epochs).flat_map(rows_of_epoch).map(self._assemble, tf.data.AUTOTUNE).prefetch(2)

    def _batches_of(self, windows: tf.Tensor, counts: tf.Tensor) -> tf.data.Dataset:
        """An epoch's rows, batch by batch."""
        rows = tf.RaggedTensor.from_row_lengths(tf.ensure_shape(windows, [None]), tf.ensure_shape(counts, [None]))
        steps = tf.cast(self.steps_per_epoch, tf.int64)

        def rows_of_step(step: tf.Tensor) -> tf.RaggedTensor:
            return rows[step * rows.nrows() // steps : (step + 1) * rows.nrows() // steps]

        return tf.data.Dataset.range(steps).map(rows_of_step)

    def _assemble(self, rows: tf.RaggedTensor) -> tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]:
        """Window numbers [R, (N)] -> (x, y, label_mask), each [rows_per_batch, row_length]."""
        ids = tf.gather(self.corpus.input_ids, rows.values)
        lengths = ids.row_lengths()
        number = tf.ragged.range(1, rows.row_lengths() + 1).values  # of a window in its row
        row_pieces = tf.reduce_sum(rows.with_values(lengths), axis=1)
        shape = [self.rows_per_batch, self.settings.row_length]

        def in_rows(pieces: tf.Tensor, filler: int | float) -> tf.Tensor:
            """Values of all pieces, in order, as padded rows."""
            return tf.ensure_shape(tf.RaggedTensor.from_row_lengths(pieces, row_pieces).to_tensor(filler, shape=shape), shape)

        x = {
            "input_ids": in_rows(ids.values, self.settings.pad_id),
            "segment_ids": in_rows(tf.cast(tf.repeat(number, lengths), tf.int32), 0),
            "position_ids": in_rows(tf.cast(tf.ragged.range(lengths).values, tf.int32), 0),
        }
        labels, mask = (tf.gather(values, rows.values).values for values in (self.corpus.labels, self.corpus.label_mask))
        return x, in_rows(labels, 0), in_rows(mask, 0.0)
