"""How long a training is: the rule, and a run whose epochs hold several passes over the data."""

from __future__ import annotations

import io
import json
import logging

import numpy as np
import pytest
import tensorflow as tf
import tiny
import yaml
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tfner.config import load_settings
from tfner.setting_groups import TrainingSettings
from tfner.training import loop
from tfner.training.run import train
from tfner.training.schedule import MOST_EPOCHS, Schedule, choose_schedule, log_schedule


@given(st.integers(1, 5000), st.integers(1, 2000))
def test_the_rule_gives_enough_updates_in_few_epochs_and_not_many_more(steps, wanted):
    schedule = choose_schedule(TrainingSettings(min_updates=wanted), steps)
    assert schedule.updates >= wanted
    assert schedule.all_passes >= 3
    assert schedule.epochs <= MOST_EPOCHS
    fewest = max(3, -(-wanted // steps))
    assert schedule.all_passes < fewest + schedule.passes
    assert schedule.all_passes <= 1.5 * fewest + 1


@given(st.integers(1, 5), st.integers(1, 7), st.integers(1, 9))
def test_every_step_of_every_pass_has_one_position(epochs, passes, steps):
    schedule = Schedule(epochs, passes, steps)
    found = [
        schedule.position_in_data(epoch, step)
        for epoch in range(epochs)
        for step in range(schedule.steps_per_epoch)
    ]
    assert found == [(number, step) for number in range(epochs * passes) for step in range(steps)]
    assert len(found) == schedule.updates


def test_epochs_that_are_set_are_kept_whatever_they_are():
    assert choose_schedule(TrainingSettings(epochs=2), 4) == Schedule(2, 1, 4)


def test_too_few_updates_are_said_before_they_are_made(caplog):
    caplog.set_level(logging.INFO)
    log_schedule(TrainingSettings(epochs=3), Schedule(3, 1, 4))
    assert (
        "12 updates in all are few: set training.epochs to auto, or to at least 25" in caplog.text
    )
    caplog.clear()
    log_schedule(TrainingSettings(), Schedule(11, 7, 4))
    assert caplog.messages == ["11 epochs of 7 passes over the data each, 308 updates in all"]


@pytest.fixture
def settings_for(tmp_path):
    sentence = "anna B-PER\nmet O\nboris B-PER\nin O\noslo B-LOC\n"
    (tmp_path / "train.conll").write_text("\n".join([sentence] * 8))
    encoder = tiny.write_one_layer(tmp_path / "encoder")

    def make(name: str):
        values = {
            "name": name,
            "devices": "cpu",
            "data": {"train": str(tmp_path / "train.conll")},
            "encoder": {"checkpoint": str(encoder), "max_length": 16, "overlap": 4},
            "model": {"head": "softmax"},
            "training": {"min_updates": 30, "batch_size": 8},
            "export": {"enabled": False},
            "runs_dir": str(tmp_path / "runs"),
        }
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(values))
        return load_settings(tmp_path / f"{name}.yaml")

    return make


def weights_of(folder) -> list[np.ndarray]:
    reader = tf.train.load_checkpoint(str(max((folder / "best").glob("best-*")) / "weights"))
    names = sorted(name for name in reader.get_variable_to_shape_map() if "model/" in name)
    return [reader.get_tensor(name) for name in names]


@pytest.mark.long
def test_a_run_stopped_in_a_pass_goes_on_to_the_same_weights(settings_for, monkeypatch):
    whole = train(settings_for("whole"), Console(file=io.StringIO()))
    lines = whole.folder.metrics.read_text().splitlines()
    # one batch a pass: 30 updates are 10 epochs of 3 passes
    assert len(lines) == 10
    finish = loop.OneTraining.on_train_batch_end

    def interrupt(self, batch, logs=None):
        finish(self, batch, logs)
        if self.model.optimizer.iterations.numpy() == 8:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop.OneTraining, "on_train_batch_end", interrupt)
        stopped = train(settings_for("stopped"), Console(file=io.StringIO()))
    assert stopped.state == "interrupted"
    resumed = train(settings_for("stopped"), Console(file=io.StringIO()))
    assert resumed.state == "finished"
    assert len(resumed.folder.metrics.read_text().splitlines()) == 10
    found = (weights_of(outcome.folder.path / "checkpoints") for outcome in (whole, resumed))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-6)
    assert json.loads(lines[-1])["epoch"] == 10
