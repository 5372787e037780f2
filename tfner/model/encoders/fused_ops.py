"""Fuse the elementwise work between a transformer layer's matrix products into four operations.

One kernel after the other this work takes longer than the products: each reads and writes all
activations. XLA makes one pass of a whole operation, its gradient included: a compiled one keeps
nothing but its inputs and computes again what the gradient needs. Only attention, where that would
cost most, keeps its results.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import compress
from typing import Any

import tensorflow as tf

from tfner.model.encoders import tf_ops, xla_ops
from tfner.model.encoders.casts import cast_like, to_float32

FusedOp = Callable[..., Any]


class FusedOps:
    """Hold the fused operations of one configuration; what comes out has the type of `x`.

    A seed is int [2], or None where nothing is dropped out.

    Args:
        activate: the function between the two products of a layer.
        epsilon: of the normalizations.
        hidden_dropout, attention_dropout: the share that is dropped out.
        compiled: by XLA, which needs static shapes, and seeds.
    """

    def __init__(
        self,
        activate: FusedOp,
        epsilon: float,
        hidden_dropout: float,
        attention_dropout: float,
        *,
        compiled: bool,
    ):
        ops = xla_ops if compiled else tf_ops

        def activation(x_NI, bias_I):
            return activate(ops.add_bias(x_NI, bias_I))

        def attention(x_BAQT, bias_B1QT, seed):
            scores_BAQT = x_BAQT + bias_B1QT
            weights_BAQT = ops.softmax(scores_BAQT)
            return ops.drop(weights_BAQT, attention_dropout, seed)

        def residual(x_NH, y_NH, bias_H, scale_H, offset_H, seed):
            biased_NH = ops.add_bias(y_NH, bias_H)
            dropped_NH = ops.drop(biased_NH, hidden_dropout, seed)
            wide = tf.float32 if compiled else x_NH.dtype
            sum_NH = tf.cast(x_NH, wide) + tf.cast(dropped_NH, wide)
            return ops.normalize(sum_NH, scale_H, offset_H, epsilon)

        def embedding(x_NH, scale_H, offset_H, seed):
            normal_NH = ops.normalize(x_NH, scale_H, offset_H, epsilon)
            return ops.drop(normal_NH, hidden_dropout, seed)

        self.activation = compile_op(activation) if compiled else activation
        self.attention = compile_attention(attention_dropout) if compiled else attention
        self.residual = compile_op(residual) if compiled else residual
        self.embedding = compile_op(embedding) if compiled else embedding


def compile_by_xla(run: FusedOp) -> FusedOp:
    """Compile a function of tensors."""
    return tf.function(run, jit_compile=True, autograph=False)


def compile_op(op: FusedOp) -> FusedOp:
    """Compile a function of tensors, and its gradient, for which all of it is computed again."""

    def has_gradient(inputs):
        return [value.dtype.is_floating for value in inputs]

    def run_forward(x, *others):
        return tf.cast(op(x, *others), x.dtype)

    def run_backward(upstream, *inputs):
        wanted = list(compress(inputs, has_gradient(inputs)))
        with tf.GradientTape() as tape:
            tape.watch(wanted)
            output = run_forward(*inputs)
        return tape.gradient([output], wanted, [upstream])

    forward = compile_by_xla(run_forward)
    backward = compile_by_xla(run_backward)

    @tf.custom_gradient
    def run(*inputs):
        def gradient(upstream):
            found = iter(backward(upstream, *inputs))
            return [next(found) if wanted else None for wanted in has_gradient(inputs)]

        output = forward(*inputs)
        return output, gradient

    return lambda *inputs: run(*map(tf.convert_to_tensor, inputs))


def compile_attention(dropout: float) -> FusedOp:
    """Compile masked softmax and dropout; `bias_B1QT` is not learned.

    The gradient needs neither exponentials nor the dropout's hash again: with weights w, what
    dropout kept of them k = w * drop, and the gradient g of k, that of the scores is k * g - w *
    sum(k * g).
    """

    def run_forward(x_BAQT, bias_B1QT, seed):
        scores_BAQT = x_BAQT + bias_B1QT
        weights_BAQT = xla_ops.softmax(scores_BAQT)
        kept_BAQT = xla_ops.drop(weights_BAQT, dropout, seed)
        kept_BAQT = cast_like(kept_BAQT, x_BAQT)
        weights_BAQT = cast_like(weights_BAQT, x_BAQT)
        return kept_BAQT, weights_BAQT

    def run_backward(upstream, kept, weights):
        wide_kept = to_float32(kept)
        wide_upstream = to_float32(upstream)
        product = wide_kept * wide_upstream
        sums = xla_ops.for_each_column(xla_ops.sum_rows(product), product)
        weights = to_float32(weights)
        shared = weights * sums
        gradient = product - shared
        return cast_like(gradient, upstream)

    forward = compile_by_xla(run_forward)
    backward = compile_by_xla(run_backward)

    def attention(x_BAQT, bias_B1QT, seed):
        @tf.custom_gradient
        def run(x_BAQT):
            kept, weights = forward(x_BAQT, bias_B1QT, seed)

            def gradient(upstream):
                return backward(upstream, kept, weights)

            return kept, gradient

        return run(x_BAQT)

    return attention
