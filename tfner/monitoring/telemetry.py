"""Pass the logs of a training on to programs: as events, and as scalars for TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
import tf_keras as keras

from tfner.model.keras_internals import leave_logs_on_device
from tfner.monitoring.events import log_event

DIGITS = 6  # more than float32 values tell
Summary = tf.compat.v1.Summary


class EventLines(keras.callbacks.Callback):
    """Log an event `step` with all logs that StepMetrics has completed, and an event `epoch`.

    StepMetrics stands before it in the list of callbacks.
    """

    def __init__(self) -> None:
        super().__init__()
        leave_logs_on_device(self)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch = {"epoch": epoch + 1, "epochs": self.params["epochs"]}

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if logs and "step" in logs:
            steps = self.params["steps"]
            log_event("step", **self._epoch, step=logs["step"], steps=steps, **rounded(logs))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        log_event("epoch", **self._epoch, steps=self.params["steps"], **rounded(logs or {}))


class Scalars(keras.callbacks.Callback):
    """Write the same values for TensorBoard, over updates: as the runs `steps` and `epochs`."""

    def __init__(self, folder: str | Path):
        super().__init__()
        leave_logs_on_device(self)
        self.folder = Path(folder)
        self._writers: dict[str, tf.summary.SummaryWriter] = {}

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if logs and "step" in logs:
            self._write("steps", logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._write("epochs", logs or {})

    def _write(self, run: str, logs: Mapping[str, Any]) -> None:
        if run not in self._writers:
            self._writers[run] = tf.summary.create_file_writer(str(self.folder / run))
        values = plain_values(logs).items()
        scalars = [Summary.Value(tag=name, simple_value=value) for name, value in values]
        summary = Summary(value=scalars).SerializeToString()
        updates = self.model.optimizer.iterations.numpy()
        with self._writers[run].as_default(step=updates):
            tf.summary.experimental.write_raw_pb(summary)  # one operation for all values
        self._writers[run].flush()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()


def rounded(logs: Mapping[str, Any]) -> dict[str, float]:
    """Round all values but `step`, an argument of its own, to six significant digits."""
    return {name: float(f"{value:.{DIGITS}g}") for name, value in plain_values(logs).items()}


def plain_values(logs: Mapping[str, Any]) -> dict[str, float]:
    """Take all values but `step` off their device."""
    return {name: float(value) for name, value in logs.items() if name != "step"}
