"""Lay out the plots of a search: where each trial lies in a drawing, for the page's SVG."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tfner.training.search.progress import describe_result, describe_settings, percent, plain
from tfner.training.search.records import TrialRecord, best_of, ranked

WIDTH, HEIGHT = 640.0, 240.0  # of a drawing, in its own units
SMALL = 360.0  # width where two stand side by side
LEFT, RIGHT, TOP, BOTTOM = 52.0, 12.0, 12.0, 30.0  # margins, which hold the labels of the axes
TICKS = 4
MOST_NAMES = 8  # of a setting's values below one axis
OUTLIER = 3.0  # finished trials so many times farther below the median than the best is above it
Position = Callable[[float], float]


@dataclass(frozen=True)
class Point:
    """Hold a trial in a plot.

    Attributes:
        x, y: in units of the drawing; y grows downwards.
        kind: its state, or `best` or `base`.
        title: what is shown where the pointer rests on it.
    """

    x: float
    y: float
    kind: str
    title: str


@dataclass(frozen=True)
class Tick:
    """Hold a label of an axis, and its position along it."""

    position: float
    label: str


@dataclass(frozen=True)
class Plot:
    """Hold what a drawing of `width` by HEIGHT shows."""

    name: str
    points: list[Point]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    width: float
    line: list[tuple[float, float]] = field(default_factory=list)  # corners of a stepped line
    height: float = HEIGHT
    left: float = LEFT
    bottom: float = HEIGHT - BOTTOM

    @property
    def right(self) -> float:
        """Find where the axes end."""
        return self.width - RIGHT


def linear(low: float, high: float, begin: float, end: float) -> Position:
    """Map numbers between two to positions between two; what lies outside goes to the border.

    >>> linear(0.0, 10.0, 100.0, 200.0)(2.5)
    125.0
    """

    def position(value: float) -> float:
        share = (value - low) / (high - low) if high > low else 0.5
        return begin + min(max(share, 0.0), 1.0) * (end - begin)

    return position


def f1_axis(records: Sequence[TrialRecord]) -> tuple[Position, list[Tick]]:
    """Choose the axis of dev F1: from the worst finished trial, but for outliers, to the best.

    Trials below it, such as those that were pruned early, lie on its border.
    """
    scores = [record.f1 or 0.0 for record in ranked(records)] or [0.0]
    best, median = max(scores), statistics.median(scores)
    lowest = median - OUTLIER * max(best - median, 0.01)
    low = max(min(scores), lowest, 0.0)
    low, high = (low, best) if best > low else (low - 0.01, best + 0.01)
    position = linear(low, high, HEIGHT - BOTTOM, TOP)
    values = [low + (high - low) * number / TICKS for number in range(TICKS + 1)]
    return position, [Tick(position(value), percent(value)) for value in values]


def plot_trials(records: Sequence[TrialRecord]) -> Plot:
    """Lay out the trials in their order, and the best until each."""
    y_position, y_ticks = f1_axis(records)
    last = max((record.number for record in records), default=1)
    x_position = linear(1, last, LEFT, WIDTH - RIGHT)
    points = [make_point(each, x_position(each.number), y_position, records) for each in records]
    numbers = sorted({1 + round((last - 1) * step / TICKS) for step in range(TICKS + 1)})
    x_ticks = [Tick(x_position(number), str(number)) for number in numbers]
    line = [(x_position(number), y_position(f1)) for number, f1 in best_until(records)]
    line = stepped(line, WIDTH - RIGHT)
    return Plot("Trials in their order", points, x_ticks, y_ticks, WIDTH, line)


def plot_setting(name: str, records: Sequence[TrialRecord], *, is_log: bool = False) -> Plot:
    """Lay out the trials by the value of one setting, on a logarithmic axis if `is_log`."""
    y_position, y_ticks = f1_axis(records)
    values = [record.settings.get(name) for record in records]
    x_position, x_ticks = value_axis(values, is_log=is_log)
    pairs = zip(records, values, strict=True)
    points = [make_point(each, x_position(value), y_position, records) for each, value in pairs]
    return Plot(name, points, x_ticks, y_ticks, SMALL)


def value_axis(values: Sequence[Any], *, is_log: bool) -> tuple[Callable[[Any], float], list[Tick]]:
    """Choose the axis of a setting: numbers by size, few values or texts a column each."""
    distinct = list(dict.fromkeys(values))
    is_number = all(type(value) in (int, float) for value in distinct)
    if not is_number or len(distinct) <= TICKS:
        names = sorted(distinct) if is_number else distinct
        spread = linear(-0.5, len(names) - 0.5, LEFT, SMALL - RIGHT)
        positions = {value: spread(number) for number, value in enumerate(names)}
        ticks = [Tick(positions[value], plain(value)) for value in names[:MOST_NAMES]]
        return positions.__getitem__, ticks
    low, high = min(distinct), max(distinct)
    scale = math.log if is_log else float
    spread = linear(scale(low), scale(high), LEFT + RIGHT, SMALL - 2 * RIGHT)
    shares = [number / TICKS for number in range(TICKS + 1)]
    shown = [low * (high / low) ** each if is_log else low + (high - low) * each for each in shares]
    ticks = [Tick(spread(scale(value)), f"{value:.2g}") for value in shown]
    return lambda value: spread(scale(value)), ticks


def make_point(
    record: TrialRecord, x: float, y_position: Position, records: Sequence[TrialRecord]
) -> Point:
    """Make the point of a trial; one without a result lies at the bottom."""
    y = HEIGHT - BOTTOM if record.f1 is None else y_position(record.f1)
    kind = "base" if record.is_base else record.state
    if record is best_of(records):
        kind = "best"
    result = describe_result(record)
    title = f"trial {record.number}: {result} – {describe_settings(record.settings)}"
    return Point(x, y, kind, title)


def best_until(records: Sequence[TrialRecord]) -> list[tuple[int, float]]:
    """List the trials that were better than all before, with their F1.

    >>> best_until([TrialRecord(n, "finished", f1) for n, f1 in ((1, 0.5), (2, 0.4), (3, 0.6))])
    [(1, 0.5), (3, 0.6)]
    """
    found: list[tuple[int, float]] = []
    for record in sorted(ranked(records), key=lambda each: each.number):
        if not found or (record.f1 or 0.0) > found[-1][1]:
            found.append((record.number, record.f1 or 0.0))
    return found


def stepped(corners: Sequence[tuple[float, float]], end: float) -> list[tuple[float, float]]:
    """Draw a value that holds until the next as a line that goes right, then up.

    >>> stepped([(1.0, 9.0), (3.0, 4.0)], end=5.0)
    [(1.0, 9.0), (3.0, 9.0), (3.0, 4.0), (5.0, 4.0)]
    """
    line: list[tuple[float, float]] = []
    for x, y in corners:
        if line:
            line.append((x, line[-1][1]))
        line.append((x, y))
    return [*line, (end, line[-1][1])] if line else []
