"""Show how far a search has come: trials, the best F1, seconds a trial, the time left.

A line a trial and an epoch where output is piped; on a terminal a bar instead of the epochs.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from rich.console import Console
from rich.progress import Progress

from tfner.monitoring.events import events, log_event
from tfner.monitoring.progress import one_line_bar
from tfner.training.search.records import TrialRecord, best_of


class SearchProgress:
    """Show the trials of a search on a console, and log them as events.

    Args:
        console: standard error, so that results can be piped.
        clock: gives seconds from any beginning.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic):
        self.console = console
        self._clock = clock
        self._bar: Progress | None = None
        self._number = 0

    @contextmanager
    def shown(self, records: Sequence[TrialRecord], total: int) -> Iterator[None]:
        """Show the progress from the trials that have ended before until `total` have."""
        self._start = self._clock()
        self._before = len(records)
        self._total = total
        if 0 < len(records) < total:
            counts = f"{len(records)} of {total} trials have ended"
            best = best_text(records)
            self.console.print(f"going on: {counts}, {best}")
        if self.console.quiet or not self.console.is_terminal:
            yield
            return
        with one_line_bar(self.console, "epoch", "rate") as bar:
            best = best_text(records)
            shown: Any = {"total": total, "completed": len(records)}
            self._task = bar.add_task("trials", epoch="", rate=best, **shown)
            self._bar = bar
            try:
                yield
            finally:
                self._bar = None

    def begin_trial(self, number: int, settings: Mapping[str, Any]) -> None:
        """Show what the trial that begins has drawn."""
        self._number = number
        drawn = describe_settings(settings)
        self.console.print(f"trial {number}: {drawn}")
        log_event("trial_begin", trial=number, settings=dict(settings))
        if self._bar:
            title = f"trial {number}"
            self._bar.update(self._task, description=title, epoch="")

    def show_epoch(self, epoch: int, epochs: int, f1: float) -> None:
        """Show the dev F1 of an epoch of the trial."""
        score = percent(f1)
        text = f"epoch {epoch}/{epochs}  dev F1 {score}"
        if self._bar:
            self._bar.update(self._task, epoch=text)
        else:
            self.console.print(f"trial {self._number}  {text}")

    def end_trial(self, records: Sequence[TrialRecord], number: int) -> None:
        """Show what became of a trial, and how long the others will take."""
        record = next(each for each in records if each.number == number)
        done = len(records)
        rate = self._rate(done)
        result = describe_result(record)
        best = best_text(records)
        counts = f"{done} of {self._total} done"
        self.console.print(f"trial {number}: {result}; {best}; {counts}{rate}")
        found: Any = {"trial": number, "state": record.state, "f1": record.f1}
        leader = best_of(records)
        found["best_f1"] = leader and leader.f1
        log_event("trial_end", **found, done=done, total=self._total)
        if self._bar:
            shown = f"{best}{rate}"
            self._bar.update(self._task, epoch="", completed=done, rate=shown)

    def _rate(self, done: int) -> str:
        """Format the seconds a trial takes and the time left, over all processes together."""
        ended = done - self._before
        if ended < 1:
            return ""
        spent = self._clock() - self._start
        seconds = spent / ended
        trials = max(self._total - done, 0)
        left = timedelta(seconds=round(seconds * trials))
        return f", {seconds:.3g} s a trial, {left} left"


def describe_result(record: TrialRecord) -> str:
    """Put into words what became of a trial.

    >>> describe_result(TrialRecord(3, "pruned", 0.25))
    'dev F1 25.00 when it was pruned'
    """
    if record.state == "failed":
        return f"no result: {record.reason}"
    result = f"dev F1 {percent(record.f1)}"
    if record.state == "pruned":
        result += " when it was pruned"
    if record.twin:
        result += f", as trial {record.twin}, which had the same settings"
    return result


def best_text(records: Sequence[TrialRecord]) -> str:
    """Put into words which trial is the best until now."""
    best = best_of(records)
    if best is None:
        return "none finished yet"
    score = percent(best.f1)
    return f"best {score} (trial {best.number})"


def describe_settings(settings: Mapping[str, Any]) -> str:
    """List the values of settings.

    >>> describe_settings({"training.epochs": 3, "model.head": "crf"})
    'training.epochs 3, model.head crf'
    """
    return ", ".join(f"{key} {plain(value)}" for key, value in settings.items())


def plain(value: Any) -> str:
    """Write a value as a person would type it."""
    if value is None:
        return "null"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def percent(f1: float | None) -> str:
    """Write F1 in points of a hundred, as papers do."""
    if f1 is None:
        return ""
    return f"{100 * f1:.2f}"


@contextmanager
def said_once() -> Iterator[None]:
    """Write each line of the log once: every trial would say again what was dropped from the data.

    Events pass, which have values of their own trial.
    """
    seen: set[str] = set()

    def is_new(record: logging.LogRecord) -> bool:
        message = record.getMessage()
        known = message in seen
        seen.add(message)
        return not known or record.name == events.name

    handlers = list(logging.getLogger().handlers)
    for handler in handlers:
        handler.addFilter(is_new)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(is_new)
