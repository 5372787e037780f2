"""Run BERT's forward pass over TFBertModel's own weights, with fewer and larger operations.

One product gives queries, keys and values; activations of all positions are the rows of one matrix;
embeddings are cast after they are looked up, not the whole table; nothing is computed that a tagger
does not ask for. It is the same function of the same weights as
`TFBertModel(...).last_hidden_state` (Devlin et al. 2019, https://arxiv.org/abs/1810.04805).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import tensorflow as tf

from tfner.model.encoders.casts import to_float32
from tfner.model.encoders.fused_ops import FusedOps
from tfner.model.encoders.tf_ops import add_bias
from tfner.model.encoders.token_layout import PackedLayout, PaddedLayout

DROPOUTS_OF_A_LAYER = 3  # of the attention, of what it gives, and of the layer's output
# Added to the score of what may not be attended to: its exp is 0, and float16 holds it.
MASKED = -1e4

LookUp = Callable[[tf.Tensor], tf.Tensor]  # ids int32 [N] -> embeddings [N, H]


class Dense(NamedTuple):
    """Hold a product's matrix and what is added to it."""

    kernel: tf.Tensor  # [in, out]
    bias: tf.Tensor  # [out]

    def product(self, x_NH: tf.Tensor) -> tf.Tensor:
        """Multiply without adding the bias."""
        return tf.matmul(x_NH, tf.cast(self.kernel, x_NH.dtype))

    def __call__(self, x_NH: tf.Tensor) -> tf.Tensor:
        product = self.product(x_NH)
        return add_bias(product, self.bias)


class Norm(NamedTuple):
    """Hold the weights of a layer normalization."""

    scale: tf.Tensor  # [H]
    offset: tf.Tensor  # [H]


class LayerWeights(NamedTuple):
    """Hold the weights of a transformer layer; `query_key_value` has the three side by side."""

    query_key_value: Dense
    attended: Dense
    attended_norm: Norm
    up: Dense
    down: Dense
    norm: Norm


class Weights(NamedTuple):
    """Hold the weights of a BERT without pooler."""

    words: tf.Tensor  # [vocabulary, E], where E is H if nothing projects
    positions: tf.Tensor  # [max positions, E]
    segment: tf.Tensor  # [E], the embedding of the first text of two: a tagger has one
    norm: Norm
    projection: Dense | None  # from E to H, in ELECTRAs with narrow embeddings
    layers: tuple[LayerWeights, ...]

    def words_of(self, ids_N: tf.Tensor) -> tf.Tensor:
        """Look up word embeddings; int32 [N] -> [N, E]."""
        return tf.gather(self.words, ids_N)


class Pieces(NamedTuple):
    """Hold what all layers of a pass know of the pieces of its batch."""

    layout: PaddedLayout
    bias: tf.Tensor  # [B, 1, Q, T], added to attention scores
    ops: FusedOps


class FusedPass:
    """Compute the forward pass of one configuration; the weights are given with every call.

    Args:
        heads: of the attention.
        head_size: what each of them attends with; H is `heads` times as many.
        activate: the function between the two products of a layer.
        dtype: of the activations.
        epsilon: of the normalizations.
        hidden_dropout, attention_dropout: the share that training drops out.
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
    ):
        self.heads = heads
        self.head_size = head_size
        self.dtype = dtype
        build_ops = partial(FusedOps, activate, epsilon, hidden_dropout, attention_dropout)
        self._ops = build_ops(compiled=False)
        self._compiled_ops = build_ops(compiled=True)

    @staticmethod
    def seed_count(layers: int) -> int:
        """Count the seeds that a training step takes."""
        return 1 + DROPOUTS_OF_A_LAYER * layers

    def __call__(
        self,
        weights: Weights,
        ids_BT: tf.Tensor,
        mask_BT: tf.Tensor,
        positions_BT: tf.Tensor | None = None,
        wanted_BT: tf.Tensor | None = None,
        *,
        seeds_D2: tf.Tensor | None = None,
        look_up: LookUp | None = None,
    ) -> tf.Tensor:
        """Compute hidden states of pieces; all int32 [B, T] -> [B, T, H].

        In the graph of a training step with static shapes, as packed rows have, what stands between
        the products is compiled.

        Args:
            weights: of the encoder.
            ids_BT: of the pieces.
            mask_BT: 0 on padding. With `positions_BT` it holds segment ids: rows are packed, and
                each segment is a text of its own.
            positions_BT: of each piece in its text; by default its column.
            wanted_BT: bool, the pieces that hidden states are asked of. Only attention sees padding
                then, and what is not wanted goes through no product that its own hidden state alone
                needs. By default everything is computed, as XLA needs it.
            seeds_D2: `seed_count` of them in training; without them nothing is dropped out.
            look_up: finds word embeddings; by default in `weights.words`.
        """
        training = seeds_D2 is not None
        compiled = training and ids_BT.shape.is_fully_defined() and not tf.executing_eagerly()
        ops = self._compiled_ops if compiled else self._ops
        count = self.seed_count(len(weights.layers))
        seeds: Sequence = tf.unstack(seeds_D2) if training else [None] * count
        layout = asked = PaddedLayout(mask_BT)
        if wanted_BT is not None:
            layout, asked = PackedLayout(mask_BT), PackedLayout(wanted_BT)
        bias_B1QT = attention_bias(mask_BT, packed=positions_BT is not None, dtype=self.dtype)
        pieces = Pieces(layout, bias_B1QT, ops)
        x_NE = embed(weights, ids_BT, positions_BT, layout, look_up or weights.words_of)
        x_NH = ops.embedding(x_NE, *weights.norm, seeds[0])
        if weights.projection is not None:
            cast_NE = self._cast(x_NH)
            x_NH = weights.projection(cast_NE)
        # Training op by op hands float32 on: its gradients are three times as exact, in the same
        # time.
        is_wide = training and not compiled
        x_NH = tf.cast(x_NH, tf.float32 if is_wide else self.dtype)
        last = len(weights.layers) - 1
        for number, layer in enumerate(weights.layers):
            first = 1 + DROPOUTS_OF_A_LAYER * number
            own = seeds[first : first + DROPOUTS_OF_A_LAYER]
            left = asked if number == last else layout
            x_NH = self._run_layer(layer, x_NH, pieces, left, own)
        x_NH = self._cast(x_NH)
        hidden_PH = asked.scatter(x_NH)
        rows, length = layout.shape[0], layout.shape[1]
        return tf.reshape(hidden_PH, [rows, length, x_NH.shape[-1]])

    def _run_layer(
        self,
        weights: LayerWeights,
        x_NH: tf.Tensor,
        pieces: Pieces,
        left: PaddedLayout,
        seeds: Sequence,
    ) -> tf.Tensor:
        """Run one transformer layer; [N, H] -> the rows of the layout that is left, [L, H]."""
        attended, up, down = weights.attended, weights.up, weights.down
        residual = pieces.ops.residual
        cast_NH = self._cast(x_NH)
        qkv_NC = weights.query_key_value(cast_NH)
        attended_PH = self._attend(qkv_NC, pieces, seeds[0])
        if left is not pieces.layout:
            x_NH = left.gather(pieces.layout.scatter(x_NH))
        y_NH = attended.product(left.gather(attended_PH))
        x_NH = residual(x_NH, y_NH, attended.bias, *weights.attended_norm, seeds[1])
        cast_NH = self._cast(x_NH)
        inner_NI = up.product(cast_NH)
        inner_NI = pieces.ops.activation(inner_NI, up.bias)
        y_NH = down.product(inner_NI)
        return residual(x_NH, y_NH, down.bias, *weights.norm, seeds[2])

    def _cast(self, x_NH: tf.Tensor) -> tf.Tensor:
        """Cast activations to the type that products take."""
        return tf.cast(x_NH, self.dtype)

    def _attend(self, qkv_NC: tf.Tensor, pieces: Pieces, seed: tf.Tensor | None) -> tf.Tensor:
        """Attend with all heads at once; rows [N, 3H] -> positions [P, H]."""
        layout, bias_B1QT, ops = pieces
        rows, length = layout.shape[0], layout.shape[1]
        qkv_PC = layout.scatter(qkv_NC)
        qkv_BTCAD = tf.reshape(qkv_PC, [rows, length, 3, self.heads, self.head_size])
        qkv_CBATD = tf.transpose(qkv_BTCAD, [2, 0, 3, 1, 4])
        query, key, value = tf.unstack(qkv_CBATD)  # each [B, heads, T, D]
        query *= tf.constant(self.head_size**-0.5, query.dtype)
        scores_BAQT = tf.matmul(query, key, transpose_b=True)
        attention_BAQT = ops.attention(scores_BAQT, bias_B1QT, seed)
        attended_BAQD = tf.matmul(attention_BAQT, value)
        attended_BQAD = tf.transpose(attended_BAQD, [0, 2, 1, 3])
        return tf.reshape(attended_BQAD, [-1, self.heads * self.head_size])


def embed(
    weights: Weights,
    ids_BT: tf.Tensor,
    positions_BT: tf.Tensor | None,
    layout: PaddedLayout,
    look_up: LookUp,
) -> tf.Tensor:
    """Add up the embeddings of words, positions and the segment; int32 [B, T] -> float32 [N, E]."""
    ids_N = layout.gather(tf.reshape(ids_BT, [-1]))
    words_NE = look_up(ids_N)
    position_NE = look_up_positions(weights.positions, positions_BT, layout)
    x_NE = to_float32(words_NE)
    x_NE += to_float32(position_NE)
    return x_NE + to_float32(weights.segment)


def look_up_positions(
    table_PH: tf.Tensor, positions_BT: tf.Tensor | None, layout: PaddedLayout
) -> tf.Tensor:
    """Look up the embeddings of positions, which are columns where none are given; -> [N, H]."""
    if positions_BT is None:
        return layout.gather_columns(table_PH[: layout.shape[1]])
    positions_N = layout.gather(tf.reshape(positions_BT, [-1]))
    return tf.gather(table_PH, positions_N)


def attention_bias(mask_BT: tf.Tensor, *, packed: bool, dtype: tf.DType) -> tf.Tensor:
    """Build what is added to attention scores: 0 where a piece is seen, MASKED where it is not.

    Padding is not seen, nor in packed rows another segment.

    Returns:
        [B, 1, 1, T], or of packed rows [B, 1, T, T].

        >>> attention_bias(tf.constant([[1, 2, 0]]), packed=True, dtype=tf.float32).numpy()[0, 0]
        array([[     0., -10000., -10000.],
               [-10000.,      0., -10000.],
               [-10000., -10000., -10000.]], dtype=float32)
    """
    visible_B1QT = (mask_BT > 0)[:, None, None, :]
    if packed:
        same_BQT = mask_BT[:, :, None] == mask_BT[:, None, :]
        visible_B1QT &= same_BQT[:, None]
    return tf.where(visible_B1QT, tf.constant(0, dtype), tf.constant(MASKED, dtype))


def gelu(x: tf.Tensor) -> tf.Tensor:
    """Multiply x by the probability that a normal value is less than x.

    Hendrycks and Gimpel 2016, https://arxiv.org/abs/1606.08415.
    """
    dtype = x.dtype
    half = tf.constant(0.5, dtype)
    one = tf.constant(1, dtype)
    root = tf.constant(2**-0.5, dtype)
    return half * x * (one + tf.math.erf(x * root))
