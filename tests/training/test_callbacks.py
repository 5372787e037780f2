"""The callbacks in anybody's fit: what they log, what they keep, and from where they go on."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
import tf_keras as keras
from rich.console import Console

from tfner.documents import Entity
from tfner.evaluation.scores import score_entities
from tfner.training.callbacks import (
    BestWeights,
    Elapsed,
    EntityReport,
    MetricsLog,
    ProgressBar,
    Throughput,
)
from tfner.training.state.resume_callback import ResumeCheckpoint, TrainingPosition


class Scripted(keras.callbacks.Callback):
    """Puts given values into the logs and gives the model recognizable weights."""

    def __init__(self, values):
        super().__init__()
        self.values = values

    def on_epoch_end(self, epoch, logs=None):
        logs["val_entity_f1"] = self.values[epoch]
        self.model.layers[0].kernel.assign([[float(epoch)]])


def small_model():
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.layers.Dense(1, use_bias=False, input_shape=(1,))])
    model.compile(keras.optimizers.Adam(0.1), "mse")
    return model


def train(model, epochs, callbacks, **options):
    x = np.arange(8, dtype=np.float32)[:, None]
    return model.fit(
        x,
        3 * x,
        batch_size=4,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
        shuffle=False,
        **options,
    )


def kernel(model):
    return float(model.layers[0].kernel.numpy()[0, 0])


@pytest.mark.parametrize(
    ("values", "mode", "kept"),
    [
        ([0.1, 0.5, 0.3], None, 1),
        ([0.5, 0.5, 0.4], None, 1),
        ([0.1, float("nan"), 0.2], None, 2),
        ([0.3, 0.1, 0.2], "min", 1),
    ],
)
def test_the_best_weights_are_restored_however_training_ends(tmp_path, values, mode, kept):
    model = small_model()
    train(model, 3, [Scripted(values), BestWeights(tmp_path / "best", mode=mode)])
    assert kernel(model) == kept


def test_without_a_metric_the_last_epoch_is_kept(tmp_path):
    model = small_model()
    train(model, 3, [Scripted([0.3, 0.2, 0.1]), BestWeights(tmp_path / "best", monitor=None)])
    assert kernel(model) == 2


def test_patience_stops_and_still_restores_the_best(tmp_path):
    model = small_model()
    history = train(
        model, 10, [Scripted([0.5, 0.9, *[0.1] * 8]), BestWeights(tmp_path / "best", patience=3)]
    )
    assert len(history.epoch) == 5
    assert kernel(model) == 1


def test_patience_waits_for_a_better_value_though_later_equals_are_kept(tmp_path):
    model = small_model()
    best = BestWeights(tmp_path / "best", patience=3)
    history = train(model, 10, [Scripted([0.5] * 10), best])
    assert len(history.epoch) == 4
    assert (kernel(model), best.best_epoch, best.improved_epoch) == (3, 3, 0)


def test_patience_and_seconds_go_on_after_a_resume(tmp_path):
    def callbacks():
        best = BestWeights(tmp_path / "best", patience=3)
        throughput = Throughput(8)
        resume = ResumeCheckpoint(tmp_path / "last", best, throughput)
        return best, throughput, resume

    best, throughput, resume = callbacks()
    train(small_model(), 2, [throughput, Scripted([0.5] * 9), best, resume])
    spent = throughput.elapsed()
    model, (best, throughput, resume) = small_model(), callbacks()
    resume.set_model(model)
    best.set_model(model)
    assert resume.restore() == TrainingPosition(2)
    assert 0 < throughput.elapsed().training == pytest.approx(spent.training, abs=1e-3)
    history = train(model, 9, [throughput, Scripted([0.5] * 9), best, resume], initial_epoch=2)
    assert history.epoch == [2, 3]
    assert throughput.elapsed().training > spent.training
    assert throughput.elapsed().fit > spent.fit


def test_a_state_of_an_earlier_version_has_neither_seconds_nor_the_epoch_that_improved(tmp_path):
    best, throughput = BestWeights(tmp_path / "best"), Throughput(8)
    model = small_model()
    resume = ResumeCheckpoint(tmp_path / "last")
    resume.set_model(model)
    values = {"epoch": 3, "step": 0, "ended": False, "data": "", "best": 0.5, "best_epoch": 1}
    train(model, 1, [])
    resume.checkpoints.write("state-000003-00000000", resume._checkpoint(), **values)
    resume = ResumeCheckpoint(tmp_path / "last", best, throughput)
    resume.set_model(model)
    assert resume.restore() == TrainingPosition(3)
    assert (best.best_epoch, best.improved_epoch, throughput.elapsed()) == (1, 1, Elapsed())


def test_a_metric_that_nobody_logs_is_named(tmp_path):
    with pytest.raises(
        KeyError, match="monitor 'val_f2' is not logged; logged are loss, val_entity_f1"
    ):
        train(small_model(), 1, [Scripted([0.1]), BestWeights(tmp_path / "best", monitor="val_f2")])


def test_training_goes_on_from_the_last_epoch_as_if_it_had_not_stopped(tmp_path):
    whole = small_model()
    train(whole, 4, [])
    broken = small_model()
    train(broken, 2, [ResumeCheckpoint(tmp_path)])
    resumed = small_model()
    best = BestWeights(tmp_path / "best", monitor="loss")
    last = ResumeCheckpoint(tmp_path, best)
    last.set_model(resumed)
    assert last.restore() == TrainingPosition(2)
    train(resumed, 4, [best, last], initial_epoch=2)
    assert kernel(resumed) == kernel(whole)
    assert last.checkpoints.names() == ["state-000003-00000000", "state-000004-00000000"]


def test_without_a_state_training_begins_at_the_beginning(tmp_path):
    last = ResumeCheckpoint(tmp_path)
    last.set_model(small_model())
    assert last.restore() == TrainingPosition()


def test_entity_scores_stand_in_the_logs_for_the_callbacks_behind():
    gold, found = [Entity(0, 1, "A"), Entity(2, 3, "B")], [Entity(0, 1, "A")]
    shown = []
    history = train(
        small_model(), 1, [EntityReport(lambda: score_entities([(gold, found)]), shown.append)]
    )
    assert history.history["val_entity_precision"] == [1.0]
    assert history.history["val_entity_recall"] == [0.5]
    assert history.history["val_entity_f1"] == [pytest.approx(2 / 3)]
    assert shown[0].types["B"].recall == 0.0


def test_metrics_are_one_line_an_epoch_and_a_repeated_epoch_replaces_its_line(tmp_path):
    path = tmp_path / "metrics.jsonl"
    train(small_model(), 3, [Throughput(8), MetricsLog(path)])
    train(small_model(), 3, [Throughput(8), MetricsLog(path)], initial_epoch=1)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert all(
        line["learning_rate"] == pytest.approx(0.1) and line["windows_per_second"] > 0
        for line in lines
    )


def test_piped_progress_is_plain_lines():
    stream = io.StringIO()
    train(small_model(), 2, [Scripted([0.25, 0.5]), ProgressBar(Console(file=stream))])
    lines = stream.getvalue().splitlines()
    assert lines[0].startswith("epoch 1/2  step 1/2")
    assert "s left" in lines[0]
    assert lines[-1].endswith("dev F1 0.5000")
    assert "\x1b" not in stream.getvalue()


def test_progress_on_a_terminal_is_a_bar():
    stream = io.StringIO()
    train(small_model(), 1, [ProgressBar(Console(file=stream, force_terminal=True))])
    assert "━" in stream.getvalue()


def test_a_quiet_console_gets_nothing_on_a_terminal_either():
    stream = io.StringIO()
    train(small_model(), 1, [ProgressBar(Console(file=stream, force_terminal=True, quiet=True))])
    assert stream.getvalue() == ""


def test_the_learning_rate_of_a_schedule_is_logged(tmp_path):
    model = small_model()
    model.optimizer.learning_rate = keras.optimizers.schedules.PolynomialDecay(1.0, 4, 0.0)
    history = train(model, 1, [Throughput(8)])
    assert history.history["learning_rate"] == [
        pytest.approx(0.75)
    ]  # of the second and last update, number 1
