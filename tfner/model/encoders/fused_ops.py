"""The elementwise work between a transformer layer's matrix products: four stretches, each a function that can be compiled by itself.

Operation by operation this work takes longer than the products: every one of them reads and writes all activations. XLA makes one pass of
a stretch. Way back included: a compiled stretch keeps nothing but its inputs and computes again what its gradient needs; only attention,
where that would cost most, keeps what came out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import compress
from typing import Any

import tensorflow as tf

from tfner.model.encoders import tf_ops as op_by_op
from tfner.model.encoders import xla_ops as one_pass

Stretch = Callable[..., tf.Tensor]


class Stretches:
    """The stretches of one configuration; a seed is int [2], or None where nothing is dropped out.

    What comes out has the type of `x`.

    Args:
        activate: the function between the two products of a layer.
        epsilon: of the normalizations.
        hidden_dropout, attention_dropout: the share that is dropped out.
        compiled: by XLA, which needs static shapes, and seeds.
    """

    def __init__(
        self,
        activate: Stretch,
        epsilon: float,
        hidden_dropout: float,
        attention_dropout: float,
        *,
        compiled: bool,
    ):
        do = one_pass if compiled else op_by_op

        def activation(x_NI: tf.Tensor, bias_I: tf.Tensor) -> tf.Tensor:
            return activate(do.add_bias(x_NI, bias_I))

        def attention(x_BAQT: tf.Tensor, bias_B1QT: tf.Tensor, seed: tf.Tensor | None) -> tf.Tensor:
            return do.drop(do.softmax(x_BAQT + bias_B1QT), attention_dropout, seed)

        def residual(
            x_NH: tf.Tensor,
            y_NH: tf.Tensor,
            bias_H: tf.Tensor,
            scale_H: tf.Tensor,
            offset_H: tf.Tensor,
            seed: tf.Tensor | None,
        ) -> tf.Tensor:
            dropped_NH = do.drop(do.add_bias(y_NH, bias_H), hidden_dropout, seed)
            wide = tf.float32 if compiled else x_NH.dtype
            return do.normalize(
                tf.cast(x_NH, wide) + tf.cast(dropped_NH, wide), scale_H, offset_H, epsilon
            )

        def embedding(
            x_NH: tf.Tensor, scale_H: tf.Tensor, offset_H: tf.Tensor, seed: tf.Tensor | None
        ) -> tf.Tensor:
            return do.drop(do.normalize(x_NH, scale_H, offset_H, epsilon), hidden_dropout, seed)

        self.activation, self.attention, self.residual, self.embedding = (
            activation,
            attention,
            residual,
            embedding,
        )
        if compiled:
            self.activation, self.residual, self.embedding = map(
                compile_stretch, (activation, residual, embedding)
            )
            self.attention = compile_attention(attention_dropout)


def compile_stretch(stretch: Stretch) -> Stretch:
    """The same function of tensors, compiled for the way forth and, with all of it computed again, for the way back."""

    def has_gradient(inputs: Sequence[tf.Tensor]) -> list[bool]:
        return [value.dtype.is_floating for value in inputs]

    def run_forth(x: tf.Tensor, *others: tf.Tensor) -> tf.Tensor:
        return tf.cast(stretch(x, *others), x.dtype)

    def pull_back(upstream: tf.Tensor, *inputs: tf.Tensor) -> Any:
        wanted = list(compress(inputs, has_gradient(inputs)))
        with tf.GradientTape() as tape:
            tape.watch(wanted)
            output = run_forth(*inputs)
        return tape.gradient([output], wanted, [upstream])

    forth = tf.function(run_forth, jit_compile=True, autograph=False)
    back = tf.function(pull_back, jit_compile=True, autograph=False)

    @tf.custom_gradient
    def run(*inputs: tf.Tensor) -> Any:
        def gradient(upstream: tf.Tensor) -> list[tf.Tensor | None]:
            found = iter(back(upstream, *inputs))
            return [next(found) if wanted else None for wanted in has_gradient(inputs)]

        return forth(*inputs), gradient

    return lambda *inputs: run(*map(tf.convert_to_tensor, inputs))


def compile_attention(dropout: float) -> Stretch:
    """Masked softmax and dropout, compiled; `bias_B1QT` is not learned.

    The way back needs neither exponentials nor the dropout's hash again: with weights w, what dropout kept of them k = w * drop, and
    the gradient g of k, that of the scores is k * g - w * sum(k * g).
    """

    def weigh(
        x_BAQT: tf.Tensor, bias_B1QT: tf.Tensor, seed: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        weights_BAQT = one_pass.softmax(x_BAQT + bias_B1QT)
        return tf.cast(one_pass.drop(weights_BAQT, dropout, seed), x_BAQT.dtype), tf.cast(
            weights_BAQT, x_BAQT.dtype
        )

    def pull_back(upstream: tf.Tensor, kept: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        product = tf.cast(kept, tf.float32) * tf.cast(upstream, tf.float32)
        sums = one_pass.for_each_column(one_pass.sum_rows(product), product)
        return tf.cast(product - tf.cast(weights, tf.float32) * sums, upstream.dtype)

    forth = tf.function(weigh, jit_compile=True, autograph=False)
    back = tf.function(pull_back, jit_compile=True, autograph=False)

    def attention(x_BAQT: tf.Tensor, bias_B1QT: tf.Tensor, seed: tf.Tensor | None) -> tf.Tensor:
        @tf.custom_gradient
        def run(x_BAQT: tf.Tensor) -> Any:
            kept, weights = forth(x_BAQT, bias_B1QT, seed)
            return kept, lambda upstream: back(upstream, kept, weights)

        return run(x_BAQT)

    return attention
