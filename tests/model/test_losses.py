"""The masked loss against slow numpy and PyTorch's numbers; its split over replicas."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from hypothesis import given
from hypothesis import strategies as st
from replicas import on_replicas, two_replicas

from tfner.exceptions import ConfigError
from tfner.model.losses import (
    MaskedSparseCategoricalCrossentropy,
    cross_entropy,
    masked_cross_entropy_sum,
)

Loss = MaskedSparseCategoricalCrossentropy


def slow_loss(y_BT, logits_BTK, mask_BT, smoothing=0.0, class_weights=None) -> float:
    """The definition, position by position, in float64."""
    total = divisor = 0.0
    for y, logits, mask in zip(
        y_BT.flat,
        logits_BTK.reshape(-1, logits_BTK.shape[-1]).astype(np.float64),
        mask_BT.flat,
        strict=True,
    ):
        if mask <= 0:
            continue
        weights = np.ones(len(logits)) if class_weights is None else np.array(class_weights)
        nll = np.log(np.exp(logits - logits.max()).sum()) - (logits - logits.max())
        total += mask * (
            (1 - smoothing) * weights[y] * nll[y] + smoothing / len(logits) * (weights * nll).sum()
        )
        divisor += mask * weights[y]
    return total / divisor if divisor else 0.0


def draw_batch(seed: int, rows=4, length=5, tags=3, labelled=0.6):
    random = np.random.default_rng(seed)
    y_BT = random.integers(0, tags, (rows, length)).astype(np.int32)
    logits_BTK = random.normal(0, 3, (rows, length, tags)).astype(np.float32)
    return y_BT, logits_BTK, (random.random((rows, length)) < labelled).astype(np.float32)


def loss_and_gradient(loss: Loss, y_BT, logits, mask_BT):
    logits = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = loss(y_BT, logits, sample_weight=mask_BT)
    return value.numpy(), tape.gradient(value, logits).numpy()


@given(
    seed=st.integers(0, 10**6),
    shape=st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 5)),
    labelled=st.sampled_from([0.0, 0.3, 1.0]),
    smoothing=st.sampled_from([0.0, 0.1, 0.5]),
    weighted=st.booleans(),
    fractional=st.booleans(),
)
def test_equals_the_slow_definition(seed, shape, labelled, smoothing, weighted, fractional):
    y_BT, logits_BTK, mask_BT = draw_batch(seed, *shape, labelled)
    random = np.random.default_rng(seed)
    class_weights = random.uniform(0.1, 3, shape[-1]).tolist() if weighted else None
    if fractional:
        mask_BT *= random.uniform(0.1, 2, mask_BT.shape).astype(np.float32)
    value = Loss(smoothing, class_weights)(y_BT, tf.constant(logits_BTK), sample_weight=mask_BT)
    assert value.dtype == tf.float32
    np.testing.assert_allclose(
        value, slow_loss(y_BT, logits_BTK, mask_BT, smoothing, class_weights), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize(
    ("smoothing", "class_weights", "all_four", "without_class_1"),
    [
        (0.0, None, 1.1895376, 1.7951617),
        (0.1, None, 1.2437043, 1.7868284),
        (0.0, [0.5, 2.0, 1.5], 1.2466378, 2.5720868),
        (0.1, [0.5, 2.0, 1.5], 1.2713218, 2.5750663),
    ],
)
def test_gives_pytorchs_numbers(smoothing, class_weights, all_four, without_class_1):
    logits = tf.constant([[[2.0, -1.0, 0.5], [0.0, 1.0, -2.0], [0.3, 0.2, 0.1], [-1.0, 3.0, 0.0]]])
    y = tf.constant([[0, 2, 1, 1]])
    loss = Loss(smoothing, class_weights)
    assert float(loss(y, logits)) == pytest.approx(all_four, rel=1e-5)
    assert float(
        loss(y, logits, sample_weight=tf.constant([[1.0, 1.0, 0.0, 0.0]]))
    ) == pytest.approx(without_class_1, rel=1e-5)


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf, 1e38])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_what_stands_at_a_masked_position_reaches_neither_loss_nor_gradient(poison, smoothing):
    y_BT, logits_BTK, mask_BT = draw_batch(1)
    clean = loss_and_gradient(Loss(smoothing), y_BT, logits_BTK, mask_BT)
    poisoned_BTK = np.where(mask_BT[..., None] > 0, logits_BTK, np.float32(poison))
    illegal_BT = np.where(mask_BT > 0, y_BT, -100)
    value, gradient = loss_and_gradient(Loss(smoothing), illegal_BT, poisoned_BTK, mask_BT)
    assert value == clean[0]
    np.testing.assert_array_equal(gradient, clean[1])
    assert not gradient[mask_BT == 0].any()


@pytest.mark.parametrize("nothing", [-1.0, np.nan])
def test_only_a_mask_above_0_marks_a_label(nothing):
    y_BT, logits_BTK, mask_BT = draw_batch(1)
    clean = loss_and_gradient(Loss(), y_BT, logits_BTK, mask_BT)
    value, gradient = loss_and_gradient(
        Loss(), y_BT, logits_BTK, np.where(mask_BT > 0, mask_BT, np.float32(nothing))
    )
    assert value == clean[0]
    np.testing.assert_array_equal(gradient, clean[1])


def test_a_nan_at_a_labelled_position_is_not_hidden():
    y_BT, logits_BTK, mask_BT = draw_batch(1)
    logits_BTK[mask_BT > 0] = np.nan
    assert np.isnan(Loss()(y_BT, tf.constant(logits_BTK), sample_weight=mask_BT))


def test_a_batch_without_labels_has_loss_and_gradient_0():
    y_BT, logits_BTK, mask_BT = draw_batch(2)
    value, gradient = loss_and_gradient(Loss(), y_BT, np.full_like(logits_BTK, np.nan), 0 * mask_BT)
    assert value == 0
    assert not gradient.any()


def test_a_batch_without_rows_has_loss_0():
    assert (
        float(
            Loss()(tf.zeros((0, 3), tf.int32), tf.zeros((0, 3, 2)), sample_weight=tf.zeros((0, 3)))
        )
        == 0
    )


def test_without_a_mask_everything_counts_and_a_row_mask_spreads():
    y_BT, logits_BTK, mask_BT = draw_batch(3)
    everything = Loss()(y_BT, tf.constant(logits_BTK))
    np.testing.assert_allclose(
        everything, slow_loss(y_BT, logits_BTK, np.ones_like(mask_BT)), rtol=1e-5
    )
    rows = Loss()(y_BT, tf.constant(logits_BTK), sample_weight=tf.constant([1.0, 0.0, 1.0, 0.0]))
    np.testing.assert_allclose(
        rows, slow_loss(y_BT[::2], logits_BTK[::2], np.ones_like(mask_BT[::2])), rtol=1e-5
    )


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.float64])
def test_computes_in_float32_whatever_the_logits_are(dtype):
    y_BT, logits_BTK, mask_BT = draw_batch(
        4, rows=64, length=50
    )  # 3,200 positions: bfloat16 cannot count beyond 256
    logits = tf.cast(logits_BTK, dtype)
    value = Loss()(y_BT, logits, sample_weight=tf.cast(mask_BT, dtype))
    assert value.dtype == tf.float32
    np.testing.assert_allclose(
        value, slow_loss(y_BT, tf.cast(logits, tf.float64).numpy(), mask_BT), rtol=1e-5
    )


def test_compiled_by_xla_gives_the_same_loss_and_gradient():
    y_BT, logits_BTK, mask_BT = draw_batch(5)
    loss = Loss(0.1, [0.5, 1.0, 2.0])
    logits_BTK[mask_BT == 0] = np.nan

    @tf.function(jit_compile=True)
    def compiled(y_BT, logits, mask_BT):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = loss(y_BT, logits, sample_weight=mask_BT)
        return value, tape.gradient(value, logits)

    expected = loss_and_gradient(loss, y_BT, logits_BTK, mask_BT)
    for got, want in zip(compiled(y_BT, logits_BTK, mask_BT), expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-7)


def test_micro_batches_added_up_and_divided_once_give_the_whole_batch():
    y_BT, logits_BTK, mask_BT = draw_batch(6, rows=8)
    mask_BT[2:4] = 0  # a micro-batch without labels
    want, gradient = loss_and_gradient(Loss(0.1), y_BT, logits_BTK, mask_BT)
    logits = tf.constant(logits_BTK)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        parts = [
            Loss(0.1).sums(y_BT[i : i + 2], logits[i : i + 2], mask_BT[i : i + 2])
            for i in range(0, 8, 2)
        ]
        total, weight = (tf.add_n(column) for column in zip(*parts, strict=True))
    assert float(total / weight) == pytest.approx(float(want), rel=1e-6)
    np.testing.assert_allclose(
        tape.gradient(total, logits) / weight, gradient, rtol=1e-5, atol=1e-7
    )
    assert float(weight) == mask_BT.sum()


def test_the_losses_of_single_positions_are_those_that_are_summed():
    y_BT, logits_BTK, mask_BT = draw_batch(7)
    total, _ = masked_cross_entropy_sum(y_BT, logits_BTK, mask_BT, label_smoothing=0.2)
    single_BT = cross_entropy(y_BT, logits_BTK, label_smoothing=0.2)
    np.testing.assert_allclose((single_BT * mask_BT).numpy().sum(), total, rtol=1e-5)
    np.testing.assert_array_equal(Loss(0.2).call(y_BT, logits_BTK), single_BT)


@pytest.mark.parametrize("class_weights", [None, [0.2, 1.0, 3.0]])
def test_two_replicas_add_up_to_one_device(class_weights):
    loss = Loss(0.1, class_weights)

    def replica_step(y_BT, logits, mask_BT):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = loss(y_BT, logits, sample_weight=mask_BT)
        return value, tape.gradient(value, logits)

    run = on_replicas(two_replicas(), replica_step)
    for unlabelled in (
        [],
        [0, 1, 2],
        [4, 5, 6, 7],
        range(8),
    ):  # uneven, few on one, none on one, none at all
        batch = draw_batch(8, rows=8)
        batch[2][list(unlabelled)] = 0
        (one, one_gradient), (other, other_gradient) = run(
            [[array[:4] for array in batch], [array[4:] for array in batch]]
        )
        want, want_gradient = loss_and_gradient(loss, *batch)
        np.testing.assert_allclose(one + other, want, rtol=1e-6)
        np.testing.assert_allclose(
            np.concatenate([one_gradient, other_gradient]), want_gradient, rtol=1e-5, atol=1e-7
        )


def test_the_loss_of_a_replica_is_an_even_share_whatever_its_rows():
    """`fit` averages what replicas report by their rows, which may be many where labels are few."""
    batch = draw_batch(8, rows=7)
    batch[2][1:4] = 0
    loss = Loss(0.1)
    run = on_replicas(two_replicas(), lambda *batch: (loss(*batch),))
    (one,), (other,) = run([[array[:4] for array in batch], [array[4:] for array in batch]])
    want = loss(*batch)
    np.testing.assert_allclose([2 * one, 2 * other], [want, want], rtol=1e-6)


def small_model() -> keras.Model:
    keras.utils.set_random_seed(1)
    ids = keras.Input((None,), dtype=tf.int32)
    hidden = keras.layers.Embedding(20, 8)(ids)
    return keras.Model(ids, keras.layers.Dense(3, name="head")(hidden))


def fit_batch(seed: int, rows: int):
    random = np.random.default_rng(seed)
    ids_BT = random.integers(0, 20, (rows, 6)).astype(np.int32)
    return ids_BT, ids_BT % 3, (random.random((rows, 6)) < 0.5).astype(np.float32)


def fit_one_step(batch) -> tuple[float, list[np.ndarray]]:
    model = small_model()
    model.compile(keras.optimizers.SGD(0.5), Loss())
    x, y, mask = batch
    history = model.fit(tf.data.Dataset.from_tensors((x, y, mask)), verbose=0)
    return history.history["loss"][0], model.get_weights()


def test_fit_on_two_replicas_equals_fit_on_one_device():
    batch = fit_batch(9, 8)
    batch[2][4:] = 0  # the second replica has no label at all
    loss, weights = fit_one_step(batch)
    with two_replicas().scope():
        mirrored_loss, mirrored_weights = fit_one_step(batch)
    assert mirrored_loss == pytest.approx(loss, rel=1e-5)
    for got, want in zip(mirrored_weights, weights, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-7)


def test_fit_and_evaluate_in_a_plain_keras_model():
    x, y, mask = fit_batch(10, 16)
    y = np.where(mask > 0, y, 99)  # nothing is read where nothing is labelled
    model = small_model()
    model.compile(keras.optimizers.Adam(0.1), Loss())
    logits_BTK = model(x).numpy()
    assert model.evaluate(x, y, sample_weight=mask, verbose=0) == pytest.approx(
        slow_loss(y, logits_BTK, mask), rel=1e-5
    )
    losses = model.fit(x, y, sample_weight=mask, batch_size=16, epochs=30, verbose=0).history[
        "loss"
    ]
    assert losses[-1] < 0.1 * losses[0]


def test_fit_under_mixed_precision_and_xla():
    x, y, mask = fit_batch(11, 16)
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        model = small_model()
    finally:
        keras.mixed_precision.set_global_policy("float32")
    model.compile(keras.optimizers.Adam(0.1), Loss(), jit_compile=True)
    assert model(x).dtype == tf.bfloat16
    losses = model.fit(x, y, sample_weight=mask, batch_size=16, epochs=30, verbose=0).history[
        "loss"
    ]
    assert losses[-1] < 0.1 * losses[0]


def test_is_saved_with_a_model(tmp_path):
    model = small_model()
    model.compile("sgd", Loss(0.1, [1.0, 2.0, 3.0]))
    x, y, mask = fit_batch(12, 4)
    want = model.evaluate(x, y, sample_weight=mask, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.loss.get_config() == model.loss.get_config()
    assert loaded.evaluate(x, y, sample_weight=mask, verbose=0) == pytest.approx(want, rel=1e-6)


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_refuses_impossible_smoothing(smoothing):
    with pytest.raises(ConfigError, match=r"label_smoothing.*\[0, 1\)"):
        Loss(smoothing)
