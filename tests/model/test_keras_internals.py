"""What this project expects of private members of tf_keras.

A release that changes one fails here, by its name.
"""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tfner.model.keras_internals import (
    AdamWSteps,
    SeedSource,
    leave_logs_on_device,
    random_generators,
)


class Recording(AdamWSteps):
    """Note which steps an update takes."""

    def __init__(self, **options):
        super().__init__(1.0, weight_decay=0.5, jit_compile=False, **options)
        self.exclude_from_weight_decay(var_names=["bias"])
        self.record = Record()

    def clip(self, gradients):
        self.record.steps.append("clip")
        return super().clip(gradients)

    def to_dense(self, gradients):
        self.record.steps.append("to_dense")
        return super().to_dense(gradients)

    def begin_update(self):
        self.record.steps.append("begin_update")

    def update_step(self, gradient, variable):
        self.record.steps.append(variable.name)
        variable.assign_sub(gradient)


class Record:
    def __init__(self):
        self.steps: list[str] = []


@pytest.fixture
def variables():
    return [tf.Variable([1.0, 2.0], name="kernel"), tf.Variable([4.0], name="bias")]


def test_an_update_takes_its_steps_in_this_order_and_decays_nothing_itself(variables):
    optimizer = Recording()
    gradients = [tf.constant([0.25, 0.5]), tf.constant([1.0])]
    optimizer.apply_gradients(zip(gradients, variables, strict=True))
    assert optimizer.record.steps == ["clip", "to_dense", "begin_update", "kernel:0", "bias:0"]
    assert [variable.numpy().tolist() for variable in variables] == [[0.75, 1.5], [3.0]]


def test_each_variable_has_its_place_two_moments_and_a_say_in_decay(variables):
    optimizer = Recording()
    assert not optimizer.is_built()
    optimizer.build(variables)
    assert optimizer.is_built()
    assert [optimizer.index_of(variable) for variable in variables] == [0, 1]
    assert [optimizer.decays(variable) for variable in variables] == [True, False]
    for variable in variables:
        first, second = optimizer.moments(variable)
        assert first.shape == second.shape == variable.shape
        assert first is not second


def test_the_moments_are_saved_and_restored_with_the_optimizer(variables, tmp_path):
    optimizer = Recording()
    optimizer.build(variables)
    first, _ = optimizer.moments(variables[0])
    first.assign([5.0, 6.0])
    path = tf.train.Checkpoint(optimizer=optimizer).save(tmp_path / "state")
    other = Recording()
    other.build(variables)
    tf.train.Checkpoint(optimizer=other).restore(path).assert_existing_objects_matched()
    restored, _ = other.moments(variables[0])
    assert restored.numpy().tolist() == [5.0, 6.0]


class WithSeeds(keras.Model):
    def __init__(self):
        super().__init__()
        self.seeds = SeedSource(name="seeds")
        self.dropout = keras.layers.Dropout(0.5)

    def call(self, x):
        return self.dropout(x, training=True)


def test_seeds_come_from_a_state_that_can_be_saved_beside_that_of_dropout(tmp_path):
    keras.backend.experimental.enable_tf_random_generator()
    model = WithSeeds()
    model(tf.ones([2]))
    generators = random_generators(model)
    assert len(generators) == 2
    path = tf.train.Checkpoint(random=generators).save(tmp_path / "state")
    seeds, dropped = model.seeds.draw(3).numpy(), model(tf.ones([50])).numpy()
    assert seeds.shape == (3, 2)
    assert len(np.unique(seeds)) == 6
    tf.train.Checkpoint(random=generators).restore(path).assert_consumed()
    np.testing.assert_array_equal(model.seeds.draw(3), seeds)
    np.testing.assert_array_equal(model(tf.ones([50])), dropped)


class Watcher(keras.callbacks.Callback):
    """Keep what the last step's logs hold."""

    def on_train_batch_end(self, batch, logs=None):
        self.loss = logs["loss"]


def test_logs_stay_on_the_device_for_callbacks_that_ask_for_it():
    model = keras.Sequential([keras.layers.Dense(1, input_shape=(1,))])
    model.compile("sgd", "mse")
    asks, takes = Watcher(), Watcher()
    leave_logs_on_device(takes)
    model.fit(np.ones((2, 1)), np.ones((2, 1)), callbacks=[takes], verbose=0)
    assert tf.is_tensor(takes.loss)
    model.fit(np.ones((2, 1)), np.ones((2, 1)), callbacks=[asks], verbose=0)
    assert isinstance(asks.loss, float)
