"""The training loop from any position: what it learns, and what its callbacks hear of it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tfner.training.callbacks import BestWeights, MetricsLog, Throughput
from tfner.training.loop import OneTraining, fit_until_stopped
from tfner.training.state import termination
from tfner.training.state.resume_callback import ResumeCheckpoint, TrainingPosition

EPOCHS, STEPS, ROWS = 3, 4, 8


class Heard(keras.callbacks.Callback):
    """Note what is heard, and stop the training after a step, as Ctrl-C does."""

    def __init__(self, stop_after: tuple[int, int] | None = None):
        super().__init__()
        self.events = []
        self.stop_after = stop_after

    def on_train_begin(self, logs=None):
        self.events.append("begin")

    def on_train_end(self, logs=None):
        self.events.append("end")

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
        self.events.append(("epoch", epoch, self.params["steps"], self.params["epochs"]))

    def on_train_batch_end(self, batch, logs=None):
        self.events.append((self.epoch, batch))
        if (self.epoch, batch) == self.stop_after:
            raise KeyboardInterrupt


class Shrink(keras.callbacks.Callback):
    """End the training early after an epoch."""

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = epoch == 1


class AskAtStep(keras.callbacks.Callback):
    """Note at a step what Ctrl-C would say."""

    said = ()

    def on_train_batch_end(self, batch, logs=None):
        if batch == 1:
            asked = termination.announced[-1]
            self.said = (*self.said, asked.first(), asked.second())


def dataset_from(position: TrainingPosition) -> tf.data.Dataset:
    """Batches that differ from each other, each the same whenever it is asked for."""

    def stream():
        for number in range(position.epoch * STEPS + position.step, EPOCHS * STEPS):
            x = np.random.default_rng(number).normal(size=(ROWS, 3)).astype(np.float32)
            yield x, x.sum(1, keepdims=True)

    shapes = tf.TensorSpec((ROWS, 3)), tf.TensorSpec((ROWS, 1))
    return tf.data.Dataset.from_generator(stream, output_signature=shapes)


def carry_out(folder, *more, stop_after=None):
    """One process of a training; -> (what was heard, the weights, whether it was interrupted)."""
    keras.backend.experimental.enable_tf_random_generator()
    keras.utils.set_random_seed(7)
    layers = [keras.layers.Dense(5, input_shape=(3,)), keras.layers.Dropout(0.5)]
    model = keras.Sequential([*layers, keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.1), "mse", metrics=["mae"])
    # A TokenClassifier has its metrics ready for a state to be restored, others once they ran.
    model.evaluate(dataset_from(TrainingPosition()), steps=1, verbose=0)
    heard = Heard(stop_after)
    best, throughput = BestWeights(folder / "best", monitor=None), Throughput(STEPS * ROWS)
    resume = ResumeCheckpoint(folder / "last", best, throughput)
    for callback in (best, resume):
        callback.set_model(model)
    resume.restore()
    ordered = [throughput, heard, *more, best, MetricsLog(folder / "metrics.jsonl"), resume]
    together = OneTraining(ordered, model=model, epochs=EPOCHS, steps=STEPS, verbose=0)
    interrupted = fit_until_stopped(dataset_from, together, resume, None)
    return heard.events, model.get_weights(), interrupted


def learned(folder) -> list[tuple[float, float]]:
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [(line["loss"], line["mae"]) for line in lines]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    events, weights, interrupted = carry_out(folder)
    assert not interrupted
    return events, weights, learned(folder)


@pytest.mark.parametrize("stop_after", [(0, 0), (1, 1), (1, 3), (2, 2), (2, 3)])
def test_a_training_that_was_stopped_anywhere_goes_on_as_if_it_had_not_been(
    whole, tmp_path, stop_after
):
    first, _, interrupted = carry_out(tmp_path, stop_after=stop_after)
    second, weights, goes_on = carry_out(tmp_path)
    assert (interrupted, goes_on) == (True, False)
    for mine, theirs in zip(weights, whole[1], strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert learned(tmp_path) == whole[2]
    stopped_at = whole[0].index(stop_after)
    assert first == [*whole[0][: stopped_at + 1], "end"]
    again = ("epoch", stop_after[0], STEPS, EPOCHS)
    assert second == ["begin", again, *whole[0][stopped_at + 1 :]]


def test_ctrl_c_says_from_which_checkpoint_the_training_would_go_on(tmp_path):
    ask = AskAtStep()
    carry_out(tmp_path, ask, stop_after=(1, 2))
    last = tmp_path / "last"
    doing, goes_on = (
        f"finishing the step, then saving {last}",
        "the same command goes on from there",
    )
    nothing = f"ended at once; {last}: nothing is saved yet; {goes_on}"
    epoch = f"ended at once; {last}: saved at the end of epoch 1; {goes_on}"
    assert ask.said == (doing, nothing, doing, epoch)


def test_an_end_before_the_last_epoch_is_remembered(tmp_path):
    first, weights, _ = carry_out(tmp_path, Shrink())
    second, again, _ = carry_out(tmp_path, Shrink())
    assert first[-2:] == [(1, 3), "end"]
    assert second == ["begin", "end"]
    for mine, theirs in zip(weights, again, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_an_end_after_the_rest_of_an_epoch_is_heeded(tmp_path):
    carry_out(tmp_path, Shrink(), stop_after=(1, 1))
    events, _, _ = carry_out(tmp_path, Shrink())
    assert events == ["begin", ("epoch", 1, STEPS, EPOCHS), (1, 2), (1, 3), "end"]
