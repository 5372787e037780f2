"""Define callbacks for any Keras `fit`: entity scores, best weights, a log of metrics, progress.

Their order in the list matters: EntityReport puts scores into Keras's `logs`, and the callbacks
that read them stand behind it. `state.resume_callback` has the one to go on from.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow as tf
import tf_keras as keras
from rich.console import Console
from rich.progress import Progress

from tfner.evaluation.scores import EntityScores
from tfner.exceptions import ModelError
from tfner.model.keras_internals import leave_logs_on_device
from tfner.monitoring.progress import one_line_bar, time_left
from tfner.monitoring.step_metrics import describe_metrics, is_due
from tfner.safeio.whole_files import write_text_whole
from tfner.training.state.checkpoints import Checkpoints
from tfner.training.state.storage import writing

logger = logging.getLogger(__name__)
DRAWN_EVERY = 0.1  # seconds
BAR_COLUMNS = 6  # of a terminal, at least
GAP = "  "
FORMS = {"loss": "loss {:.4f}", "entity_f1": "train F1 {:.3f}", "val_entity_f1": "dev F1 {:.4f}"}
Score = Callable[[], EntityScores]
Show = Callable[[EntityScores], None]


class EntityReport(keras.callbacks.Callback):
    """Score entities at the end of each epoch, and log `val_entity_precision`, `_recall` and `_f1`.

    `score` is called without arguments and gives EntityScores; `dataset_scorer` makes one from a
    dataset of (x, y, mask). `show` receives the scores, for example to print the table of types.
    """

    def __init__(self, score: Score, show: Show | None = None, prefix: str = "val_"):
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
    """Keep the weights of the best epoch by any logged metric, and end the training with them.

    Unlike EarlyStopping(restore_best_weights=True), the best are restored however the training
    ends. Of epochs that are equally good the latest is kept. An epoch without a finite value of
    the metric is never the best; a metric that is not logged at all is an error that names those
    that are.

    Args:
        path: folder for checkpoints of the best weights and of those that were the best before.
        monitor: the metric; None keeps the last epoch.
        mode: "max" or "min"; None takes "min" for names that hold "loss".
        patience: stop after so many epochs that did not raise the best value; None = never.

    Attributes:
        best, best_epoch: the best value so far and the epoch, from 0, whose weights are kept.
        improved_epoch: the epoch that reached the best value first.
    """

    def __init__(
        self,
        path: str | Path,
        monitor: str | None = "val_entity_f1",
        mode: str | None = None,
        patience: int | None = None,
    ):
        super().__init__()
        # Three, because a state that is gone back to may be two epochs older.
        self.checkpoints = Checkpoints(Path(path), "best", kept=3)
        self.monitor = monitor
        mode = mode or ("min" if "loss" in (monitor or "") else "max")
        self.sign = -1.0 if mode == "min" else 1.0
        self.patience = patience
        self.best: float | None = None
        self.best_epoch: int | None = None
        self.improved_epoch: int | None = None

    def rewind_to(
        self, best: float | None, best_epoch: int | None, improved_epoch: int | None = None
    ) -> None:
        """Return to an earlier best; later checkpoints are removed, as their epochs come again."""
        self.best = best
        self.best_epoch = best_epoch
        self.improved_epoch = best_epoch if improved_epoch is None else improved_epoch
        newest = "" if best_epoch is None else name_of_epoch(best_epoch)
        self.checkpoints.remove_after(newest)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        value = self._value(epoch, logs or {})
        gain = math.inf if self.best is None else self.sign * (value - self.best)
        if math.isfinite(value) and gain >= 0:
            self._keep(epoch, value)
            if gain > 0:
                self.improved_epoch = epoch
        self._stop_if_patience_ends(epoch)

    def _keep(self, epoch: int, value: float) -> None:
        if sync := getattr(self.model, "sync_embeddings", None):
            sync()  # a TokenClassifier may train some rows of its embeddings apart
        checkpoint = tf.train.Checkpoint(model=self.model)
        name = name_of_epoch(epoch)
        self.checkpoints.write(name, checkpoint, monitor=self.monitor, value=value)
        self.best, self.best_epoch = value, epoch

    def _stop_if_patience_ends(self, epoch: int) -> None:
        improved = -1 if self.improved_epoch is None else self.improved_epoch
        waited = epoch - improved
        if self.patience is not None and waited >= self.patience:
            message = "no better %s for %d epochs: stopping after epoch %d"
            logger.info(message, self.monitor, waited, epoch + 1)
            self.model.stop_training = True

    def _value(self, epoch: int, logs: dict[str, Any]) -> float:
        if self.monitor is None:
            return float(epoch)
        if self.monitor not in logs:
            logged = ", ".join(sorted(logs))
            raise KeyError(f"monitor {self.monitor!r} is not logged; logged are {logged}")
        return float(logs[self.monitor])

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self.restore()

    def restore(self) -> None:
        """Put the best weights back; do nothing while there are none.

        Raises:
            ModelError: they and those that were the best before are damaged or gone.
        """
        if self.best_epoch is None:
            return
        checkpoint = tf.train.Checkpoint(model=self.model)
        newest = name_of_epoch(self.best_epoch)
        if self.checkpoints.restore(checkpoint, newest=newest) is None:
            expected = f"expected the weights of epoch {self.best_epoch + 1}, found none"
            raise ModelError(f"{self.checkpoints.folder}: {expected}")


class Elapsed(NamedTuple):
    """Wall time of a training in seconds, over all processes that carried it out.

    `fit` holds everything between its begin and end; `training` the steps alone, without scores
    and checkpoints after an epoch; `epoch` the steps of the epoch that is under way.
    """

    fit: float = 0.0
    training: float = 0.0
    epoch: float = 0.0


class Throughput(keras.callbacks.Callback):
    """Add `learning_rate`, `seconds` and `windows_per_second` of each epoch to the logs.

    `windows` is the number of windows in an epoch. `elapsed` tells the time of the whole training;
    a training that goes on gives `rewind_to` the time that was spent before.
    """

    def __init__(self, windows: int):
        super().__init__()
        leave_logs_on_device(self)
        self.windows = windows
        self.rewind_to(Elapsed())

    def rewind_to(self, spent: Elapsed) -> None:
        """Count on from `spent`."""
        self._spent = spent
        self._fit_begin: float | None = None
        self._epoch_begin: float | None = None

    def elapsed(self) -> Elapsed:
        """Tell the time until now."""
        now = time.perf_counter()
        in_fit = 0.0 if self._fit_begin is None else now - self._fit_begin
        in_epoch = 0.0 if self._epoch_begin is None else now - self._epoch_begin
        fit, training, epoch = self._spent
        return Elapsed(fit + in_fit, training + in_epoch, epoch + in_epoch)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._fit_begin = time.perf_counter()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self.rewind_to(self.elapsed())

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch_begin = time.perf_counter()
        self._steps = 0  # fewer than an epoch has where a run goes on

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._steps += 1

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        before = self._spent
        elapsed = self.elapsed()
        self._spent = Elapsed(before.fit, elapsed.training)
        self._epoch_begin = None
        if logs is not None:
            steps = self.params.get("steps") or max(self._steps, 1)
            windows = self.windows * self._steps / steps
            rate = self.model.optimizer.learning_rate  # of the last update, where it has a schedule
            logs["learning_rate"] = float(rate.numpy())
            logs["seconds"] = elapsed.epoch
            logs["windows_per_second"] = windows / (elapsed.epoch - before.epoch)


class MetricsLog(keras.callbacks.Callback):
    """Write a JSON line with all logs after each epoch; epochs done again replace their lines."""

    def __init__(self, path: str | Path):
        super().__init__()
        self.path = Path(path)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        values = {name: float(value) for name, value in (logs or {}).items()}
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        kept = [line for line in lines if json.loads(line)["epoch"] <= epoch]
        kept.append(json.dumps({"epoch": epoch + 1, **values}))
        with writing(self.path):
            write_text_whole(self.path, "\n".join(kept) + "\n")


class ProgressBar(keras.callbacks.Callback):
    """Show rate, time left, loss and F1: as a bar on a terminal, as lines where output is piped.

    The bar is one line that is replaced, above it a line for each epoch that is over; neither is
    wider than the terminal. Piped lines come when `is_due` says, and after each epoch. They hold
    the metrics of StepMetrics if that stands before this callback.
    """

    def __init__(self, console: Console):
        super().__init__()
        leave_logs_on_device(self)
        self.console = console
        self.bar: Progress | None = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self.console.is_terminal and not self.console.quiet:
            self.bar = one_line_bar(self.console, "rate", "metrics")
            self.bar.start()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.title = f"epoch {epoch + 1}/{self.params['epochs']}"
        self._start = time.perf_counter()
        self._first: int | None = None  # batch of the epoch, not 0 where a run goes on
        self._drawn = -math.inf
        if self.bar:
            steps = self.params["steps"]
            self.task = self.bar.add_task(self.title, total=steps, rate="", metrics="")

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        steps = self.params["steps"] or 0
        done = batch + 1
        self._first = batch if self._first is None else self._first
        rate = (done - self._first) / (time.perf_counter() - self._start)
        if self.bar:
            self._draw(self.bar, done, rate, logs)
        elif is_due(done, steps):
            rate = (logs or {}).get("steps_per_second", rate)
            left = f"  {(steps - done) / rate:.0f} s left" if steps else ""
            step = f"step {done}/{steps or '?'}  {rate:.1f} steps/s{left}"
            self.console.print(f"{self.title}  {step}  {describe_logs(logs)}")

    def _draw(self, bar: Progress, done: int, rate: float, logs: dict[str, Any] | None) -> None:
        now = time.monotonic()
        if now - self._drawn < DRAWN_EVERY:
            return
        self._drawn = now
        steps = self.params["steps"]
        speed = f"{rate:.1f} steps/s"
        if steps:
            left = time_left(steps - done, rate)
            speed = f"{speed} {left}"
        before = f"{self.title} {done}/{steps or '?'} {speed}"
        gaps = len(("bar", "metrics"))
        free = self.console.width - len(before) - BAR_COLUMNS - gaps
        shown = reversed(describe_scores(logs))  # F1 first, which a narrow terminal has too
        metrics = join_fitting(shown, free)
        bar.update(self.task, completed=done, rate=speed, metrics=metrics)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.bar is None:
            self.console.print(f"{self.title}  {describe_logs(logs)}")
            return
        self.bar.remove_task(self.task)
        metrics = describe_metrics(logs or {}).split(GAP)
        line = join_fitting([self.title, *describe_scores(logs), *metrics], self.console.width)
        self.console.print(line)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self.close()

    def close(self) -> None:
        """Leave the terminal as it was; also after an interrupt."""
        if self.bar:
            self.bar.stop()
            self.bar = None


def name_of_epoch(epoch: int) -> str:
    """Name an epoch's checkpoint, so that alphabetical order is the order of epochs."""
    return f"best-{epoch + 1:06d}"


def describe_logs(logs: dict[str, Any] | None) -> str:
    """Format what a person watches: loss, training F1, dev F1, metrics of StepMetrics."""
    shown = [*describe_scores(logs), describe_metrics(logs or {})]
    return GAP.join(filter(None, shown))


def describe_scores(logs: dict[str, Any] | None) -> list[str]:
    """Format loss, training F1 and dev F1, those that are there."""
    logs = logs or {}
    return [form.format(float(logs[name])) for name, form in FORMS.items() if name in logs]


def join_fitting(texts: Iterable[str], width: int) -> str:
    """Join the first of the texts, as many as are at most so wide together.

    >>> join_fitting(["loss 0.1", "F1 0.9", "lr 0.1"], 16)
    'loss 0.1  F1 0.9'
    """
    line = ""
    for text in texts:
        longer = f"{line}{GAP}{text}" if line else text
        if len(longer) > width:
            break
        line = longer
    return line
