"""Progress of work on a stream: a bar on a terminal, a plain line now and then where output is piped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tfner.monitoring.events import log_event

Item = TypeVar("Item")
LINE_SECONDS = 10.0


class Meter:
    """Counts what is done. `show` is called after each step.

    Args:
        what: is counted, for example "documents".
        total: of these; None if nobody knows.
        clock: seconds from any beginning.
    """

    def __init__(
        self,
        what: str,
        total: int | None,
        show: Callable[[Meter], None],
        clock: Callable[[], float] = time.monotonic,
    ):
        self.what = what
        self.total = total
        self.done = self.words = self._skipped = 0
        self._show = show
        self._clock = clock
        self._start = clock()

    def advance(self, count: int, words: int = 0) -> None:
        """So many more are done, which have so many words."""
        self.done += count
        self.words += words
        self._show(self)

    def skip(self, count: int) -> None:
        """So many more were done before; the rate is that of the others."""
        self._skipped += count
        self.advance(count)

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return max(self._clock() - self._start, 1e-9)

    @property
    def speed(self) -> str:
        """For example `12,345 words/s, 0:01:02 left`; without words what is counted takes their place."""
        seconds = self.seconds
        per_second = (self.done - self._skipped) / seconds
        rate = f"{self.words / seconds:,.0f} words/s" if self.words else f"{per_second:,.0f}/s"
        if not self.total or not per_second:
            return rate
        left = max(self.total - self.done, 0) / per_second
        return f"{rate}, {timedelta(seconds=round(left))} left"


@contextmanager
def meter(console: Console, what: str, total: int | None = None) -> Iterator[Meter]:
    """Show how many are done, how fast, and how long the rest will take where `total` is known."""
    if console.quiet or not console.is_terminal:
        yield Meter(what, total, PlainLines(console))
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=total, speed="")
        yield Meter(
            what,
            total,
            lambda meter: progress.update(task, completed=meter.done, speed=meter.speed),
        )


class PlainLines:
    """A line, and an event in the log, every LINE_SECONDS at most."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic):
        self._console = console
        self._clock = clock
        self._said = clock()

    def __call__(self, meter: Meter) -> None:
        if self._clock() - self._said >= LINE_SECONDS:
            self._said = self._clock()
            of_total = f" of {meter.total:,}" if meter.total else ""
            self._console.print(
                f"{meter.what}: {meter.done:,}{of_total}, {meter.speed}", markup=False
            )
            words = {"words": meter.words} if meter.words else {}
            log_event(
                "progress",
                what=meter.what,
                done=meter.done,
                total=meter.total,
                **words,
                seconds=round(meter.seconds, 3),
            )


def track(
    items: Iterable[Item], console: Console, what: str, total: int | None = None
) -> Iterator[Item]:
    """Pass items on and show how many there were, how fast, and how long the rest will take where `total` is known."""
    with meter(console, what, total) as shown:
        for item in items:
            yield item
            shown.advance(1)
