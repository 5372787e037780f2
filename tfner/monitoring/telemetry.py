"""The logs of a training for programs: events in the process' log, and scalars for TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
import tf_keras as keras

from tfner.monitoring.events import log_event

DIGITS = 6
Summary = tf.compat.v1.Summary


class EventLines(keras.callbacks.Callback):
    """An event `step` with all logs where StepFacts, which stands before it, has put its facts into them, and an event `epoch`."""

    def __init__(self) -> None:
        super().__init__()
        self._supports_tf_logs = True

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._place = {"epoch": epoch + 1, "epochs": self.params["epochs"]}

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if logs and "step" in logs:
            log_event(
                "step",
                **self._place,
                step=logs["step"],
                steps=self.params["steps"],
                **rounded(logs),
            )

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        log_event("epoch", **self._place, steps=self.params["steps"], **rounded(logs or {}))


class Scalars(keras.callbacks.Callback):
    """The same values for TensorBoard, over the number of updates: as the run `steps` and as the run `epochs`."""

    def __init__(self, folder: str | Path):
        super().__init__()
        self._supports_tf_logs = True
        self.folder = Path(folder)
        self._writers: dict[str, tf.summary.SummaryWriter] = {}

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if logs and "step" in logs:
            self._write("steps", logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._write("epochs", logs or {})

    def _write(self, name: str, logs: Mapping[str, Any]) -> None:
        if name not in self._writers:
            self._writers[name] = tf.summary.create_file_writer(str(self.folder / name))
        with self._writers[name].as_default(step=self.model.optimizer.iterations.numpy()):
            values = [
                Summary.Value(tag=key, simple_value=float(value))
                for key, value in logs.items()
                if key != "step"
            ]
            tf.summary.experimental.write_raw_pb(
                Summary(value=values).SerializeToString()
            )  # one operation for all of them
        self._writers[name].flush()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()


def rounded(logs: Mapping[str, Any]) -> dict[str, float]:
    """To six significant digits, more than float32 values tell; `step` has its own place."""
    return {
        name: float(f"{float(value):.{DIGITS}g}") for name, value in logs.items() if name != "step"
    }
