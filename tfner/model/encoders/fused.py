"""BERT's forward pass over TFBertModel's own weights, with fewer and larger operations.

One product for queries, keys and values; activations of all positions as the rows of one matrix; embeddings cast after they are
looked up, not the whole table; no plumbing for outputs that a tagger does not ask for. The same function of the same weights as
`TFBertModel(...).last_hidden_state` (Devlin et al. 2019, https://arxiv.org/abs/1810.04805).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

from tfner.model.encoders.fused_ops import Stretches
from tfner.model.encoders.token_layout import AllRows, RealRows

DROPOUTS_OF_A_LAYER = 3  # of the attention, of what it gives, and of the layer's output
MASKED = (
    -1e4
)  # added to the score of what may not be attended to: exp of it is 0, and float16 holds it


class Dense(NamedTuple):
    """A product and what is added to it."""

    kernel: tf.Tensor  # [in, out]
    bias: tf.Tensor  # [out]

    def product(self, x_NH: tf.Tensor) -> tf.Tensor:
        """Without the bias."""
        return tf.matmul(x_NH, tf.cast(self.kernel, x_NH.dtype))

    def __call__(self, x_NH: tf.Tensor) -> tf.Tensor:
        return tf.nn.bias_add(self.product(x_NH), tf.cast(self.bias, x_NH.dtype))


class Norm(NamedTuple):
    """A layer normalization."""

    scale: tf.Tensor  # [H]
    offset: tf.Tensor  # [H]


class LayerWeights(NamedTuple):
    """The weights of one transformer layer; `query_key_value` holds the three side by side."""

    query_key_value: Dense
    attended: Dense
    attended_norm: Norm
    up: Dense
    down: Dense
    norm: Norm


class Weights(NamedTuple):
    """The weights of a BERT without pooler."""

    words: tf.Tensor  # [vocabulary, H]
    positions: tf.Tensor  # [max positions, H]
    segment: tf.Tensor  # [H], the embedding of the first text of two: a tagger has one
    norm: Norm
    layers: tuple[LayerWeights, ...]


class FusedPass:
    """The forward pass of one configuration; the weights are given with every call.

    Args:
        heads: of the attention.
        head_size: what each of them attends with; H is `heads` times as many.
        activate: the function between the two products of a layer.
        dtype: of the activations.
        epsilon: of the normalizations.
        hidden_dropout, attention_dropout: the share that training drops out.
        skip_padding: whether only attention sees padding. Not for XLA, which must know the number of rows.
    """

    def __init__(
        self,
        heads: int,
        head_size: int,
        activate: Callable[[tf.Tensor], tf.Tensor],
        dtype: tf.DType,
        *,
        epsilon: float = 1e-12,
        hidden_dropout: float = 0.0,
        attention_dropout: float = 0.0,
        skip_padding: bool = False,
    ):
        self.heads = heads
        self.head_size = head_size
        self.dtype = dtype
        self._rows = RealRows if skip_padding else AllRows
        rates = (hidden_dropout, attention_dropout)
        self._stretches = {
            compiled: Stretches(activate, epsilon, *rates, compiled=compiled)
            for compiled in (False, True)
        }

    @staticmethod
    def seed_count(layers: int) -> int:
        """Seeds that a training step takes."""
        return 1 + DROPOUTS_OF_A_LAYER * layers

    def __call__(
        self,
        weights: Weights,
        ids_BT: tf.Tensor,
        mask_BT: tf.Tensor,
        positions_BT: tf.Tensor | None = None,
        seeds_D2: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Hidden states of pieces; all int32 [B, T] -> [B, T, H].

        `mask_BT` is 0 on padding. With `positions_BT` rows are packed: the mask then holds segment ids, and each segment is a text of its
        own. Seeds are given in training, `seed_count` of them; without them nothing is dropped out. In the graph of a training step with
        static shapes, as packed rows have, what stands between the products is compiled.
        """
        rows = self._rows(mask_BT)
        seeds: Sequence = (
            [None] * self.seed_count(len(weights.layers))
            if seeds_D2 is None
            else tf.unstack(seeds_D2)
        )
        compiled = (
            seeds_D2 is not None and ids_BT.shape.is_fully_defined() and not tf.executing_eagerly()
        )
        stretches = self._stretches[compiled]
        bias_B1QT = attention_bias(mask_BT, packed=positions_BT is not None, dtype=self.dtype)
        x_NH = stretches.embedding(
            self._look_up(weights, ids_BT, positions_BT, rows), *weights.norm, seeds[0]
        )
        # Training op by op hands float32 on: its gradients are three times as exact for it, and it takes no longer.
        x_NH = tf.cast(x_NH, self.dtype if compiled or seeds_D2 is None else tf.float32)
        for number, layer in enumerate(weights.layers):
            own = seeds[1 + DROPOUTS_OF_A_LAYER * number :][:DROPOUTS_OF_A_LAYER]
            x_NH = self._layer(layer, x_NH, bias_B1QT, rows, own, stretches)
        return tf.reshape(
            rows.spread(tf.cast(x_NH, self.dtype)), [rows.shape[0], rows.shape[1], x_NH.shape[-1]]
        )

    def _look_up(
        self, weights: Weights, ids_BT: tf.Tensor, positions_BT: tf.Tensor | None, rows: AllRows
    ) -> tf.Tensor:
        """The sum of the three embeddings; float32 [N, H]."""
        words_NH = tf.cast(
            tf.gather(weights.words, rows.take(tf.reshape(ids_BT, [-1]))), tf.float32
        )
        if positions_BT is None:
            place_NH = rows.take_columns(weights.positions[: rows.shape[1]])
        else:
            place_NH = tf.gather(weights.positions, rows.take(tf.reshape(positions_BT, [-1])))
        return words_NH + tf.cast(place_NH, tf.float32) + tf.cast(weights.segment, tf.float32)

    def _layer(
        self,
        weights: LayerWeights,
        x_NH: tf.Tensor,
        bias_B1QT: tf.Tensor,
        rows: AllRows,
        seeds: Sequence,
        stretches: Stretches,
    ) -> tf.Tensor:
        attended_NH = self._attend(
            weights.query_key_value(tf.cast(x_NH, self.dtype)), bias_B1QT, rows, seeds[0], stretches
        )
        attended, down = weights.attended, weights.down
        x_NH = stretches.residual(
            x_NH, attended.product(attended_NH), attended.bias, *weights.attended_norm, seeds[1]
        )
        inner_NI = stretches.activation(
            weights.up.product(tf.cast(x_NH, self.dtype)), weights.up.bias
        )
        return stretches.residual(x_NH, down.product(inner_NI), down.bias, *weights.norm, seeds[2])

    def _attend(
        self,
        qkv_NC: tf.Tensor,
        bias_B1QT: tf.Tensor,
        rows: AllRows,
        seed: tf.Tensor | None,
        stretches: Stretches,
    ) -> tf.Tensor:
        """Attention of all heads; [N, 3H] -> [N, H]."""
        qkv_BTCAD = tf.reshape(
            rows.spread(qkv_NC), [rows.shape[0], rows.shape[1], 3, self.heads, self.head_size]
        )
        query, key, value = tf.unstack(
            tf.transpose(qkv_BTCAD, [2, 0, 3, 1, 4])
        )  # each [B, heads, T, D]
        query *= tf.constant(self.head_size**-0.5, query.dtype)
        attention = stretches.attention(tf.matmul(query, key, transpose_b=True), bias_B1QT, seed)
        attended_BTAD = tf.transpose(tf.matmul(attention, value), [0, 2, 1, 3])
        return rows.take(tf.reshape(attended_BTAD, [-1, self.heads * self.head_size]))


def attention_bias(mask_BT: tf.Tensor, *, packed: bool, dtype: tf.DType) -> tf.Tensor:
    """What is added to scores: MASKED on padding and, in packed rows, between segments; [B, 1, 1, T] or [B, 1, T, T]."""
    visible_B1QT = (mask_BT > 0)[:, None, None, :]
    if packed:
        visible_B1QT &= (mask_BT[:, :, None] == mask_BT[:, None, :])[:, None]
    return tf.where(visible_B1QT, tf.constant(0, dtype), tf.constant(MASKED, dtype))


def gelu(x: tf.Tensor) -> tf.Tensor:
    """x times the normal distribution's probability of less than x (Hendrycks and Gimpel 2016, https://arxiv.org/abs/1606.08415)."""
    half, root = tf.constant(0.5, x.dtype), tf.constant(2**-0.5, x.dtype)
    return half * x * (tf.constant(1, x.dtype) + tf.math.erf(x * root))
