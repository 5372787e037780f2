"""Lay out the plots of a search: where each trial lies in a drawing, for the page's SVG."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from typing import Any

from tfner.evaluation.report.axes import (
    FLOOR,
    LEFT,
    RIGHT,
    SMALL,
    TICKS,
    TOP,
    WIDTH,
    Line,
    Plot,
    Point,
    Position,
    Tick,
    between,
    linear,
)
from tfner.training.search.progress import describe_result, describe_settings, percent, plain
from tfner.training.search.records import TrialRecord, best_of, ranked

MOST_NAMES = 8  # of a setting's values below one axis
OUTLIER = 3.0  # finished trials so many times farther below the median than the best is above it
POINT = 0.01  # of F1: the least that an axis shows


def f1_axis(records: Sequence[TrialRecord]) -> tuple[Position, list[Tick]]:
    """Choose the axis of dev F1: from the worst finished trial, but for outliers, to the best.

    Trials below it, such as those that were pruned early, lie on its border.
    """
    scores = [record.f1 or 0.0 for record in ranked(records)] or [0.0]
    best = max(scores)
    median = statistics.median(scores)
    spread = max(best - median, POINT)
    lowest = median - OUTLIER * spread
    low = max(min(scores), lowest, 0.0)
    if low == best:
        low -= POINT
    position = linear(low, best, FLOOR, TOP)
    ticks = []
    for value in between(low, best):
        label = percent(value)
        ticks.append(Tick(position(value), label))
    return position, ticks


def plot_trials(records: Sequence[TrialRecord]) -> Plot:
    """Lay out the trials in their order, and the best until each."""
    y_position, y_ticks = f1_axis(records)
    last = max((record.number for record in records), default=1)
    right = WIDTH - RIGHT
    x_position = linear(1, last, LEFT, right)
    points, x_ticks, corners = [], [], []
    for record in records:
        x = x_position(record.number)
        points.append(make_point(record, x, y_position, records))
    for number in sorted(set(map(round, between(1, last)))):
        x = x_position(number)
        x_ticks.append(Tick(x, str(number)))
    for number, f1 in best_until(records):
        x = x_position(number)
        corners.append((x, y_position(f1)))
    lines = [Line("best", stepped(corners, right))]
    return Plot("Trials in their order", points, x_ticks, y_ticks, WIDTH, lines)


def plot_setting(name: str, records: Sequence[TrialRecord], *, is_log: bool = False) -> Plot:
    """Lay out the trials by the value of one setting, on a logarithmic axis if `is_log`."""
    y_position, y_ticks = f1_axis(records)
    values = [record.settings.get(name) for record in records]
    x_position, x_ticks = value_axis(values, is_log=is_log)
    points = []
    for record, value in zip(records, values, strict=True):
        x = x_position(value)
        points.append(make_point(record, x, y_position, records))
    return Plot(name, points, x_ticks, y_ticks, SMALL)


def value_axis(values: Sequence[Any], *, is_log: bool) -> tuple[Callable[[Any], float], list[Tick]]:
    """Choose the axis of a setting: numbers by size, few values or texts a column each."""
    distinct = list(dict.fromkeys(values))
    is_number = all(type(value) in (int, float) for value in distinct)
    if is_number:
        distinct.sort()
    if is_number and len(distinct) > TICKS:
        return number_axis(distinct, is_log=is_log)
    last = len(distinct) - 0.5
    spread = linear(-0.5, last, LEFT, SMALL - RIGHT)
    positions = {value: spread(number) for number, value in enumerate(distinct)}
    ticks = []
    for value in distinct[:MOST_NAMES]:
        label = plain(value)
        ticks.append(Tick(positions[value], label))
    return positions.__getitem__, ticks


def number_axis(
    numbers: Sequence[float], *, is_log: bool
) -> tuple[Callable[[Any], float], list[Tick]]:
    """Choose the axis of numbers that rise."""
    scale, back = (math.log, math.exp) if is_log else (float, float)
    low, high = scale(numbers[0]), scale(numbers[-1])
    right = SMALL - 2 * RIGHT
    spread = linear(low, high, LEFT + RIGHT, right)
    ticks = []
    for scaled in between(low, high):
        label = f"{back(scaled):.2g}"
        ticks.append(Tick(spread(scaled), label))

    def position(value: float) -> float:
        scaled = scale(value)
        return spread(scaled)

    return position, ticks


def make_point(
    record: TrialRecord, x: float, y_position: Position, records: Sequence[TrialRecord]
) -> Point:
    """Make the point of a trial; one without a result lies at the bottom."""
    y = FLOOR
    if record.f1 is not None:
        y = y_position(record.f1)
    kind = record.state
    if record.is_base:
        kind = "base"
    if record is best_of(records):
        kind = "best"
    result = describe_result(record)
    settings = describe_settings(record.settings)
    title = f"trial {record.number}: {result} – {settings}"
    return Point(x, y, kind, title)


def best_until(records: Sequence[TrialRecord]) -> list[tuple[int, float]]:
    """List the trials that were better than all before, with their F1.

    >>> best_until([TrialRecord(n, "finished", f1) for n, f1 in ((1, 0.5), (2, 0.4), (3, 0.6))])
    [(1, 0.5), (3, 0.6)]
    """
    best = -1.0
    found = []
    for record in sorted(ranked(records), key=lambda each: each.number):
        f1 = record.f1 or 0.0
        if f1 > best:
            best = f1
            found.append((record.number, f1))
    return found


def stepped(corners: Sequence[tuple[float, float]], end: float) -> list[tuple[float, float]]:
    """Draw a value that holds until the next as a line that goes right, then up.

    >>> stepped([(1.0, 9.0), (3.0, 4.0)], end=5.0)
    [(1.0, 9.0), (3.0, 9.0), (3.0, 4.0), (5.0, 4.0)]
    """
    line = []
    height: float | None = None
    for x, y in [*corners, (end, None)]:
        if height is not None:
            line.append((x, height))
        if y is not None:
            line.append((x, y))
        height = y
    return line
