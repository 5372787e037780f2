"""Add to Keras's logs what a training is watched by besides loss and F1.

That is: rate, learning rate, gradient norm, padding, waiting, memory.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import tensorflow as tf
import tf_keras as keras

from tfner.model.keras_internals import leave_logs_on_device
from tfner.monitoring.input_monitor import InputMonitor, InputTotals
from tfner.monitoring.machine import resident_memory

LINES_PER_EPOCH = 10
MOST_STEPS = 500  # between two lines of the log
FORMATS = {
    "learning_rate": "lr {:.2e}",
    "gradient_norm": "gradient norm {:.2f}",
    "padding_share": "padding {:.1%}",
    "waiting_share": "waiting {:.1%}",
    "skipped_steps": "skipped {:.0f}",
    "memory_mib": "{:,.0f} MiB",
    "peak_memory_mib": "(peak {:,.0f})",
}


class Snapshot(NamedTuple):
    """Hold what is counted at a moment of the training."""

    time: float  # seconds
    steps: int
    inputs: InputTotals


class StepMetrics(keras.callbacks.Callback):
    """Add metrics to the logs, at the steps that `is_due` names and at the end of each epoch.

    Since the step named before; at the end of an epoch, since its begin:
        steps_per_second
        waiting_share: of the time, how much the steps waited for their batches (with an
            InputMonitor, and one replica).
        padding_share: of the positions, how many held no piece (with an InputMonitor).
    Of the last update:
        learning_rate
        gradient_norm: of all gradients together, before they are clipped (with an optimizer that
            keeps it, as FusedAdamW does).
    Since the training began:
        skipped_steps: updates left out because they were not finite (with a model that counts
            them).
    Now:
        memory_mib, peak_memory_mib: of this process, resident, and the most there was (on Linux).
    At a step, `step`: its number in the epoch, from 1.

    Stands first in the list: those that show the logs stand behind it, and what they do is no time
    of the training.
    """

    def __init__(self, input_monitor: InputMonitor | None = None):
        super().__init__()
        leave_logs_on_device(self)
        self.input_monitor = input_monitor

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._steps = 0
        self._begin = self._before = self._snapshot()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._steps += 1
        if logs is not None and is_due(batch + 1, self.params["steps"]):
            now = self._snapshot()
            fetched = {name: float(value) for name, value in logs.items()}
            metrics = self._metrics(self._before, now)
            logs.update(fetched, step=batch + 1, **metrics)
            self._before = now

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is not None:
            logs.pop("step", None)
            logs.update(self._metrics(self._begin, self._snapshot()))

    def _snapshot(self) -> Snapshot:
        inputs = self.input_monitor.totals if self.input_monitor else InputTotals()
        return Snapshot(time.perf_counter(), self._steps, inputs)

    def _metrics(self, before: Snapshot, now: Snapshot) -> dict[str, float]:
        seconds = max(now.time - before.time, 1e-9)
        steps = now.steps - before.steps
        inputs = now.inputs.since(before.inputs)
        metrics = self._metrics_of_model()
        if steps:
            metrics["steps_per_second"] = steps / seconds
        if inputs.positions:
            metrics["padding_share"] = 1 - inputs.pieces / inputs.positions
            if self.model.distribute_strategy.num_replicas_in_sync == 1:
                metrics["waiting_share"] = min(inputs.waited / seconds, 1.0)
        resident, peak = resident_memory()
        if resident:
            metrics.update(memory_mib=resident, peak_memory_mib=peak)
        return metrics

    def _metrics_of_model(self) -> dict[str, float]:
        optimizer = self.model.optimizer
        inner = getattr(optimizer, "inner_optimizer", optimizer)  # as with float16's scaled loss
        values = {"learning_rate": optimizer.learning_rate}
        values["gradient_norm"] = getattr(inner, "gradient_norm", None)
        values["skipped_steps"] = getattr(self.model, "skipped_steps", None)
        known = {name: value for name, value in values.items() if value is not None}
        return {name: float(tf.convert_to_tensor(value)) for name, value in known.items()}


def is_due(step: int, steps: int | None) -> bool:
    """Tell if the log gets a line after so many steps of an epoch.

    It does after each tenth of the epoch but the last, whose line is the epoch's own, and at least
    every MOST_STEPS.
    """
    if not steps:
        return step % MOST_STEPS == 0
    every = max(1, min(steps // LINES_PER_EPOCH, MOST_STEPS))
    return step < steps and step % every == 0


def describe_metrics(logs: Mapping[str, Any]) -> str:
    """Format the metrics that are there; nothing is said where no step was skipped."""
    shown = []
    for name, form in FORMATS.items():
        value = float(logs.get(name, 0.0))
        if name in logs and (value or name != "skipped_steps"):
            shown.append(form.format(value))
    return "  ".join(shown)
