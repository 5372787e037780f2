"""Save the state that a training resumes from: what it has learned, and how far it has come."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tfner.exceptions import ModelError
from tfner.model.keras_internals import leave_logs_on_device, random_generators
from tfner.training.callbacks import BestWeights, Elapsed, Throughput
from tfner.training.state.checkpoints import Checkpoints
from tfner.training.state.termination import raise_if_terminated


class TrainingPosition(NamedTuple):
    """Tell how far a training has come: epochs that are over, and steps done of the one after."""

    epoch: int = 0
    step: int = 0

    def __str__(self) -> str:
        if self.step:
            return f"epoch {self.epoch + 1}, step {self.step}"
        return f"the end of epoch {self.epoch}"


class ResumeCheckpoint(keras.callbacks.Callback):
    """Save all that a training needs to go on as if it had not stopped, within and after epochs.

    Saved are weights, optimizer, metrics of the running epoch, random state, and the position in
    the data. The two newest checkpoints are kept. Stands last in the list: a checkpoint of an
    epoch's end says that everything else of the epoch is on disk.

    Args:
        folder: for the checkpoints.
        best: its best value and epoch belong to the state.
        throughput: its elapsed time belongs to the state.
        steps: a checkpoint after so many steps since the last; None = only by time.
        minutes: a checkpoint after so many minutes since the last; None = only by steps. Without
            both, at the end of each epoch alone.
        data: describes the data that a position refers to; a resume with other data is refused.

    Attributes:
        position: how far the training is; `saved` is the position of the newest checkpoint.
        paused: while it is True, nothing is saved within an epoch.
        ended: whether nothing is left to be learned, as early stopping decides.
    """

    def __init__(
        self,
        folder: str | Path,
        best: BestWeights | None = None,
        throughput: Throughput | None = None,
        *,
        steps: int | None = None,
        minutes: float | None = None,
        data: str = "",
    ):
        super().__init__()
        leave_logs_on_device(self)
        self.checkpoints = Checkpoints(Path(folder), "state")
        self.best = best
        self.throughput = throughput
        self.steps = steps
        self.seconds = None if minutes is None else 60 * minutes
        self.data = data
        self.paused = False
        self.ended = False
        self.position = self.saved = TrainingPosition()
        self._saved_at = time.monotonic()
        # Restored values of metrics, by name, until Keras has reset them at the epoch's begin.
        self._metrics: dict[str, list[np.ndarray]] = {}

    def _checkpoint(self) -> tf.train.Checkpoint:
        """Name what is saved; these names are edges in the files and stay as they are."""
        model = self.model
        metrics = {metric.name: metric for metric in model.metrics}
        learned = {"optimizer": model.optimizer, "random": random_generators(model)}
        return tf.train.Checkpoint(model=model, metrics=metrics, **learned)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        done = self.position.step if self.position.epoch == epoch else 0
        self._epoch = epoch
        self._updates_before = self._updates() - done
        for metric in self.model.metrics:
            values = self._metrics.get(metric.name, ())
            for variable, value in zip(metric.variables, values, strict=False):
                variable.assign(value)
        self._metrics = {}

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.position = TrainingPosition(self._epoch, batch + 1)
        raise_if_terminated()
        inside_epoch = self.position.step < (self.params.get("steps") or 0)
        if inside_epoch and not self.paused and self._due():
            self.save()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.position = TrainingPosition(epoch + 1)
        self.ended = bool(self.model.stop_training)
        self.save()

    def _due(self) -> bool:
        same_epoch = self.position.epoch == self.saved.epoch
        steps = self.position.step - self.saved.step if same_epoch else 0
        if self.steps is not None and steps >= self.steps:
            return True
        return self.seconds is not None and time.monotonic() - self._saved_at >= self.seconds

    def _updates(self) -> int:
        return int(self.model.optimizer.iterations.numpy())

    def save(self) -> None:
        """Write a checkpoint of the current position.

        Raises:
            StorageError: the disk refuses; the checkpoints that there are stay.
        """
        values = {**self.position._asdict(), "ended": self.ended, "data": self.data}
        for name in ("best", "best_epoch", "improved_epoch"):
            values[name] = getattr(self.best, name, None)
        if self.throughput:
            values["seconds"] = self.throughput.elapsed()._asdict()
        epoch, step = self.position
        self.checkpoints.write(f"state-{epoch:06d}-{step:08d}", self._checkpoint(), **values)
        self.saved, self._saved_at = self.position, time.monotonic()

    def save_interrupted(self) -> TrainingPosition:
        """Save where the training stands, wherever in `fit` it was stopped; return what is on disk.

        A step is one call of a graph, which nothing interrupts. Whether its end has been noticed
        here is another matter, so the optimizer's count of updates decides.
        """
        if self.position.epoch == getattr(self, "_epoch", None):
            self.position = TrainingPosition(self._epoch, self._updates() - self._updates_before)
        if self.position != self.saved:
            self.save()
        return self.saved

    def restore(self) -> TrainingPosition:
        """Load the newest whole checkpoint into the compiled model, and return its position.

        Values of metrics are put back as the epoch begins, since Keras resets them there.

        Raises:
            ModelError: there are checkpoints, but none is whole or of this model and these data.
        """
        model = self.model
        model.optimizer.build(model.trainable_variables)
        found = self.checkpoints.restore(self._checkpoint())
        if found is None:
            return self.position
        name, values = found
        if values["data"] != self.data:
            path = self.checkpoints.folder / name
            other = "the training data are not those that the run began with"
            raise ModelError(f"{path}: {other}; add --overwrite to begin again")
        self._take_up(values)
        if self.position.step:
            for metric in model.metrics:
                self._metrics[metric.name] = [variable.numpy() for variable in metric.variables]
        return self.position

    def _take_up(self, values: dict[str, Any]) -> None:
        """Set what a checkpoint's values say; files of earlier versions lack the later ones."""
        self.position = self.saved = TrainingPosition(values["epoch"], values["step"])
        self.ended = values["ended"]
        if self.best:
            improved_epoch = values.get("improved_epoch")
            self.best.rewind_to(values["best"], values["best_epoch"], improved_epoch)
        if self.throughput and "seconds" in values:
            self.throughput.rewind_to(Elapsed(**values["seconds"]))
