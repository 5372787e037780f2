"""Compiled stretches against the same functions op by op, their dropout, and when they are used."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tiny

from tfner.model.encoders.bert import build_bert
from tfner.model.encoders.bert_weights import fused_pass, read_weights
from tfner.model.encoders.fused import gelu
from tfner.model.encoders.fused_ops import FusedOps
from tfner.model.encoders.xla_ops import drop

NAMES = ("activation", "attention", "residual", "embedding")
SEED = tf.constant([3, 5], tf.int64)


def normal(*shape: int, dtype: tf.DType = tf.float32) -> tf.Tensor:
    return tf.cast(tf.random.stateless_normal(shape, [len(shape), shape[0]]), dtype)


def inputs_of(name: str, dtype: tf.DType) -> list[tf.Tensor]:
    rows, row = normal(6, 8, dtype=dtype), normal(8)
    return {
        "activation": [rows, row],
        "attention": [normal(2, 3, 4, 4, dtype=dtype), normal(2, 1, 4, 4, dtype=dtype), SEED],
        "residual": [rows, normal(6, 8, dtype=dtype) + 1, row, row + 1, row, SEED],
        "embedding": [rows, row + 1, row, SEED],
    }[name]


def value_and_gradients(stretch, inputs):
    @tf.function
    def run(inputs):
        floats = [value for value in inputs if value.dtype.is_floating]
        with tf.GradientTape() as tape:
            tape.watch(floats)
            output = stretch(*inputs)
        found = tape.gradient(output, floats, tf.cast(normal(*output.shape), output.dtype))
        return output, [gradient for gradient in found if gradient is not None]

    return run(inputs)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16])
def test_compiled_is_the_same_function_with_the_same_gradients(name, dtype):
    plain, compiled = (
        getattr(FusedOps(gelu, 1e-12, 0.0, 0.0, compiled=compiled), name)
        for compiled in (False, True)
    )
    want, got = (
        tf.nest.flatten(value_and_gradients(stretch, inputs_of(name, dtype)))
        for stretch in (plain, compiled)
    )
    tolerance = 1e-5 if dtype == tf.float32 else 0.1
    assert got[0].dtype == dtype
    for a, b in zip(got, want, strict=name != "attention"):  # whose mask is not learned
        np.testing.assert_allclose(
            tf.cast(a, tf.float32), tf.cast(b, tf.float32), atol=tolerance, rtol=tolerance
        )


@pytest.mark.parametrize("name", ["attention", "embedding"])
def test_what_is_dropped_on_the_way_forth_is_dropped_on_the_way_back(name):
    """The two ways draw their numbers apart, from the same seed."""
    compiled = getattr(FusedOps(gelu, 1e-12, 0.4, 0.4, compiled=True), name)
    output, gradients = value_and_gradients(compiled, inputs_of(name, tf.float32))
    dropped = output.numpy() == 0
    assert 0 < dropped.mean() < 1
    kept = FusedOps(gelu, 1e-12, 0.0, 0.0, compiled=False)
    inputs = inputs_of(name, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(inputs[:1])
        whole = getattr(kept, name)(*inputs)
    upstream = tf.where(dropped, 0.0, normal(*output.shape) / 0.6)
    np.testing.assert_allclose(gradients[0], tape.gradient(whole, inputs[0], upstream), atol=1e-5)


class TestDropout:
    def masks(self, seeds, shape=(500, 1000), rate=0.1):
        dropped = tf.function(lambda seed: drop(tf.ones(shape), rate, seed), jit_compile=True)
        return [dropped(tf.constant(seed, tf.int64)).numpy() for seed in seeds]

    @pytest.mark.parametrize("rate", [0.1, 0.5])
    def test_the_rate_is_kept_and_what_stays_is_scaled(self, rate):
        (values,) = self.masks([(1, 2)], rate=rate)
        assert set(np.unique(values)) == {0.0, np.float32(1 / (1 - rate))}
        deviation = (rate * (1 - rate) / values.size) ** 0.5
        assert abs((values == 0).mean() - rate) < 4 * deviation

    def test_neighbours_rows_and_seeds_know_nothing_of_each_other(self):
        first, *others = (
            mask == 0 for mask in self.masks([(1, 2), (2, 2), (1, 3), (1 << 40, 2), (-7, -9)])
        )
        shifted = [np.roll(first, by, axis) for axis in (0, 1) for by in (1, 2, 3)]
        for other in (*others, *shifted):
            assert abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]) < 4 / first.size**0.5

    def test_counts_in_blocks_vary_as_those_of_a_coin(self):
        (values,) = self.masks([(11, 13)])
        counts = (values == 0).reshape(-1, 100).sum(1)
        assert counts.var() == pytest.approx(100 * 0.1 * 0.9, rel=0.1)

    def test_nothing_is_dropped_without_a_seed_or_a_rate(self):
        x = tf.ones([3, 4])
        assert drop(x, 0.5, None) is x
        assert drop(x, 0.0, SEED) is x


@pytest.fixture(scope="module")
def encoder():
    return build_bert(tiny.checkpoint(), pretrained=True).bert


class TestWhenCompiled:
    @staticmethod
    def has_compiled_functions(encoder, shape, seeds):
        encode, weights = fused_pass(encoder, tf.float32), read_weights(encoder)
        ids = tf.TensorSpec(shape, tf.int32)
        graph = (
            tf.function(lambda ids, mask: encode(weights, ids, mask, seeds_D2=seeds))
            .get_concrete_function(ids, ids)
            .graph
        )
        return any(
            function.attr["_XlaMustCompile"].b for function in graph.as_graph_def().library.function
        )

    @pytest.mark.parametrize(
        ("shape", "training", "expected"),
        [
            ((3, 16), True, True),
            ((None, 16), True, False),
            ((3, None), True, False),
            ((3, 16), False, False),
        ],
    )
    def test_only_in_training_and_with_static_shapes(self, encoder, shape, training, expected):
        seeds = tf.zeros([7, 2], tf.int64) if training else None
        assert self.has_compiled_functions(encoder, shape, seeds) is expected

    def test_a_compiled_step_has_the_gradients_of_one_op_by_op(self, encoder):
        ids = np.random.default_rng(0).integers(5, 100, (3, 16)).astype(np.int32)
        mask = (np.arange(16) < [[16], [9], [4]]).astype(np.int32)
        encode, seeds = fused_pass(encoder, tf.float32), tf.zeros([7, 2], tf.int64)

        def gradients(ids, mask):
            with tf.GradientTape() as tape:
                hidden = encode(read_weights(encoder), ids, mask, seeds_D2=seeds)
                loss = tf.reduce_sum(tf.where(mask[..., None] > 0, hidden, 0.0) ** 2)
            return [
                tf.convert_to_tensor(gradient)
                for gradient in tape.gradient(loss, encoder.trainable_variables)
            ]

        static, dynamic = tf.TensorSpec([3, 16], tf.int32), tf.TensorSpec([None, None], tf.int32)
        got, want = (
            tf.function(gradients, input_signature=[spec, spec])(ids, mask)
            for spec in (static, dynamic)
        )
        for a, b in zip(got, want, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-4 * max(1, float(tf.reduce_max(tf.abs(b)))))
