"""What the processes of a run that are not its chief do in place of writing: they take over what the chief has."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tfner.training.devices.strategy import Devices
from tfner.training.state.checkpoints import Checkpoints


class NoCheckpoints(Checkpoints):
    """Writes nothing and finds all in order: for a process that another writes for."""

    def __init__(self) -> None:
        super().__init__(Path(), "none")

    def write(self, name: str, checkpoint: tf.train.Checkpoint, **facts: Any) -> None:
        return

    def remove_after(self, name: str) -> None:
        return

    def restore(
        self, checkpoint: tf.train.Checkpoint, newest: str | None = None
    ) -> tuple[str, dict[str, Any]] | None:
        return "", {}


class SharedCheckpoints(Checkpoints):
    """The chief's checkpoints: it alone writes and reads them, and what it reads all processes get, so they need no common disk."""

    def __init__(self, own: Checkpoints, devices: Devices):
        super().__init__(own.folder, own.kind, own.kept)
        self.mine = devices.chief
        self._devices = devices

    def write(self, name: str, checkpoint: tf.train.Checkpoint, **facts: Any) -> None:
        if self._devices.chief:
            super().write(name, checkpoint, **facts)

    def restore(
        self, checkpoint: tf.train.Checkpoint, newest: str | None = None
    ) -> tuple[str, dict[str, Any]] | None:
        found = broadcast_text(
            self._devices,
            json.dumps(super().restore(checkpoint, newest)) if self._devices.chief else "",
        )
        if json.loads(found) is None:
            return None
        for variable in variables_of(checkpoint):
            variable.assign(self._devices.broadcast_from_chief(variable.numpy()))
        name, facts = json.loads(found)
        return name, facts


def variables_of(checkpoint: tf.train.Checkpoint) -> Iterator[tf.Variable]:
    """All variables of a checkpoint, in an order that is the same in all processes."""
    return (
        each
        for each in tf.train.TrackableView(checkpoint).descendants()
        if isinstance(each, tf.Variable)
    )


def broadcast_text(devices: Devices, text: str) -> str:
    """The chief's text in all processes."""
    content = np.frombuffer(text.encode(), np.uint8).astype(np.int32)
    size = int(devices.broadcast_from_chief(np.array(len(content), np.int32)))
    return (
        devices.broadcast_from_chief(content if devices.chief else np.zeros(size, np.int32))
        .astype(np.uint8)
        .tobytes()
        .decode()
    )


class BroadcastScores(keras.callbacks.Callback):
    """Put the chief's values of some metrics into the logs of all processes, so that they decide alike what is best and when to stop.

    The chief measures them in a callback before this one; the others wait here.
    """

    def __init__(self, devices: Devices, names: Sequence[str]):
        super().__init__()
        self.devices = devices
        self.names = names

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = {} if logs is None else logs
        own = np.array([logs.get(name, 0.0) for name in self.names], np.float64)
        logs.update(zip(self.names, self.devices.broadcast_from_chief(own).tolist(), strict=True))
