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
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from tfner.monitoring.events import events, log_event
from tfner.training.search.records import TrialRecord, best_of

COLUMNS = ("{task.description}", "{task.fields[epoch]}", "{task.fields[rate]}")


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
            self.console.print(f"going on: {counts}, {best_text(records)}")
        if self.console.quiet or not self.console.is_terminal:
            yield
            return
        title, epoch, rate = map(TextColumn, COLUMNS)
        columns = (title, BarColumn(), MofNCompleteColumn(), epoch, rate)
        with Progress(*columns, console=self.console, transient=True) as bar:
            shown: Any = {"completed": len(records), "epoch": "", "rate": best_text(records)}
            self._task = bar.add_task("trials", total=total, **shown)
            self._bar = bar
            try:
                yield
            finally:
                self._bar = None

    def begin_trial(self, number: int, settings: Mapping[str, Any]) -> None:
        """Show what the trial that begins has drawn."""
        self._number = number
        self.console.print(f"trial {number}: {describe_settings(settings)}")
        log_event("trial_begin", trial=number, settings=dict(settings))
        if self._bar:
            self._bar.update(self._task, description=f"trial {number}", epoch="")

    def show_epoch(self, epoch: int, epochs: int, f1: float) -> None:
        """Show the dev F1 of an epoch of the trial."""
        text = f"epoch {epoch}/{epochs}  dev F1 {percent(f1)}"
        if self._bar:
            self._bar.update(self._task, epoch=text)
        else:
            self.console.print(f"trial {self._number}  {text}")

    def end_trial(self, records: Sequence[TrialRecord], number: int) -> None:
        """Show what became of a trial, and how long the others will take."""
        record = next(each for each in records if each.number == number)
        rate = self._rate(len(records))
        result = describe_result(record)
        counts = f"{len(records)} of {self._total} done"
        self.console.print(f"trial {number}: {result}; {best_text(records)}; {counts}{rate}")
        best = best_of(records)
        found = {"state": record.state, "f1": record.f1, "best_f1": best.f1 if best else None}
        log_event("trial_end", trial=number, **found, done=len(records), total=self._total)
        if self._bar:
            shown = {"completed": len(records), "rate": f"{best_text(records)}{rate}"}
            self._bar.update(self._task, epoch="", **shown)

    def _rate(self, done: int) -> str:
        """Format the seconds a trial takes and the time left, over all processes together."""
        ended = done - self._before
        if ended < 1:
            return ""
        seconds = (self._clock() - self._start) / ended
        left = timedelta(seconds=round(seconds * max(self._total - done, 0)))
        return f", {seconds:.3g} s a trial, {left} left"


def describe_result(record: TrialRecord) -> str:
    """Put into words what became of a trial.

    >>> describe_result(TrialRecord(3, "pruned", 0.25))
    'dev F1 25.00 when it was pruned'
    """
    if record.state == "failed":
        return f"no result: {record.reason}"
    pruned = " when it was pruned" if record.state == "pruned" else ""
    twin = f", as trial {record.twin}, which had the same settings" if record.twin else ""
    return f"dev F1 {percent(record.f1)}{pruned}{twin}"


def best_text(records: Sequence[TrialRecord]) -> str:
    """Put into words which trial is the best until now."""
    best = best_of(records)
    return f"best {percent(best.f1)} (trial {best.number})" if best else "none finished yet"


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
    return f"{value:g}" if isinstance(value, float) else str(value)


def percent(f1: float | None) -> str:
    """Write F1 in points of a hundred, as papers do."""
    return "" if f1 is None else f"{100 * f1:.2f}"


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
