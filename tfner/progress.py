"""Progress of work on a stream: a bar on a terminal, a plain line now and then where output is piped."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Item = TypeVar("Item")
LINE_SECONDS = 10.0


def track(items: Iterable[Item], console: Console, what: str, total: int | None = None) -> Iterator[Item]:
    """Pass items on and show how many there were, how fast, and how long the rest will take where `total` is known."""
    return track_with_bar(items, console, what, total) if console.is_terminal else track_with_lines(items, console, what, total)


def track_with_bar(items: Iterable[Item], console: Console, what: str, total: int | None) -> Iterator[Item]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TaskProgressColumn(show_speed=True),
               TimeElapsedColumn(), TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=console, transient=True) as progress:
        yield from progress.track(items, total=total, description=what)


def track_with_lines(items: Iterable[Item], console: Console, what: str, total: int | None) -> Iterator[Item]:
    start = said = time.monotonic()
    for number, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - said >= LINE_SECONDS:
            said = now
            rate = number / (now - start)
            left = f", {(total - number) / rate:.0f} s left" if total else ""
            console.print(f"{what}: {number}{f' of {total}' if total else ''}, {rate:.0f}/s{left}")
