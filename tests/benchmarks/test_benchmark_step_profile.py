"""The profile of a step runs, and tells the parts of a step apart."""

from __future__ import annotations

import platform
import re
from collections import Counter

import pytest
import tiny

from benchmarks.step import profile, trace
from tfner.model.inference.frozen import FrozenClassifier


@pytest.mark.slow
def test_a_smoke_run_finds_every_part_of_a_step(capsys):
    profile.main(["--smoke"])
    printed = capsys.readouterr().out
    titles = re.findall(r"^(\w+), mixed_bfloat16: milliseconds of a step", printed, re.MULTILINE)
    assert titles == ["fused", "reference"]
    for table in printed.split(": milliseconds of a step")[1:]:
        for part in (
            "matrix products",
            "softmax",
            "layer norm",
            "gelu",
            "embeddings",
            "optimizer",
            "clipping",
            "loss and metrics",
        ):
            rows = [
                re.findall(r"([\d.]+) +[\d.]+ %", row)
                for row in re.findall(rf"^{part}.*$", table, re.MULTILINE)
            ]
            for column in (0, 1):
                assert sum(float(row[column]) for row in rows) > 0, (part, table)
        shares = re.findall(r"^other +.*$", table, re.MULTILINE)
        assert all(
            float(share) < 25 for row in shares for share in re.findall(r"([\d.]+) %", row)
        ), shares


@pytest.mark.parametrize(
    ("node", "type_", "kind"),
    [
        ("token_classifier/encode/FusedPass/layer/gelu/mul", "Mul", "gelu"),
        (
            "gradient_tape/token_classifier/encode/FusedPass/layer/attend/dropout_1/general_dropout/Mul",
            "Mul",
            "dropout, random numbers",
        ),
        (
            "gradient_tape/token_classifier/encode/FusedPass/layer/Norm/batchnorm/mul/Sum",
            "Sum",
            "layer norm",
        ),
        ("FusedAdamW/clip_gradients/row_sums/GatherV2", "GatherV2", "clipping"),
        (
            "FusedAdamW/deduplicate_sparse_grad/to_dense/UnsortedSegmentSum",
            "UnsortedSegmentSum",
            "embeddings and their gradient",
        ),
        ("tf_bert_model/bert/encoder/layer_._0/intermediate/Gelu/mul", "Mul", "gelu"),
        (
            "tf_bert_model/bert/encoder/layer_._0/intermediate/dense/Tensordot/MatMul",
            "_MklMatMul",
            "matrix products",
        ),
        (
            "tf_bert_model/bert/encoder/layer_._0/attention/output/LayerNorm/batchnorm/add",
            "AddV2",
            "layer norm",
        ),
        (
            "tf_bert_model/bert/encoder/layer_._0/attention/self/Add",
            "AddV2",
            "softmax, its scale and mask",
        ),
    ],
)
def test_a_node_is_told_by_its_scope_and_its_type(node, type_, kind):
    assert trace.kind_of(node, type_) == kind


@pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"),
    reason="elsewhere TensorFlow has no such kernel",
)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_inference_normalizes_in_one_kernel(dtype):
    import tensorflow as tf

    model = tiny.classifier()
    spec = tf.TensorSpec([None, None], tf.int32)
    frozen = FrozenClassifier(model, tf.as_dtype(dtype))
    specs = {
        "input_ids": spec,
        "attention_mask": spec,
        "wanted": tf.TensorSpec(spec.shape, tf.bool),
    }
    infer = tf.function(frozen, input_signature=[specs])
    ids = tf.ones([3, 16], tf.int32)
    given = {"input_ids": ids, "attention_mask": ids, "wanted": ids > 0}
    types = Counter(type_ for _, type_ in trace.node_times(lambda: infer(given), 2))
    assert types["_MklLayerNorm"] == 1 + 2 * model.encoder.config.num_hidden_layers
    assert not any("BatchNorm" in type_ for type_ in types)


def test_time_inside_another_node_counts_once():
    # a: 0 to 100 holds b: 10 to 40, which holds c: 20 to 30; d: 200 to 205 stands alone
    events = [(200, 5, "d"), (0, 100, "a"), (20, 10, "c"), (10, 30, "b")]
    assert dict(trace.own_times(events)) == {"a": 70, "b": 20, "c": 10, "d": 5}


def test_a_compiled_function_is_told_by_what_is_in_it():
    import tensorflow as tf

    @tf.function(jit_compile=True)
    def normalized(x):
        return x * tf.math.rsqrt(tf.reduce_mean(x * x))

    @tf.function
    def step(x):
        return normalized(x) + tf.function(tf.nn.softmax, jit_compile=True)(x)

    graph = step.get_concrete_function(tf.ones([4])).graph.as_graph_def()
    assert sorted(trace.compiled_functions(graph).values()) == [
        "layer norm etc., compiled",
        "softmax etc., compiled",
    ]
    nodes = trace.node_times(lambda: step(tf.ones([4])), 2)
    assert {node for node, _ in nodes} >= set(trace.compiled_functions(graph))
