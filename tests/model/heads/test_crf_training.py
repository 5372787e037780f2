"""A CRF under `fit`: one update however a batch is split up, and shapes that are left open."""

from __future__ import annotations

import contextlib
import functools

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
import tiny
from numpy.testing import assert_allclose
from replicas import two_replicas
from split_batches import BATCHES, WAYS, data_of

from tfner.model.heads.crf import CrfHead

TAGS = len(tiny.LABELS)
SHARES_WITHOUT_LABELS = ("one row", "labels in the last row alone", "no label")


@functools.cache
def trainer(way: str):
    """Compile a model for one way; give it with its weights before any update."""
    replicas = two_replicas().scope() if way.startswith("replicas") else contextlib.nullcontext()
    with replicas:
        model = tiny.classifier(head="crf", gradient_accumulation=WAYS[way])
        transitions = np.random.default_rng(5).normal(size=(TAGS, TAGS))
        model.head.transitions.assign(transitions)
        model.compile(keras.optimizers.SGD(1.0))
    return model, model.get_weights()


def direct_gradients(batch) -> tuple[float, list[np.ndarray]]:
    """Compute loss and gradients of the mean cost of a unit, for the batch as a whole."""
    model, before = trainer("whole")
    model.set_weights(before)
    x, y, mask = batch
    with tf.GradientTape() as tape:
        total, weight = model.head.loss_sums(y, model(x, training=True), tf.constant(mask))
        loss = tf.math.divide_no_nan(total, weight)
    gradients = tape.gradient(loss, model.trainable_variables)
    return float(loss), [tf.convert_to_tensor(gradient).numpy() for gradient in gradients]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in SHARES_WITHOUT_LABELS else pytest.mark.long)
        for name in BATCHES
    ],
)
def test_a_batch_gives_one_update_however_it_is_split(way, name):
    loss, gradients = direct_gradients(BATCHES[name])
    model, before = trainer(way)
    model.set_weights(before)
    trainable = model.trainable_variables
    start = [variable.numpy() for variable in trainable]
    found = model.fit(data_of(BATCHES[name]), verbose=0).history["loss"][0]
    assert found == pytest.approx(loss, rel=1e-5)
    for gradient, variable, value in zip(gradients, trainable, start, strict=True):
        step = value - variable.numpy()
        assert_allclose(step, gradient, rtol=1e-4, atol=1e-5, err_msg=variable.name)
    largest = max(np.abs(gradient).max() for gradient in gradients)
    assert largest == 0 if name == "no label" else largest > 0.01


@pytest.mark.parametrize("shape", [(2, 6), (0, 6), (2, 0), (0, 0)])
def test_what_has_no_unit_costs_nothing_whatever_its_shape(shape):
    head = CrfHead(tiny.LABELS)
    head.build(tf.TensorShape([None, None, 4]))
    open_shapes = [
        tf.TensorSpec([None, None], tf.int32),
        tf.TensorSpec([None, None, TAGS]),
        tf.TensorSpec([None, None]),
    ]

    @tf.function(input_signature=open_shapes)
    def step(y_BT, logits_BTK, mask_BT):
        with tf.GradientTape() as tape:
            tape.watch(logits_BTK)
            total, weight = head.loss_sums(y_BT, logits_BTK, mask_BT)
        return total, weight, *tape.gradient(total, [logits_BTK, head.transitions])

    y, logits, mask = np.zeros(shape, np.int32), np.ones((*shape, TAGS)), np.zeros(shape)
    found = step(tf.constant(y), tf.constant(logits, tf.float32), tf.constant(mask, tf.float32))
    for value in found:
        assert not value.numpy().any()
    assert found[2].shape == (*shape, TAGS)
