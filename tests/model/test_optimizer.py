"""The optimizer against slow numpy, the schedules against their formulas, whatever form the
gradients come in.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from replicas import two_replicas

from tfner.exceptions import ConfigError
from tfner.model.optimizer import FusedAdamW, WarmupDecay, build_optimizer

NAMES = (  # as TFBertModel and Keras name them
    "tf_bert_model/bert/embeddings/word_embeddings/weight:0",
    "tf_bert_model/bert/encoder/layer_._0/attention/self/query/kernel:0",
    "tf_bert_model/bert/encoder/layer_._0/attention/self/query/bias:0",
    "tf_bert_model/bert/encoder/layer_._0/output/LayerNorm/gamma:0",
    "tf_bert_model/bert/encoder/layer_._0/output/LayerNorm/beta:0",
    "token_classifier/head/kernel:0",
    "token_classifier/head/bias:0",
    "token_classifier/head/transitions:0",
)
SHAPES = ((11, 3), (3, 4), (4,), (4,), (4,), (3, 5), (5,), (5, 5))
DECAYED = {0, 1, 5, 7}
OF_HEAD = {5, 6, 7}
TRANSITIONS = 7


def make_variables(seed: int = 1) -> list[tf.Variable]:
    random = np.random.default_rng(seed)
    return [
        tf.Variable(random.normal(size=shape).astype(np.float32), name=name[:-2])
        for name, shape in zip(NAMES, SHAPES, strict=True)
    ]


def draw_gradients(seed: int, scale: float = 1.0) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [scale * random.normal(size=shape).astype(np.float32) for shape in SHAPES]


def norm_of(gradients: list[np.ndarray]) -> float:
    """Of all of them together, in float64."""
    return math.sqrt(sum((gradient.astype(np.float64) ** 2).sum() for gradient in gradients))


class SlowAdamW:
    """Loshchilov and Hutter's algorithm 2 in float64, one variable after the other, with groups and
    global clipping.
    """

    def __init__(
        self,
        values,
        rate,
        head_factor=1.0,
        decay=0.01,
        clip=None,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        transition_factor=None,
    ):
        self.factors = [head_factor if i in OF_HEAD else 1.0 for i in range(len(values))]
        if transition_factor:
            self.factors[TRANSITIONS] = transition_factor
        self.values = [value.astype(np.float64) for value in values]
        self.m = [np.zeros_like(value) for value in self.values]
        self.v = [np.zeros_like(value) for value in self.values]
        self.step, self.rate, self.decay, self.clip = 0, rate, decay, clip
        self.betas, self.epsilon = (beta_1, beta_2), epsilon

    def update(self, gradients) -> None:
        shrink = min(1.0, self.clip / norm_of(gradients)) if self.clip else 1.0
        beta_1, beta_2 = self.betas
        correction_1, correction_2 = 1 - beta_1 ** (self.step + 1), 1 - beta_2 ** (self.step + 1)
        for i, gradient in enumerate(gradients):
            rate = self.rate(self.step) * self.factors[i]
            if i in DECAYED:
                self.values[i] *= 1 - rate * self.decay
            self.m[i] = beta_1 * self.m[i] + (1 - beta_1) * shrink * gradient
            self.v[i] = beta_2 * self.v[i] + (1 - beta_2) * (shrink * gradient) ** 2
            # epsilon as in tf_keras: added to the root before its bias is corrected
            self.values[i] -= (
                rate
                * math.sqrt(correction_2)
                / correction_1
                * self.m[i]
                / (np.sqrt(self.v[i]) + self.epsilon)
            )
        self.step += 1


@pytest.mark.parametrize("clip", [None, 1.0, 1000.0])
@pytest.mark.parametrize(("head_rate", "transition_rate"), [(None, None), (0.1, None), (0.1, 0.3)])
def test_fifty_steps_equal_slow_adamw(clip, head_rate, transition_rate):
    variables = make_variables()
    rates = {"head_learning_rate": head_rate, "transition_learning_rate": transition_rate}
    optimizer = build_optimizer(0.01, 50, warmup_steps=5, clip_norm=clip, weight_decay=0.3, **rates)
    values = [variable.numpy() for variable in variables]
    slow = SlowAdamW(
        values,
        lambda step: slow_rate("linear", 50, 5, step, 0.01),
        (head_rate or 0.01) / 0.01,
        0.3,
        clip,
        transition_factor=transition_rate and transition_rate / 0.01,
    )
    apply = tf.function(
        lambda *gradients: optimizer.apply_gradients(zip(gradients, variables, strict=True))
    )
    for step in range(50):
        gradients = draw_gradients(step, scale=10.0 ** (step % 4 - 2))
        apply(*gradients)
        slow.update(gradients)
        np.testing.assert_allclose(optimizer.gradient_norm, norm_of(gradients), rtol=1e-5)
    for variable, value in zip(variables, slow.values, strict=True):
        np.testing.assert_allclose(variable, value, rtol=2e-5, atol=2e-6, err_msg=variable.name)


def test_equals_the_adamw_of_tf_keras_on_dense_gradients():
    mine, theirs = make_variables(), make_variables()
    optimizer = FusedAdamW(0.01, weight_decay=0.1, global_clipnorm=1.0, epsilon=1e-7)
    reference = keras.optimizers.AdamW(0.01, weight_decay=0.1, global_clipnorm=1.0, epsilon=1e-7)
    reference.exclude_from_weight_decay(var_names=["bias", "LayerNorm"])
    for step in range(50):
        for rule, variables in ((optimizer, mine), (reference, theirs)):
            rule.apply_gradients(zip(draw_gradients(step), variables, strict=True))
    for variable, other in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(variable, other, rtol=1e-5, atol=1e-6, err_msg=variable.name)


def slices(gradient: np.ndarray, seed: int) -> tf.IndexedSlices:
    """The same gradient in pieces.

    Every row split in two, in any order, some rows left out where they are 0.
    """
    random = np.random.default_rng(seed)
    rows = np.flatnonzero(np.abs(gradient).sum(axis=1))
    part = random.normal(size=(len(rows), gradient.shape[1])).astype(np.float32)
    order = random.permutation(2 * len(rows))
    values = np.concatenate([part, gradient[rows] - part])[order]
    return tf.IndexedSlices(
        tf.constant(values),
        tf.constant(np.concatenate([rows, rows])[order]),
        tf.constant(gradient.shape),
    )


@pytest.mark.parametrize("clip", [None, 0.5])
def test_slices_with_repeated_rows_equal_the_dense_gradient(clip):
    """The norm is of the summed rows, and rows that do not occur go on with their momentum."""
    mine, theirs = make_variables(), make_variables()
    optimizer, reference = (FusedAdamW(0.01, global_clipnorm=clip) for _ in range(2))

    for step in range(4):
        gradients = draw_gradients(step)
        gradients[0][np.random.default_rng(step).random(11) < 0.6] = 0
        gradients[0][step] = 1.0
        optimizer.apply_gradients(
            zip([slices(gradients[0], step), *gradients[1:]], mine, strict=True)
        )
        reference.apply_gradients(zip(gradients, theirs, strict=True))
        np.testing.assert_allclose(optimizer.gradient_norm, norm_of(gradients), rtol=1e-5)
    for variable, other in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(variable, other, rtol=1e-4, atol=1e-6, err_msg=variable.name)


def test_a_gradient_of_slices_without_rows():
    variables = make_variables()
    before = variables[0].numpy()
    empty = tf.IndexedSlices(tf.zeros((0, 3)), tf.zeros((0,), tf.int64), tf.constant([11, 3]))
    optimizer = FusedAdamW(0.01, weight_decay=0.0, global_clipnorm=1.0)
    optimizer.apply_gradients(zip([empty, *draw_gradients(1)[1:]], variables, strict=True))
    np.testing.assert_array_equal(variables[0], before)


def rates(name: str, total: int, warmup: int) -> list[float]:
    schedule = WarmupDecay(3e-4, total, warmup, name)
    return [float(schedule(tf.constant(step, tf.int64))) for step in range(total + 5)]


def slow_rate(name: str, total: int, warmup: int, step: int, peak: float = 3e-4) -> float:
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    rest = max(0.0, (total - step) / max(1, total - warmup))
    by_name = {"linear": rest, "cosine": 0.5 * (1 - math.cos(math.pi * rest)), "constant": 1.0}
    return peak * by_name[name]


@pytest.mark.parametrize("name", ["linear", "cosine", "constant"])
@pytest.mark.parametrize("warmup", [0, 1, 7, 20])
def test_schedules_are_those_of_their_formulas(name, warmup):
    expected = [slow_rate(name, 20, warmup, step) for step in range(25)]
    assert rates(name, 20, warmup) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("name", ["linear", "cosine", "constant"])
@pytest.mark.parametrize(("total", "warmup"), [(1, 0), (1, 1), (2, 1), (20, 2), (20, 20)])
def test_no_update_of_a_run_is_wasted_on_a_rate_of_0(name, total, warmup):
    of_run = rates(name, total, warmup)[:total]
    assert min(of_run) > 0
    assert max(of_run) >= 3e-4 / 2
    assert sorted(of_run[: warmup + 1]) == of_run[: warmup + 1]


def test_a_ratio_of_warmup_rounds_up_and_steps_win():
    assert (
        build_optimizer(1e-3, 101, warmup_ratio=0.1).get_config()["learning_rate"]["config"][
            "warmup_steps"
        ]
        == 11
    )
    assert (
        build_optimizer(1e-3, 101, warmup_ratio=0.1, warmup_steps=3).get_config()["learning_rate"][
            "config"
        ]["warmup_steps"]
        == 3
    )


def test_is_rebuilt_from_its_config():
    optimizer = build_optimizer(
        1e-3,
        100,
        warmup_ratio=0.1,
        head_learning_rate=0.1,
        transition_learning_rate=0.2,
        schedule="cosine",
        clip_norm=0.5,
    )
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert isinstance(again, FusedAdamW)
    assert again.get_config() == optimizer.get_config()
    assert float(again.learning_rate) == float(optimizer.learning_rate)


def test_a_checkpoint_continues_as_if_nothing_had_happened(tmp_path):
    def run(optimizer, variables, steps):
        for step in steps:
            optimizer.apply_gradients(zip(draw_gradients(step), variables, strict=True))

    whole = make_variables()
    run(build_optimizer(0.01, 10, head_learning_rate=0.05), whole, range(6))
    first, optimizer = make_variables(), build_optimizer(0.01, 10, head_learning_rate=0.05)
    run(optimizer, first, range(3))
    path = tf.train.Checkpoint(optimizer=optimizer, variables=first).save(str(tmp_path / "state"))
    second, optimizer = make_variables(seed=2), build_optimizer(0.01, 10, head_learning_rate=0.05)
    status = tf.train.Checkpoint(optimizer=optimizer, variables=second).restore(path)
    run(optimizer, second, range(3, 6))
    status.assert_existing_objects_matched()
    assert int(optimizer.iterations) == 6
    for variable, other in zip(whole, second, strict=True):
        np.testing.assert_array_equal(variable, other)


def train(jit_compile: bool = False) -> list[np.ndarray]:
    """Two updates of a model with an embedding and a head.

    The loss sums over the whole batch, so replicas add up.
    """
    ids = np.array([[1, 1, 2], [3, 1, 0], [2, 2, 2], [5, 6, 1]], np.int32)
    keras.utils.set_random_seed(3)
    ids_input = keras.Input((3,), dtype=tf.int32)
    hidden = keras.layers.LayerNormalization()(keras.layers.Embedding(9, 4)(ids_input))
    model = keras.Model(ids_input, keras.layers.Dense(2, name="head", dtype="float32")(hidden))
    loss = keras.losses.MeanSquaredError(reduction="sum")
    model.compile(
        build_optimizer(0.05, 10, weight_decay=0.5, head_learning_rate=0.2, clip_norm=0.1),
        loss,
        jit_compile=jit_compile,
    )
    model.fit(
        tf.data.Dataset.from_tensors((ids, np.ones((4, 3, 2), np.float32))).repeat(2), verbose=0
    )
    return model.get_weights()


def test_two_replicas_update_as_one_device_does():
    alone = train()
    with two_replicas().scope():
        mirrored = train()
    for value, other in zip(alone, mirrored, strict=True):
        np.testing.assert_allclose(value, other, rtol=1e-4, atol=1e-6)


def test_compiled_by_xla_updates_the_same():
    for value, other in zip(train(), train(jit_compile=True), strict=True):
        np.testing.assert_allclose(value, other, rtol=1e-4, atol=1e-6)


def test_updates_float32_variables_under_mixed_precision():
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        weights = train()
    finally:
        keras.mixed_precision.set_global_policy("float32")
    for value, other in zip(weights, train(), strict=True):
        assert value.dtype == np.float32
        np.testing.assert_allclose(value, other, atol=0.05)


def test_works_inside_keras_loss_scaling():
    mine, theirs = make_variables(), make_variables()
    optimizer = keras.mixed_precision.LossScaleOptimizer(
        FusedAdamW(0.01, global_clipnorm=1.0), dynamic=False, initial_scale=8
    )
    gradients = draw_gradients(1)
    optimizer.apply_gradients(
        zip(
            [slices(8 * gradients[0], 1), *(8 * gradient for gradient in gradients[1:])],
            mine,
            strict=True,
        )
    )
    FusedAdamW(0.01, global_clipnorm=1.0).apply_gradients(zip(gradients, theirs, strict=True))
    for variable, other in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(variable, other, rtol=1e-5, atol=1e-6)


def test_a_head_that_is_not_there_is_an_error():
    optimizer = build_optimizer(0.01, 10, head_learning_rate=0.1, head_names=["tagger/output"])
    with pytest.raises(ConfigError, match="tagger/output"):
        optimizer.build(make_variables())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"schedule": "triangle"}, "linear, cosine, constant"),
        ({"warmup_steps": 11}, "warmup_steps"),
    ],
)
def test_refuses_impossible_settings(settings, message):
    with pytest.raises(ConfigError, match=message):
        build_optimizer(**{"learning_rate": 0.01, "total_steps": 10, **settings})
