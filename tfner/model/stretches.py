"""The elementwise work between a transformer layer's matrix products: four stretches, each a function that can be compiled by itself.

Operation by operation this work takes longer than the products: every one of them reads and writes all activations. XLA makes one pass of
a stretch. Way back included: a compiled stretch keeps nothing but its inputs and computes again what its gradient needs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

Stretch = Callable[..., tf.Tensor]


class Stretches:
    """The stretches of one configuration; a seed is int [2], or None where nothing is dropped out.

    Args:
        activate: the function between the two products of a layer.
        epsilon: of the normalizations.
        hidden_dropout, attention_dropout: the share that is dropped out.
        compiled: by XLA, which needs static shapes, and seeds.
    """

    def __init__(self, activate: Stretch, epsilon: float, hidden_dropout: float, attention_dropout: float, *, compiled: bool):
        drop = drop_by_hash if compiled else drop_by_philox

        def activation(x_NI: tf.Tensor, bias_I: tf.Tensor) -> tf.Tensor:
            return activate(tf.nn.bias_add(x_NI, tf.cast(bias_I, x_NI.dtype)))

        def attention(scores_BAQT: tf.Tensor, bias_B1QT: tf.Tensor, seed: tf.Tensor | None) -> tf.Tensor:
            return drop(tf.nn.softmax(scores_BAQT + bias_B1QT), attention_dropout, seed)

        def residual(
            x_NH: tf.Tensor, y_NH: tf.Tensor, bias_H: tf.Tensor, scale_H: tf.Tensor, offset_H: tf.Tensor, seed: tf.Tensor | None
        ) -> tf.Tensor:
            y_NH = drop(tf.nn.bias_add(y_NH, tf.cast(bias_H, y_NH.dtype)), hidden_dropout, seed)
            return normalize(x_NH + y_NH, scale_H, offset_H, epsilon)

        def embedding(x_NH: tf.Tensor, scale_H: tf.Tensor, offset_H: tf.Tensor, seed: tf.Tensor | None) -> tf.Tensor:
            return drop(normalize(x_NH, scale_H, offset_H, epsilon), hidden_dropout, seed)

        wrap = compile_stretch if compiled else as_it_is
        self.activation, self.attention, self.residual, self.embedding = map(wrap, (activation, attention, residual, embedding))


def normalize(x_NH: tf.Tensor, scale_H: tf.Tensor, offset_H: tf.Tensor, epsilon: float) -> tf.Tensor:
    """Layer normalization, computed in float32."""
    wide_NH = tf.cast(x_NH, tf.float32)
    mean_N1 = tf.reduce_mean(wide_NH, axis=-1, keepdims=True)
    variance_N1 = tf.reduce_mean(tf.math.squared_difference(wide_NH, mean_N1), axis=-1, keepdims=True)
    scale_H, offset_H = tf.cast(scale_H, tf.float32), tf.cast(offset_H, tf.float32)
    return tf.cast(tf.nn.batch_normalization(wide_NH, mean_N1, variance_N1, offset_H, scale_H, epsilon), x_NH.dtype)


def drop_by_philox(x: tf.Tensor, rate: float, seed: tf.Tensor | None) -> tf.Tensor:
    """Dropout as TensorFlow does it."""
    return x if seed is None or not rate else tf.nn.experimental.stateless_dropout(x, rate, seed, rng_alg="philox")


def drop_by_hash(x: tf.Tensor, rate: float, seed: tf.Tensor | None) -> tf.Tensor:
    """Dropout that hashes each element's number with the seed: a tenth of Philox' work in a compiled program, and random enough for this.

    The hash is lowbias32 of https://github.com/skeeto/hash-prospector, with half of the seed in front and half between its rounds.
    """
    if seed is None or not rate:
        return x
    halves = tf.unstack(tf.cast(seed, tf.uint32))
    front = mix(halves[0])
    between = mix(front + halves[1])
    number = tf.cast(tf.reshape(tf.range(x.shape.num_elements()), x.shape), tf.uint32)
    bits = mix(number + front, between)
    return tf.where(bits >= tf.constant(round(rate * 2**32), tf.uint32), x * tf.constant(1 / (1 - rate), x.dtype), tf.zeros_like(x))


def mix(bits: tf.Tensor, between: tf.Tensor | int = 0) -> tf.Tensor:
    """Every bit of a uint32 into every other."""
    bits = tf.bitwise.bitwise_xor(fold(bits, 16) * tf.constant(0x7FEB352D, tf.uint32), tf.cast(between, tf.uint32))
    return fold(fold(bits, 15) * tf.constant(0x846CA68B, tf.uint32), 16)


def fold(bits: tf.Tensor, by: int) -> tf.Tensor:
    """The upper bits over the lower ones."""
    return tf.bitwise.bitwise_xor(bits, tf.bitwise.right_shift(bits, tf.constant(by, bits.dtype)))


def as_it_is(stretch: Stretch) -> Stretch:
    return stretch


def compile_stretch(stretch: Stretch) -> Stretch:
    """The same function of tensors, compiled for the way forth and, with all of it computed again, for the way back."""

    def pull_back(upstream: tf.Tensor, *inputs: tf.Tensor) -> Any:
        wanted = [value for value in inputs if value.dtype.is_floating]
        with tf.GradientTape() as tape:
            tape.watch(wanted)
            output = stretch(*inputs)
        return tape.gradient([output], wanted, [upstream])

    forth = tf.function(stretch, jit_compile=True, autograph=False)
    back = tf.function(pull_back, jit_compile=True, autograph=False)

    @tf.custom_gradient
    def run(*inputs: tf.Tensor) -> Any:
        def gradient(upstream: tf.Tensor) -> list[tf.Tensor | None]:
            found = iter(back(upstream, *inputs))
            return [next(found) if value.dtype.is_floating else None for value in inputs]

        return forth(*inputs), gradient

    return lambda *inputs: run(*map(tf.convert_to_tensor, inputs))
