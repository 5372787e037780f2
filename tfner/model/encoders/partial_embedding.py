"""The rows of an embedding table that have gradients in a training, as a table of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras


class TrainedRows(keras.layers.Layer):
    """A trainable copy of some rows of a table [V, H], which is read no more while they are trained.

    Adam keeps two moments of each weight and goes over all three with every step. Of a vocabulary of 30,000 pieces a training set of
    some thousand sentences has a fifth to a third; the rest of the table has no gradient, ever. All that an update does to it is weight
    decay: a factor, the same for every weight. One more row, of ones, is trained along; what becomes of it is that factor.

    Args:
        whole: the table, float32.
        ids: ascending int [U], its rows that are trained.
    """

    def __init__(self, whole: tf.Variable, ids: Sequence[int] | np.ndarray, **kwargs: Any):
        super().__init__(dtype="float32", **kwargs)
        self._ids = np.asarray(ids, np.int32)
        self._numbers = np.full(
            int(whole.shape[0] or 0), -1, np.int32
        )  # of ids; none is an error when it is looked up
        self._numbers[self._ids] = np.arange(len(self._ids))
        self._table = self.add_weight(
            "table", [len(self._ids) + 1, whole.shape[1]], initializer="ones"
        )
        self._table.assign(with_ones(tf.gather(whole, self._ids)))

    def table(self) -> tf.Tensor:
        """The rows and that of ones, float32 [U + 1, H], to be gathered from.

        Not from the variable: TensorFlow copies one that is gathered from directly whole, each time that an update reads or assigns it.
        """
        return tf.convert_to_tensor(self._table)

    def numbers(self, ids_BT: tf.Tensor) -> tf.Tensor:
        """Which rows of `table` belong to ids; int32 [B, T] both."""
        return tf.gather(tf.constant(self._numbers), ids_BT)

    def settle(self, whole: tf.Variable) -> None:
        """Put the rows as they are now into the table, and let its others decay as much as these have since they were last put there."""
        table = self._table.read_value()
        rows_UH, decay_H = table[:-1], table[-1]
        whole.assign(
            tf.tensor_scatter_nd_update(whole.read_value() * decay_H, self._ids[:, None], rows_UH)
        )
        self._table.assign(with_ones(rows_UH))


def with_ones(rows_UH: tf.Tensor) -> tf.Tensor:
    return tf.pad(rows_UH, [[0, 1], [0, 0]], constant_values=1.0)
