"""Keras callbacks for any `fit`: entity scores, best weights, a log of metrics, progress; `last_state` has a place to go on from.

Their order in the list matters: Settle stands before all that read the encoder's weights; EntityReport puts the scores into Keras's
`logs`, and those that read them stand behind it.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf
import tf_keras as keras
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tfner.evaluation.scores import EntityScores
from tfner.exceptions import ModelError
from tfner.monitoring.step_metrics import describe_metrics, is_due
from tfner.training.state.checkpoints import Checkpoints
from tfner.training.state.storage import writing

logger = logging.getLogger(__name__)
DRAWN_EVERY = 0.1  # seconds


class Settle(keras.callbacks.Callback):
    """Make the encoder of a TokenClassifier whole at the end of each epoch, for the callbacks after this one."""

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.model.settle()


class EntityReport(keras.callbacks.Callback):
    """Score entities at the end of each epoch; adds `val_entity_precision`, `_recall` and `_f1` to the logs.

    `score` is called without arguments and gives EntityScores; `dataset_scorer` makes one from a dataset of (x, y, mask).
    `show` receives the scores, for example to print the table of types.
    """

    def __init__(
        self,
        score: Callable[[], EntityScores],
        show: Callable[[EntityScores], None] | None = None,
        prefix: str = "val_",
    ):
        super().__init__()
        self.score = score
        self.show = show
        self.prefix = prefix

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        scores = self.score()
        if logs is not None:
            for name in ("precision", "recall", "f1"):
                logs[f"{self.prefix}entity_{name}"] = getattr(scores.micro, name)
        if self.show:
            self.show(scores)


class BestWeights(keras.callbacks.Callback):
    """Keep the weights of the best epoch by any logged metric, and always end the training with them.

    They are a checkpoint in the folder `path`, beside those that were the best before. Without a metric (None) the last epoch counts as
    the best.
    Unlike EarlyStopping(restore_best_weights=True), the best are restored however the training ends. `mode` is "max" or "min";
    None takes "min" for names that hold "loss". `patience` stops after so many epochs without a better value. An epoch without a
    finite value of the metric is not better than any; a metric that is not logged at all is an error that names those that are.
    """

    def __init__(
        self,
        path: str | Path,
        monitor: str | None = "val_entity_f1",
        mode: str | None = None,
        patience: int | None = None,
    ):
        super().__init__()
        self.checkpoints = Checkpoints(
            Path(path), "best", kept=3
        )  # a state that is gone back to may be two epochs older
        self.monitor = monitor
        self.sign = (
            -1.0 if (mode or ("min" if "loss" in (monitor or "") else "max")) == "min" else 1.0
        )
        self.patience = patience
        self.best: float | None = None
        self.best_epoch: int | None = None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        value = self._value(epoch, logs or {})
        if math.isfinite(value) and (
            self.best is None or self.sign * value > self.sign * self.best
        ):
            self.checkpoints.write(
                name_of_epoch(epoch),
                tf.train.Checkpoint(model=self.model),
                monitor=self.monitor,
                value=value,
            )
            self.best, self.best_epoch = value, epoch
        waited = epoch - (self.best_epoch if self.best_epoch is not None else -1)
        if self.patience is not None and waited >= self.patience:
            logger.info(
                "no better %s for %d epochs: stopping after epoch %d",
                self.monitor,
                waited,
                epoch + 1,
            )
            self.model.stop_training = True

    def _value(self, epoch: int, logs: dict[str, Any]) -> float:
        if self.monitor is None:
            return float(epoch)
        if self.monitor not in logs:
            raise KeyError(
                f"monitor {self.monitor!r} is not logged; logged are {', '.join(sorted(logs))}"
            )
        return float(logs[self.monitor])

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self.restore()

    def go_on(self, best: float | None, best_epoch: int | None) -> None:
        """Take up what was the best; what became it later is forgotten, as its epochs come again."""
        self.best, self.best_epoch = best, best_epoch
        self.checkpoints.remove_after("" if best_epoch is None else name_of_epoch(best_epoch))

    def restore(self) -> None:
        """Put the best weights back; does nothing while there are none.

        Raises:
            ModelError: they and those that were the best before are damaged or gone.
        """
        if self.best_epoch is None:
            return
        if (
            self.checkpoints.restore(
                tf.train.Checkpoint(model=self.model), newest=name_of_epoch(self.best_epoch)
            )
            is None
        ):
            raise ModelError(
                f"{self.checkpoints.folder}: expected the weights of epoch {self.best_epoch + 1}, found none"
            )


class Throughput(keras.callbacks.Callback):
    """Add `learning_rate`, `seconds` and `windows_per_second` of each epoch to the logs; `windows` is their number in an epoch."""

    def __init__(self, windows: int):
        super().__init__()
        self._supports_tf_logs = True  # a callback that asks for numbers after each step makes each step wait for its device
        self.windows = windows
        self.seconds = 0.0  # of training alone, all epochs together

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._start = time.perf_counter()
        self._steps = 0  # fewer than an epoch has where a run goes on

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._steps += 1

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        seconds = time.perf_counter() - self._start
        self.seconds += seconds
        if logs is not None:
            logs["learning_rate"] = current_learning_rate(self.model.optimizer)
            logs["seconds"] = seconds
            logs["windows_per_second"] = (
                self.windows
                * self._steps
                / (self.params.get("steps") or max(self._steps, 1))
                / seconds
            )


class MetricsLog(keras.callbacks.Callback):
    """One JSON line an epoch with everything in the logs; lines of epochs that are done again are replaced."""

    def __init__(self, path: str | Path):
        super().__init__()
        self.path = Path(path)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        line = {"epoch": epoch + 1, **{name: float(value) for name, value in (logs or {}).items()}}
        kept = [text for text in self._lines() if json.loads(text)["epoch"] <= epoch]
        temporary = self.path.with_suffix(".tmp")
        with writing(self.path):
            temporary.write_text(
                "".join(f"{text}\n" for text in [*kept, json.dumps(line)]), encoding="utf-8"
            )
            temporary.replace(self.path)

    def _lines(self) -> list[str]:
        return self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []


class ProgressBar(keras.callbacks.Callback):
    """A bar with rate, time left, loss and F1 on a terminal; lines where output is piped, with StepMetrics' facts if it stands before.

    Lines come when `is_due` says, and after each epoch.
    """

    def __init__(self, console: Console):
        super().__init__()
        self._supports_tf_logs = True
        self.console = console
        self.bar: Progress | None = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self.console.is_terminal and not self.console.quiet:
            fields = (
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[facts]}"),
            )
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), *fields)
            self.bar = bar = Progress(*columns, console=self.console)
            bar.start()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.title = f"epoch {epoch + 1}/{self.params['epochs']}"
        self._start = time.perf_counter()
        self._first: int | None = None  # batch of the epoch, not 0 where a run goes on
        self._drawn = -math.inf
        if self.bar:
            self.task = self.bar.add_task(self.title, total=self.params["steps"], rate="", facts="")

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        steps = self.params["steps"] or 0
        self._first = batch if self._first is None else self._first
        rate = (batch + 1 - self._first) / (time.perf_counter() - self._start)
        if self.bar:
            now = time.monotonic()
            if now - self._drawn >= DRAWN_EVERY:
                self._drawn = now
                self.bar.update(
                    self.task, completed=batch + 1, rate=f"{rate:.1f} steps/s", facts=describe(logs)
                )
        elif is_due(batch + 1, steps):
            rate = (logs or {}).get("steps_per_second", rate)
            left = f"  {(steps - batch - 1) / rate:.0f} s left" if steps else ""
            self.console.print(
                f"{self.title}  step {batch + 1}/{steps or '?'}  {rate:.1f} steps/s{left}  {describe(logs)}"
            )

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.bar:
            self.bar.update(self.task, completed=self.params["steps"], facts=describe(logs))
        self.console.print(f"{self.title}  {describe(logs)}")

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self.close()

    def close(self) -> None:
        """Leave the terminal as it was; also after an interrupt."""
        if self.bar:
            self.bar.stop()
            self.bar = None


def name_of_epoch(epoch: int) -> str:
    """Of its checkpoint; in the order of epochs."""
    return f"best-{epoch + 1:06d}"


def describe(logs: dict[str, Any] | None) -> str:
    """The figures a person watches: loss, training F1, dev F1, and what StepMetrics has to say."""
    logs = logs or {}
    shown = {
        "loss": "loss {:.4f}",
        "entity_f1": "train F1 {:.3f}",
        "val_entity_f1": "dev F1 {:.4f}",
    }
    scores = [form.format(float(logs[name])) for name, form in shown.items() if name in logs]
    return "  ".join([*scores, *filter(None, [describe_metrics(logs)])])


def current_learning_rate(optimizer: keras.optimizers.Optimizer) -> float:
    """The learning rate of the last update, also where a schedule gives it."""
    return float(optimizer.learning_rate.numpy())
