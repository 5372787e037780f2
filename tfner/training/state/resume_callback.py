"""The place that a training goes on from, kept while it runs: what the model has learned, what it draws from, and how far it has read."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tfner.exceptions import ModelError
from tfner.model.keras_internals import random_generators
from tfner.training.callbacks import BestWeights
from tfner.training.state.checkpoints import Checkpoints
from tfner.training.state.termination import raise_if_terminated


class Place(NamedTuple):
    """How far a training has come: epochs that are over, and steps done of the one after them."""

    epoch: int = 0
    step: int = 0

    def __str__(self) -> str:
        return (
            f"epoch {self.epoch + 1}, step {self.step}"
            if self.step
            else f"the end of epoch {self.epoch}"
        )


class LastState(keras.callbacks.Callback):
    """Save all that a training needs to go on as if it had not stopped, at the end of each epoch and within.

    Saved are weights, optimizer, metrics of the running epoch, random state, and the place in the data. The two newest checkpoints are
    kept. Stands last in the list: what it writes at an epoch's end says that everything of the epoch before it is on disk.

    Args:
        folder: for the checkpoints.
        best: what is best so far belongs to the state.
        steps: a checkpoint after so many steps since the last; None = only by time.
        minutes: a checkpoint after so many minutes since the last; None = only by steps. Without both, at the end of each epoch alone.
        data: what must be the same for a place in the data to mean something.
    """

    def __init__(
        self,
        folder: str | Path,
        best: BestWeights | None = None,
        *,
        steps: int | None = None,
        minutes: float | None = None,
        data: str = "",
    ):
        super().__init__()
        self._supports_tf_logs = True  # it reads none: nothing is fetched from the device for it
        self.checkpoints = Checkpoints(Path(folder), "state")
        self.best = best
        self.steps = steps
        self.seconds = None if minutes is None else 60 * minutes
        self.data = data
        self.hold = False  # while it is True, nothing is saved within an epoch
        self.ended = False  # whether nothing is left to be learned
        self.place = self.saved = Place()
        self._saved_at = time.monotonic()
        self._metrics: dict[str, list[np.ndarray]] | None = (
            None  # to be put back once Keras has reset them
        )

    def _checkpoint(self) -> tf.train.Checkpoint:
        metrics = {metric.name: metric for metric in self.model.metrics}
        return tf.train.Checkpoint(
            model=self.model,
            optimizer=self.model.optimizer,
            random=random_generators(self.model),
            metrics=metrics,
        )

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch, self._steps_before = (
            epoch,
            self._updates() - (self.place.step if self.place.epoch == epoch else 0),
        )
        if self._metrics is not None:
            put_metrics_back(self.model.metrics, self._metrics)
            self._metrics = None

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.place = Place(self._epoch, batch + 1)
        raise_if_terminated()
        if (
            batch + 1 < (self.params.get("steps") or 0) and self._due() and not self.hold
        ):  # the end of the epoch saves anyway
            self.save()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.place = Place(epoch + 1)
        self.ended = bool(self.model.stop_training)
        self.save()

    def _due(self) -> bool:
        after_steps = (
            self.steps is not None
            and self.place.epoch == self.saved.epoch
            and self.place.step - self.saved.step >= self.steps
        )
        return after_steps or (
            self.seconds is not None and time.monotonic() - self._saved_at >= self.seconds
        )

    def _updates(self) -> int:
        return int(self.model.optimizer.iterations.numpy())

    def save(self) -> None:
        """Write a checkpoint of the place.

        Raises:
            StorageError: the disk refuses; the checkpoints that there are stay.
        """
        best = (self.best.best, self.best.best_epoch) if self.best else (None, None)
        facts = {
            **self.place._asdict(),
            "ended": self.ended,
            "data": self.data,
            "best": best[0],
            "best_epoch": best[1],
        }
        self.checkpoints.write(
            f"state-{self.place.epoch:06d}-{self.place.step:08d}", self._checkpoint(), **facts
        )
        self.saved, self._saved_at = self.place, time.monotonic()

    def save_interrupted(self) -> Place:
        """Save where the training stands, wherever in `fit` it has been stopped; -> the place that is on disk.

        A step is one call of a graph, which nothing interrupts; whether its end has been noticed here is another matter, so the
        optimizer is asked.
        """
        if self.place.epoch == getattr(self, "_epoch", None):
            self.place = Place(self._epoch, self._updates() - self._steps_before)
        if self.place != self.saved:
            self.save()
        return self.saved

    def restore(self) -> Place:
        """Load the newest whole checkpoint into the compiled model, whose metrics are put back as the epoch begins; -> the place.

        Raises:
            ModelError: there are checkpoints, but none is whole or of this model and these data.
        """
        self.model.optimizer.build(self.model.trainable_variables)
        found = self.checkpoints.restore(self._checkpoint())
        if found is None:
            return self.place
        name, facts = found
        if facts["data"] != self.data:
            raise ModelError(f"{self.checkpoints.folder / name}: the training data are not those that the run began with; "
                             "add --overwrite to begin again")  # fmt: skip
        self.place = self.saved = Place(facts["epoch"], facts["step"])
        self.ended = facts["ended"]
        if self.best:
            self.best.go_on(facts["best"], facts["best_epoch"])
        if self.place.step:
            self._metrics = {
                metric.name: [variable.numpy() for variable in metric.variables]
                for metric in self.model.metrics
            }
        return self.place


def put_metrics_back(
    metrics: list[keras.metrics.Metric], values: dict[str, list[np.ndarray]]
) -> None:
    for metric in metrics:
        for variable, value in zip(metric.variables, values.get(metric.name, ()), strict=False):
            variable.assign(value)
