"""A graph that was trained is freed, although TensorFlow registers its gradients for good."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import tensorflow as tf
import tf_keras as keras
import tiny
from split_batches import BATCHES, data_of

from tfner.model.traced_gradients import custom_gradients, traced_gradients_forgotten


def cube_and_gradient() -> tuple[float, weakref.ref]:
    """Compute a gradient written out, ten times the right one; give the graph it was traced in."""

    @tf.custom_gradient
    def cube(x):
        return x**3, lambda upstream: upstream * 30 * x**2

    @tf.function
    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = cube(x)
        return tape.gradient(y, x)

    traced = step.get_concrete_function(tf.TensorSpec([]))
    return float(traced(tf.constant(2.0))), weakref.ref(traced.graph)


def test_a_graph_is_freed_and_its_gradient_was_the_one_written_out():
    names = set(custom_gradients())
    with traced_gradients_forgotten():
        gradient, graph = cube_and_gradient()
        assert set(custom_gradients()) > names
    gc.collect()
    assert (gradient, graph()) == (120.0, None)
    assert set(custom_gradients()) == names


def test_without_it_the_graph_would_stay():
    names = set(custom_gradients())
    _, graph = cube_and_gradient()
    gc.collect()
    assert graph() is not None
    for name in set(custom_gradients()) - names:
        del custom_gradients()[name]


def test_a_model_goes_on_learning_where_it_was_forgotten_in_between():
    model = tiny.classifier(head="crf", implementation="fused")
    model.compile(keras.optimizers.SGD(0.01))
    losses = []
    for _ in range(3):
        with traced_gradients_forgotten():
            losses += model.fit(data_of(BATCHES["uneven labels"]), verbose=0).history["loss"]
    assert np.all(np.diff(losses) < 0)
