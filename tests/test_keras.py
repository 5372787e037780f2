"""Loss, metrics and callbacks in models of both Kerases: the same numbers, and no mixing."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from replicas import two_replicas
from rich.console import Console
from subprocesses import environment

from tfner.documents import Entity
from tfner.evaluation.scores import score_entities

KERASES = {"keras": keras, "tf_keras": tf_keras}
OTHER = {"keras": "tf_keras", "tf_keras": "keras"}
TAGS = ["O", "B-A", "I-A"]


@pytest.fixture(params=["keras", "tf_keras"])
def package(request) -> str:
    """The name of a Keras."""
    return request.param


def parts_for(package: str):
    """The module of ours for a Keras."""
    return importlib.import_module(f"tfner.{package}")


def batch(rows: int = 15):
    """Ids, tags and mask of 15 rows; the labels of the last six stand in one row alone."""
    random = np.random.default_rng(1)
    x = random.integers(0, 20, (rows, 6)).astype(np.int32)
    mask = (random.random((rows, 6)) < 0.5).astype(np.float32)
    mask[9:-1] = 0
    return x, np.where(mask > 0, x % 3, -100), mask


def small_model(package: str, jit_compile: bool = False, mask_zero: bool = False):
    """An embedding and a tag layer with the same weights in each Keras, compiled with our parts."""
    api, ours = KERASES[package], parts_for(package)
    layers = [api.layers.Embedding(20, 8, mask_zero=mask_zero), api.layers.Dense(3)]
    model = api.Sequential([api.layers.Input((6,), dtype="int32"), *layers])
    model.compile(
        api.optimizers.SGD(0.5),
        ours.MaskedSparseCategoricalCrossentropy(0.1, [1.0, 2.0, 3.0]),
        weighted_metrics=[
            ours.MaskedAccuracy(),
            ours.EntityPrecision(TAGS),
            ours.EntityRecall(TAGS),
            ours.EntityF1(TAGS),
            ours.EntityPrecisionRecallF1(TAGS, "macro", name="mean"),
        ],
        jit_compile=jit_compile,
    )
    random = np.random.default_rng(2)
    model.set_weights([random.normal(size=weight.shape) for weight in model.get_weights()])
    return model


def numbers(package: str, strategy=None, **options) -> dict[str, list[float]]:
    """What evaluate and two epochs of fit log over batches of 8 and 7 rows, and the weights."""
    with strategy.scope() if strategy else contextlib.nullcontext():
        model = small_model(package, **options)
    data = tf.data.Dataset.from_tensor_slices(batch()).batch(8)
    logged = model.evaluate(data, return_dict=True, verbose=0)
    history = model.fit(data, epochs=2, verbose=0, shuffle=False).history
    weights = {f"weight {i}": weight.ravel() for i, weight in enumerate(model.get_weights())}
    return {
        **{f"evaluated {name}": [value] for name, value in logged.items()},
        **history,
        **weights,
    }


@pytest.fixture(scope="module")
def wanted() -> dict[str, list[float]]:
    """The numbers of Keras 2 on one device, which other tests compare with slow definitions."""
    return numbers("tf_keras")


def assert_same(got: dict[str, list[float]], wanted: dict[str, list[float]]) -> None:
    assert set(got) == set(wanted)
    for name, values in wanted.items():
        np.testing.assert_allclose(got[name], values, rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_keras_3_gives_the_numbers_of_keras_2(wanted, jit_compile):
    assert 0 < wanted["entity_f1"][-1] < 1
    assert_same(numbers("keras", jit_compile=jit_compile), wanted)


def test_on_two_replicas_numbers_are_those_of_one_device(package, wanted):
    """The second batch has seven rows, of which one replica gets four and nearly no label."""
    assert_same(numbers(package, two_replicas()), wanted)


def test_gradients_on_two_replicas_of_keras_3_are_exact():
    x, y, mask = batch(16)
    with two_replicas().scope():
        model = small_model("keras")
    before = [np.array(weight) for weight in model.get_weights()]
    alone = small_model("keras")
    with tf.GradientTape() as tape:
        loss = alone.loss(y, alone(x), mask)
    gradients = tape.gradient(loss, [variable.value for variable in alone.trainable_variables])
    data = tf.data.Dataset.from_tensors((x, y, mask))
    history = model.fit(data, verbose=0, shuffle=False).history
    assert history["loss"][0] == pytest.approx(float(loss), rel=1e-6)
    for old, new, gradient in zip(before, model.get_weights(), gradients, strict=True):
        np.testing.assert_allclose(old - new, 0.5 * tf.convert_to_tensor(gradient), atol=1e-6)


def test_what_layers_mask_counts_in_neither_keras(package):
    x, y, _ = batch()
    y = np.where(y < 0, 0, y)
    model = small_model(package, mask_zero=True)
    both = model.evaluate(x, y, sample_weight=(x % 4 > 0).astype(float), verbose=0)
    of_layers = model.evaluate(x, y, verbose=0)
    model = small_model(package)
    seen = ((x > 0) & (x % 4 > 0)).astype(float)
    assert both == pytest.approx(model.evaluate(x, y, sample_weight=seen, verbose=0))
    seen = (x > 0).astype(float)
    assert of_layers == pytest.approx(model.evaluate(x, y, sample_weight=seen, verbose=0))
    assert (x == 0).any()


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras 3
def test_is_saved_with_a_model(package, tmp_path):
    x, y, mask = batch()
    model = small_model(package)
    want = model.evaluate(x, y, sample_weight=mask, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = KERASES[package].models.load_model(tmp_path / "model.keras")
    assert type(loaded.loss) is parts_for(package).MaskedSparseCategoricalCrossentropy
    assert loaded.evaluate(x, y, sample_weight=mask, verbose=0) == pytest.approx(want, rel=1e-6)


@pytest.mark.parametrize("kind", ["loss", "metrics", "weighted_metrics"])
def test_a_part_made_for_the_other_keras_is_refused_with_what_to_import(package, kind):
    api, other = KERASES[package], parts_for(OTHER[package])
    x, y, mask = batch()
    name = "MaskedSparseCategoricalCrossentropy" if kind == "loss" else "MaskedAccuracy"
    part = getattr(other, name)()
    model = api.Sequential([api.layers.Embedding(20, 8), api.layers.Dense(3)])
    right = parts_for(package).MaskedSparseCategoricalCrossentropy()
    arguments = {"loss": right, kind: part if kind == "loss" else [part]}
    expected = f"expected a model of {OTHER[package]}, got one of {package}"

    def train():
        model.compile("sgd", **arguments)
        model.fit(x, y, sample_weight=mask, verbose=0)

    with pytest.raises(TypeError, match=f"{expected}: use `from tfner.{package} import {name}`"):
        train()


def test_a_direct_call_may_come_from_anywhere(package):
    x, y, mask = batch()
    logits = tf.convert_to_tensor(small_model(OTHER[package])(x))
    ours, other = parts_for(package), parts_for(OTHER[package])
    want = other.MaskedSparseCategoricalCrossentropy()(y, logits, mask)
    assert ours.MaskedSparseCategoricalCrossentropy()(y, logits, mask) == want
    assert ours.MaskedAccuracy()(y, logits, mask) == other.MaskedAccuracy()(y, logits, mask)


def output_of(code: str, legacy: str | None = None) -> str:
    """What a process of its own prints that runs the code."""
    variables = environment()
    variables.pop("TF_USE_LEGACY_KERAS", None)
    if legacy:
        variables["TF_USE_LEGACY_KERAS"] = legacy
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, env=variables, check=True, capture_output=True, text=True, timeout=120
    ).stdout


def test_another_backend_is_refused_with_what_to_set():
    code = """
import keras
keras.config.backend = lambda: "jax"
try:
    import tfner.keras
except ImportError as error:
    print(error)
"""
    said = output_of(code)
    assert (
        "expected Keras 3 on the backend tensorflow, got jax: set KERAS_BACKEND=tensorflow" in said
    )
    assert "import from tfner.tf_keras" in said


@pytest.mark.parametrize(("legacy", "found"), [(None, "keras.src"), ("1", "tf_keras.src")])
def test_what_tf_keras_is_stays_the_users_choice(legacy, found):
    code = "import tfner.keras, tensorflow as tf; print(tf.keras.layers.Dense.__module__)"
    said = output_of(code, legacy)
    assert said.startswith(found)


def test_both_modules_offer_the_same_names():
    ours, other = parts_for("keras"), parts_for("tf_keras")
    assert ours.__all__ == other.__all__


def test_callbacks_work_in_any_fit(package, tmp_path):
    ours, model = parts_for(package), small_model(package)
    found = iter([0, 1, 0])
    kernels, shown = [], io.StringIO()

    def score():
        kernels.append(model.layers[-1].kernel.numpy())
        gold, guess = [Entity(0, 1, "A")], [Entity(0, 1, "A")] * next(found)
        return score_entities([(gold, guess)])

    best = ours.BestWeights(tmp_path / "best")
    callbacks = [
        ours.StepMetrics(),
        ours.Throughput(windows=15),
        ours.EntityReport(score),
        best,
        ours.MetricsLog(tmp_path / "metrics.jsonl"),
        ours.ProgressBar(Console(file=shown)),
        ours.EventLines(),
        ours.Scalars(tmp_path / "tensorboard"),
    ]
    x, y, mask = batch()
    model.fit(x, y, sample_weight=mask, epochs=3, batch_size=5, callbacks=callbacks, verbose=0)
    assert best.best_epoch == 1
    np.testing.assert_array_equal(model.layers[-1].kernel.numpy(), kernels[1])
    assert (kernels[1] != kernels[2]).any()
    lines = list(map(json.loads, (tmp_path / "metrics.jsonl").read_text().splitlines()))
    assert [line["val_entity_f1"] for line in lines] == [0, 1, 0]
    assert lines[0]["learning_rate"] == 0.5
    assert lines[0]["windows_per_second"] > 0
    assert lines[0]["steps_per_second"] > 0
    assert len(list((tmp_path / "tensorboard").glob("*/events*"))) == 2
    assert "epoch 3/3  step 1/3" in shown.getvalue()
    assert "dev F1 1.0000" in shown.getvalue()
