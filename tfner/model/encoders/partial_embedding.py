"""Train the rows of an embedding table that have gradients, as a table of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras


class PartialEmbedding(keras.layers.Layer):
    """Train a copy of some rows of a table [V, H].

    Adam keeps two moments of each weight and goes over all three with every step. Of a vocabulary
    of 30,000 pieces a training set of some thousand sentences has a fifth to a third; the rest of
    the table has no gradient, ever. All that an update does to it is weight decay: a factor, the
    same for every weight. One more row, of ones, is trained along; what becomes of it is that
    factor:

        whole table      rows 3 and 7 copied, one row of ones     after some updates [V, H]
        [w3, w7, 1]                              [w3', w7', d]: other rows are d * w

    Args:
        whole: the table, float32.
        ids: ascending int [U], its rows that are trained.
    """

    def __init__(self, whole: tf.Variable, ids: Sequence[int] | np.ndarray, **kwargs: Any):
        super().__init__(dtype="float32", **kwargs)
        self._ids = np.asarray(ids, np.int32)
        vocabulary, width = (int(size or 0) for size in whole.shape)
        # The row of the copy for each id; -1, an error when it is looked up, for those without one.
        self._row_of_id = np.full(vocabulary, -1, np.int32)
        self._row_of_id[self._ids] = np.arange(len(ids))
        self._table = self.add_weight("table", [len(ids) + 1, width], initializer="ones")
        rows_UH = tf.gather(whole, self._ids)
        self._table.assign(append_ones(rows_UH))

    def look_up(self, ids_N: tf.Tensor) -> tf.Tensor:
        """Look up rows that are trained; int32 [N] -> float32 [N, H]."""
        row_N = tf.gather(self._row_of_id, ids_N)
        table = self._read()
        return tf.gather(table, row_N)

    def look_up_any(self, whole: tf.Variable, ids_N: tf.Tensor) -> tf.Tensor:
        """Look up any rows of the table as it were up to date; int32 [N] -> [N, H]."""
        table = self._read()
        row_N = tf.gather(self._row_of_id, ids_N)
        trained_NH = tf.gather(table, tf.maximum(row_N, 0))
        whole_NH = tf.cast(tf.gather(whole, ids_N), table.dtype)  # a policy may cast its reads
        decay_H = table[-1]
        decayed_NH = whole_NH * decay_H
        return tf.where(row_N[:, None] >= 0, trained_NH, decayed_NH)

    def sync(self, whole: tf.Variable) -> None:
        """Put the rows into the table, and let its others decay as these since the last time."""
        table = self._table.read_value()
        rows_UH = table[:-1]
        decay_H = table[-1]
        whole_VH = whole.read_value()
        decayed_VH = whole_VH * decay_H
        synced_VH = tf.tensor_scatter_nd_update(decayed_VH, self._ids[:, None], rows_UH)
        whole.assign(synced_VH)
        self._table.assign(append_ones(rows_UH))

    def _read(self) -> tf.Tensor:
        """Read the copy, float32 [U + 1, H], to be gathered from.

        TensorFlow copies a variable that is gathered from directly whole, each time that an update
        reads or assigns it.
        """
        return tf.convert_to_tensor(self._table)


def append_ones(rows_UH: tf.Tensor) -> tf.Tensor:
    """Append a row of ones: [U, H] -> [U + 1, H].

    >>> append_ones(tf.constant([[2.0, 3.0]])).numpy().tolist()
    [[2.0, 3.0], [1.0, 1.0]]
    """
    return tf.pad(rows_UH, [[0, 1], [0, 0]], constant_values=1.0)
