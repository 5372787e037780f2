"""What a training is watched by: true, the same wherever it is shown, and no burden on the step."""

from __future__ import annotations

import itertools
import json
import logging
import threading
import time

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from replicas import two_replicas
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tfner.model.optimizer import FusedAdamW
from tfner.monitoring.input_monitor import InputMonitor, InputTotals
from tfner.monitoring.machine import resident_memory
from tfner.monitoring.step_metrics import MOST_STEPS, StepMetrics, describe_metrics, is_due
from tfner.monitoring.telemetry import EventLines, Scalars
from tfner.training.callbacks import MetricsLog

STEPS = 12
PIECES, POSITIONS = (3, 5, 8, 1), 32  # of a batch of four windows, padded to eight


def batches(make=lambda: None, member: str = "attention_mask"):
    """Batches without end; `make` is called before each."""
    mask = (np.arange(8) < np.array(PIECES)[:, None]).astype(np.int32)

    def stream():
        while True:
            make()
            yield {"input_ids": mask, member: 3 * mask}, mask, mask.astype(np.float32)

    spec, weight = tf.TensorSpec((None, 8), tf.int32), tf.TensorSpec((None, 8), tf.float32)
    return tf.data.Dataset.from_generator(
        stream, output_signature=({"input_ids": spec, member: spec}, spec, weight)
    ).prefetch(2)


def small_model(optimizer=None):
    keras.utils.set_random_seed(1)
    inputs = {
        name: keras.Input((8,), dtype=tf.int32, name=name)
        for name in ("input_ids", "attention_mask")
    }
    hidden = tf.cast(inputs["input_ids"][..., None], tf.float32)
    model = keras.Model(inputs, keras.layers.Dense(1, use_bias=False)(hidden)[..., 0])
    model.compile(
        optimizer or FusedAdamW(0.1, weight_decay=0.0),
        lambda y, found: (tf.cast(y, tf.float32) - found) ** 2,
    )
    return model


class Recorder(keras.callbacks.Callback):
    """Keeps a copy of what the callbacks behind StepMetrics are shown."""

    def __init__(self):
        super().__init__()
        self._supports_tf_logs = True
        self.steps, self.epochs, self.kinds = [], [], set()

    def on_train_batch_end(self, batch, logs=None):
        self.kinds.add(type(logs["loss"]))
        if "step" in logs:
            self.steps.append(dict(logs))

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append(dict(logs))


def watch(model, data, *callbacks, epochs=2, steps=STEPS):
    monitor, seen = InputMonitor(), Recorder()
    model.fit(
        monitor.watch(data),
        epochs=epochs,
        steps_per_epoch=steps,
        callbacks=[StepMetrics(monitor), seen, *callbacks],
        verbose=0,
    )
    return seen


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    folder = tmp_path_factory.mktemp("watched")
    lines, logger = [], logging.getLogger("tfner.events")
    handler = logging.Handler()
    handler.emit = lambda record: lines.append((record.event, record.fields))
    logger.addHandler(handler)
    seen = watch(
        small_model(),
        batches(),
        EventLines(),
        MetricsLog(folder / "metrics.jsonl"),
        Scalars(folder / "tensorboard"),
    )
    logger.removeHandler(handler)
    return folder, seen, lines


@pytest.mark.parametrize(
    ("steps", "due"), [(1, []), (3, [1, 2]), (25, [2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24])]
)
def test_a_line_is_due_each_tenth_of_an_epoch(steps, due):
    assert [step for step in range(1, steps + 1) if is_due(step, steps)] == due


@pytest.mark.parametrize("steps", [None, 100_000])
def test_no_more_than_so_many_steps_go_by_without_a_line(steps):
    assert [step for step in range(1, 1600) if is_due(step, steps)] == [
        MOST_STEPS,
        2 * MOST_STEPS,
        3 * MOST_STEPS,
    ]


def test_metrics_are_there_when_due_and_of_the_epoch_at_its_end(watched):
    _, seen, _ = watched
    assert [logs["step"] for logs in seen.steps] == [*range(1, STEPS)] * 2
    for logs in seen.steps + seen.epochs:
        assert logs["padding_share"] == pytest.approx(1 - sum(PIECES) / POSITIONS)
        assert 0 <= logs["waiting_share"] <= 1
        assert logs["learning_rate"] == pytest.approx(0.1)
        assert logs["steps_per_second"] > 0
        assert 50 < logs["memory_mib"] <= logs["peak_memory_mib"]
        assert "skipped_steps" not in logs
    assert all("step" not in logs for logs in seen.epochs)


def test_between_lines_nothing_is_fetched_from_the_device():
    seen = watch(small_model(), batches(), epochs=1, steps=25)
    assert {kind.__name__ for kind in seen.kinds} == {"float", "EagerTensor"}
    assert len(seen.steps) == 12


def test_the_gradient_norm_is_that_of_the_last_update():
    model = small_model()
    (kernel,) = (variable.numpy()[0, 0] for variable in model.trainable_variables)
    seen = watch(model, batches(), epochs=1, steps=2)
    assert seen.steps[0]["gradient_norm"] == pytest.approx(
        abs(2 * (kernel - 1)) * sum(PIECES) / POSITIONS, rel=1e-4
    )


@pytest.mark.parametrize("wrapped", [False, True])
def test_the_norm_is_found_inside_loss_scaling_and_missed_in_other_optimizers(wrapped):
    optimizer = (
        keras.mixed_precision.LossScaleOptimizer(FusedAdamW(0.1))
        if wrapped
        else keras.optimizers.Adam(0.1)
    )
    seen = watch(small_model(optimizer), batches(), epochs=1, steps=2)
    assert ("gradient_norm" in seen.epochs[0]) == wrapped


def test_skipped_steps_are_those_that_the_model_counts():
    model = small_model()
    model.skipped_steps = tf.Variable(3, trainable=False)
    seen = watch(model, batches(), epochs=1, steps=2)
    assert seen.epochs[0]["skipped_steps"] == 3
    assert describe_metrics(seen.epochs[0]).count("skipped 3") == 1


def test_events_metrics_and_tensorboard_say_the_same(watched):
    folder, seen, lines = watched
    steps, epochs = (
        [fields for event, fields in lines if event == kind] for kind in ("step", "epoch")
    )
    assert [(fields["epoch"], fields["step"], fields["steps"]) for fields in steps][-1] == (
        2,
        STEPS - 1,
        STEPS,
    )
    for fields, logs in zip(steps + epochs, seen.steps + seen.epochs, strict=True):
        for name, value in logs.items():
            assert fields[name] == pytest.approx(float(value), rel=1e-5)
    written = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [{**line, "epoch": None} for line in written] == [
        {"epoch": None, **logs} for logs in seen.epochs
    ]


@pytest.mark.parametrize(
    ("run", "updates"),
    [("steps", [*range(1, STEPS), *range(STEPS + 1, 2 * STEPS)]), ("epochs", [STEPS, 2 * STEPS])],
)
def test_tensorboard_has_every_value_over_the_updates(watched, run, updates):
    folder, seen, _ = watched
    logs = getattr(seen, run)
    board = EventAccumulator(
        str(folder / "tensorboard" / run), size_guidance={"scalars": 0}
    ).Reload()
    assert set(board.Tags()["scalars"]) == set(logs[0]) - {"step"}
    for name in board.Tags()["scalars"]:
        found = board.Scalars(name)
        assert [event.step for event in found] == updates
        assert [event.value for event in found] == pytest.approx(
            [float(line[name]) for line in logs], rel=1e-6
        )


def test_a_batch_that_is_not_there_is_waited_for():
    monitor, gate = InputMonitor(), threading.Event()
    iterator = iter(monitor.watch(batches(lambda: gate.wait(10))))
    threading.Timer(0.2, gate.set).start()
    next(iterator)
    assert 0.1 < monitor.totals.waited < 10


def test_what_is_made_while_a_step_runs_is_not_waited_for():
    monitor, gate, begun, numbers = (
        InputMonitor(),
        threading.Event(),
        threading.Semaphore(0),
        itertools.count(),
    )

    def make():
        begun.release()
        if next(numbers) > 0:
            gate.wait(10)

    iterator = iter(monitor.watch(batches(make)))
    next(iterator)
    before = monitor.totals
    start = time.perf_counter()
    threading.Timer(0.3, gate.set).start()
    for _ in range(3):
        assert begun.acquire(timeout=10)  # the second batch is there when the third is begun
    step = time.perf_counter() - start
    next(iterator)
    assert monitor.totals.since(before).waited < 0.1 < step


@pytest.mark.parametrize("member", ["attention_mask", "segment_ids"])
def test_batches_pass_unchanged_and_are_counted(member):
    monitor, data = InputMonitor(), batches(member=member).take(3)
    for mine, theirs in zip(monitor.watch(data), data, strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, mine, theirs)
    assert monitor.totals._replace(waited=0.0) == InputTotals(
        3, 0.0, 3 * POSITIONS, 3 * sum(PIECES)
    )


def test_two_replicas_log_the_norm_and_padding_but_no_waiting():
    with two_replicas().scope():
        model = small_model()
    seen = watch(model, batches(), epochs=1, steps=2)
    assert seen.epochs[0]["gradient_norm"] > 0
    assert seen.epochs[0]["padding_share"] == pytest.approx(1 - sum(PIECES) / POSITIONS)
    assert "waiting_share" not in seen.epochs[0]


def test_metrics_in_words():
    logs = {
        "loss": 1.0,
        "learning_rate": 2e-4,
        "gradient_norm": 3.456,
        "padding_share": 0.021,
        "waiting_share": 0.004,
        "skipped_steps": 0.0,
        "memory_mib": 1234.5,
        "peak_memory_mib": 2000.0,
    }
    assert (
        describe_metrics(logs)
        == "lr 2.00e-04  gradient norm 3.46  padding 2.1%  waiting 0.4%  1,234 MiB  (peak 2,000)"
    )
    assert describe_metrics({"loss": 1.0}) == ""


def test_memory_is_read_from_what_linux_says(tmp_path):
    (tmp_path / "status").write_text(
        "Name:\tx\nVmPeak:\t9 kB\nVmHWM:\t    4096 kB\nVmRSS:\t    2048 kB\n"
    )
    assert resident_memory(tmp_path / "status") == (2.0, 4.0)
    assert resident_memory(tmp_path / "nowhere") == (0.0, 0.0)
