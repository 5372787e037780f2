"""Define what goes into an encoder, what comes out, and what it can be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tfner.exceptions import ConfigError, ModelError
from tfner.model.export_copy import ExportCopy


class EncoderInput(NamedTuple):
    """Hold the pieces of B rows; all int32 [B, T].

    A row holds one text, or, where `position_ids` are given, several texts that are read apart:

        input_ids     101   7   8 102 101   9 102   0
        segment_ids     1   1   1   1   2   2   2   0     0 = padding
        position_ids    0   1   2   3   0   1   2   0
        wanted          0   1   1   0   0   1   0   0     first pieces, of which tags are asked

    Where `wanted` is given, an encoder may leave padding out of its products, and other pieces out
    of the last ones. It is not given in training, nor to a graph that XLA compiles, which must know
    how many rows there are.
    """

    input_ids: tf.Tensor
    segment_ids: tf.Tensor  # 0 on padding; with one text in a row this is its attention mask
    position_ids: tf.Tensor | None = None
    wanted: tf.Tensor | None = None  # bool; None: all positions are

    @classmethod
    def from_batch(cls, x: Mapping[str, tf.Tensor]) -> EncoderInput:
        """Take them from a batch, in which rows of one text have an `attention_mask`."""
        ids = x["input_ids"]
        wanted = x.get("wanted")
        if "segment_ids" in x:
            return cls(ids, x["segment_ids"], x["position_ids"], wanted)
        return cls(ids, x["attention_mask"], wanted=wanted)


class Encoder(keras.layers.Layer):
    """Turn pieces into hidden states.

    `encoder(EncoderInput, training=False)` -> [B, T, hidden_size].

    A kind of encoder is a subclass that has `call` and the three attributes below, in a module of
    this folder that registers its `Family`. The other methods have an answer that is right for any
    encoder.

    Hidden states of padding, and of pieces that are not wanted, may be anything. Texts in one row
    must not see each other.
    """

    hidden_size: int
    max_positions: int  # the longest window
    initializer_range: float = 0.02  # standard deviation of weights that are drawn, a head's too

    @property
    def word_embeddings(self) -> tf.Variable:
        """Return the table that ids are looked up in, [vocabulary, width]."""
        raise NotImplementedError

    def export_copy(self, dtype: tf.DType) -> ExportCopy:
        """Give what an export holds: a function of EncoderInput, and its variables.

        Args:
            dtype: of weights and products, float32 or bfloat16.

        Raises:
            ConfigError: the encoder has no form in `dtype`.
        """
        if dtype != tf.float32:
            kind = type(self).__name__
            raise ConfigError(f"export.precision: expected float32 for {kind}, got {dtype.name}")
        return ExportCopy(lambda inputs: self(inputs, training=False), self.weights)

    def checkpoint_tensors(self) -> dict[str, np.ndarray]:
        """Copy the weights, float32, by the names and in the layout of its family's safetensors.

        Raises:
            ModelError: the encoder has no such form.
        """
        kind = type(self).__name__
        raise ModelError(f"expected an encoder that transformers has, got {kind}")

    def restrict_embedding_update(self, ids: Sequence[int] | np.ndarray) -> None:
        """Update only the embedding rows in `ids` (ascending int [U]), where that saves time."""

    def sync_embeddings(self) -> None:
        """Bring `word_embeddings` up to date where rows are trained apart from it."""

    @property
    def checkpoint_objects(self) -> Mapping[str, Any]:
        """Name the objects that a model tracks besides the encoder, under these names."""
        return {}
