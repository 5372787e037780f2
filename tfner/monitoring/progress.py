"""Show progress on a stream: a bar on a terminal, a plain line now and then where it is piped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Column

from tfner.monitoring.events import log_event

Item = TypeVar("Item")
Clock = Callable[[], float]
Show = Callable[["Meter"], None]
LINE_SECONDS = 10.0


class Meter:
    """Count what is done, and show it after each step.

    Args:
        what: the name of what is counted, for example "documents".
        total: how many there are; None if nobody knows.
        show: gets this meter after each step.
        clock: gives seconds from any beginning.
    """

    def __init__(self, what: str, total: int | None, show: Show, clock: Clock = time.monotonic):
        self.what = what
        self.total = total
        self.done = self.words = self._skipped = 0
        self._show = show
        self._clock = clock
        self._start = clock()

    def advance(self, count: int, words: int = 0) -> None:
        """Count so many more as done, with so many words."""
        self.done += count
        self.words += words
        self._show(self)

    def skip(self, count: int) -> None:
        """Count so many more as done by an earlier run; they do not enter the rate."""
        self._skipped += count
        self.advance(count)

    @property
    def seconds(self) -> float:
        """Measure the seconds since the beginning."""
        return max(self._clock() - self._start, 1e-9)

    @property
    def speed(self) -> str:
        """Format the rate, for example `12,345 words/s, 0:01:02 left`; without words `123/s`."""
        seconds = self.seconds
        per_second = (self.done - self._skipped) / seconds
        rate = f"{self.words / seconds:,.0f} words/s" if self.words else f"{per_second:,.0f}/s"
        if not self.total or not per_second:
            return rate
        left = time_left(self.total - self.done, per_second)
        return f"{rate}, {left}"


def time_left(items: int, per_second: float) -> str:
    """Format how long so many items will take, for example `0:01:02 left`.

    >>> time_left(31, 0.5)
    '0:01:02 left'
    """
    seconds = round(max(items, 0) / per_second) if per_second else 0
    return f"{timedelta(seconds=seconds)} left"


def one_line_bar(console: Console, *names: str) -> Progress:
    """Make a bar with a title and counts, and behind it the fields of these names.

    A task is one line, however narrow the terminal: the bar gives way first, then the ends of the
    texts. It is gone at the end.
    """
    names_of_columns = ["{task.description}", *(f"{{task.fields[{name}]}}" for name in names)]
    title, *fields = [TextColumn(name, table_column=unbroken()) for name in names_of_columns]
    bar = BarColumn(bar_width=None, table_column=Column(ratio=1))
    counts = MofNCompleteColumn(table_column=unbroken())
    options: Any = {"console": console, "transient": True, "expand": True}
    return Progress(title, bar, counts, *fields, **options)


def unbroken() -> Column:
    """Make a column whose text is cut rather than broken into lines."""
    return Column(no_wrap=True, overflow="ellipsis")


@contextmanager
def meter(console: Console, what: str, total: int | None = None) -> Iterator[Meter]:
    """Show how many are done and how fast; the time left if `total` is known."""
    if console.quiet or not console.is_terminal:
        yield Meter(what, total, PlainLines(console))
        return
    with one_line_bar(console, "speed") as progress:
        task = progress.add_task(what, total=total, speed="")

        def update(meter: Meter) -> None:
            progress.update(task, completed=meter.done, speed=meter.speed)

        yield Meter(what, total, update)


class PlainLines:
    """Print a line and log an event, every LINE_SECONDS at most."""

    def __init__(self, console: Console, clock: Clock = time.monotonic):
        self._console = console
        self._clock = clock
        self._said = clock()

    def __call__(self, meter: Meter) -> None:
        now = self._clock()
        if now - self._said < LINE_SECONDS:
            return
        self._said = now
        of_total = f" of {meter.total:,}" if meter.total else ""
        line = f"{meter.what}: {meter.done:,}{of_total}, {meter.speed}"
        self._console.print(line, markup=False)
        fields: dict[str, Any] = {"what": meter.what, "done": meter.done, "total": meter.total}
        if meter.words:
            fields["words"] = meter.words
        log_event("progress", **fields, seconds=round(meter.seconds, 3))


def track(
    items: Iterable[Item], console: Console, what: str, total: int | None = None
) -> Iterator[Item]:
    """Pass items on and show how many there were, how fast, and the time left until `total`."""
    with meter(console, what, total) as shown:
        for item in items:
            yield item
            shown.advance(1)
