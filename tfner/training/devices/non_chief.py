"""Give the processes of a run that do not write what the chief has: checkpoints and scores."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tfner.training.devices.strategy import Devices
from tfner.training.state.checkpoints import Checkpoints


class NoCheckpoints(Checkpoints):
    """Write and restore nothing: checkpoints for a process that another one writes for."""

    def __init__(self) -> None:
        super().__init__(Path(), "none")

    def write(self, name: str, checkpoint: tf.train.Checkpoint, **values: Any) -> None:
        return

    def remove_after(self, name: str) -> None:
        return

    def restore(
        self, checkpoint: tf.train.Checkpoint, newest: str | None = None
    ) -> tuple[str, dict[str, Any]] | None:
        return "", {}


class SharedCheckpoints(Checkpoints):
    """Let the chief write and read checkpoints, and broadcast to all processes what it reads.

    So they need no common disk.
    """

    def __init__(self, own: Checkpoints, devices: Devices):
        super().__init__(own.folder, own.kind, own.kept)
        self.mine = devices.chief
        self._devices = devices

    def write(self, name: str, checkpoint: tf.train.Checkpoint, **values: Any) -> None:
        if self._devices.chief:
            super().write(name, checkpoint, **values)

    def restore(
        self, checkpoint: tf.train.Checkpoint, newest: str | None = None
    ) -> tuple[str, dict[str, Any]] | None:
        chief = self._devices.chief
        own = json.dumps(super().restore(checkpoint, newest)) if chief else ""
        found = json.loads(broadcast_text(self._devices, own))
        if found is None:
            return None
        for variable in variables_of(checkpoint):
            value = self._devices.broadcast_from_chief(variable.numpy())
            variable.assign(value)
        name, values = found
        return name, values


def variables_of(checkpoint: tf.train.Checkpoint) -> list[tf.Variable]:
    """List the variables of a checkpoint in an order that is the same in all processes."""
    tracked = tf.train.TrackableView(checkpoint).descendants()
    return [each for each in tracked if isinstance(each, tf.Variable)]


def broadcast_text(devices: Devices, text: str) -> str:
    """Give all processes the chief's text."""
    content = np.frombuffer(text.encode(), np.uint8).astype(np.int32)
    size = int(devices.broadcast_from_chief(np.array(len(content), np.int32)))
    own = content if devices.chief else np.zeros(size, np.int32)
    received = devices.broadcast_from_chief(own)
    return received.astype(np.uint8).tobytes().decode()


class BroadcastScores(keras.callbacks.Callback):
    """Put the chief's values of some metrics into the logs of all processes.

    So they decide alike what is best and when to stop. The chief measures them in a callback before
    this one; the others wait here.
    """

    def __init__(self, devices: Devices, names: Sequence[str]):
        super().__init__()
        self.devices = devices
        self.names = names

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = {} if logs is None else logs
        own = np.array([logs.get(name, 0.0) for name in self.names], np.float64)
        values = self.devices.broadcast_from_chief(own).tolist()
        logs.update(zip(self.names, values, strict=True))
