"""What a training is watched by besides loss and F1: rate, learning rate, gradient norm, padding, waiting, memory, in Keras's logs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import tensorflow as tf
import tf_keras as keras

from tfner.monitoring.input_monitor import Supplied, Supply
from tfner.monitoring.machine import resident_memory

PARTS = 10  # of an epoch
MOST_STEPS = 500  # between two lines of the log


class Mark(NamedTuple):
    """A moment of the training."""

    time: float  # seconds
    steps: int
    supplied: Supplied


class StepFacts(keras.callbacks.Callback):
    """Adds to the logs what a training is watched by: at the steps that `is_due` names, and at the end of each epoch.

    Since the moment named before, or of the epoch at its end:
        steps_per_second
        waiting_share: of the time, how much the steps waited for their batches (with a Supply, and one replica).
        padding_share: of the positions, how many held no piece (with a Supply).
    Of the last update:
        learning_rate
        gradient_norm: of all gradients together, before they are clipped (with an optimizer that keeps it, as FusedAdamW does).
    Since the training began:
        skipped_steps: updates left out because they were not finite (with a model that counts them).
    Now:
        memory_mib, peak_memory_mib: of this process, resident, and the most there was (on Linux).
    At a step, `step`: its number in the epoch, from 1.

    Stands first in the list: those that show the logs stand behind it, and what they do is no time of the training.
    """

    def __init__(self, supply: Supply | None = None):
        super().__init__()
        self._supports_tf_logs = (
            True  # fetched where somebody looks at them: else each step would wait for its device
        )
        self.supply = supply

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._steps = 0
        self._begin = self._before = self._mark()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._steps += 1
        if logs is not None and is_due(batch + 1, self.params["steps"]):
            now = self._mark()
            logs.update(
                {name: float(value) for name, value in logs.items()},
                step=batch + 1,
                **self._facts(self._before, now),
            )
            self._before = now

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is not None:
            logs.pop("step", None)
            logs.update(self._facts(self._begin, self._mark()))

    def _mark(self) -> Mark:
        return Mark(
            time.perf_counter(), self._steps, self.supply.so_far if self.supply else Supplied()
        )

    def _facts(self, before: Mark, now: Mark) -> dict[str, float]:
        seconds, supplied = max(now.time - before.time, 1e-9), now.supplied.since(before.supplied)
        facts = self._of_model()
        if now.steps > before.steps:
            facts["steps_per_second"] = (now.steps - before.steps) / seconds
        if supplied.positions:
            facts["padding_share"] = 1 - supplied.pieces / supplied.positions
            if self.model.distribute_strategy.num_replicas_in_sync == 1:
                facts["waiting_share"] = min(supplied.waited / seconds, 1.0)
        resident, peak = resident_memory()
        return {**facts, "memory_mib": resident, "peak_memory_mib": peak} if resident else facts

    def _of_model(self) -> dict[str, float]:
        optimizer = self.model.optimizer
        norm = getattr(
            getattr(optimizer, "inner_optimizer", optimizer), "gradient_norm", None
        )  # as with the scaled loss of float16
        skipped = getattr(self.model, "skipped_steps", None)
        values = {
            "learning_rate": optimizer.learning_rate,
            "gradient_norm": norm,
            "skipped_steps": skipped,
        }
        return {
            name: float(tf.convert_to_tensor(value))
            for name, value in values.items()
            if value is not None
        }


def is_due(step: int, steps: int | None) -> bool:
    """Whether a line of the log is to be written after so many steps of an epoch: after each tenth of it but the last, whose line is the
    epoch's own, and no more than MOST_STEPS apart."""
    if not steps:
        return step % MOST_STEPS == 0
    return step < steps and step % max(1, min(steps // PARTS, MOST_STEPS)) == 0


SHOWN = {
    "learning_rate": "lr {:.2e}",
    "gradient_norm": "gradient norm {:.2f}",
    "padding_share": "padding {:.1%}",
    "waiting_share": "waiting {:.1%}",
    "skipped_steps": "skipped {:.0f}",
    "memory_mib": "{:,.0f} MiB",
    "peak_memory_mib": "(peak {:,.0f})",
}


def describe_facts(logs: Mapping[str, Any]) -> str:
    """The facts that are there, in words; that no step was skipped is not said."""
    shown = {name: float(logs[name]) for name in SHOWN if name in logs}
    return "  ".join(
        SHOWN[name].format(value)
        for name, value in shown.items()
        if value or name != "skipped_steps"
    )
