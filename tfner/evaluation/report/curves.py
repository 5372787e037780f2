"""Lay out how trainings went: a plot of their losses by epoch, one of their dev F1."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from tfner.evaluation.report.axes import (
    FLOOR,
    LEFT,
    RIGHT,
    SMALL,
    TOP,
    Line,
    Plot,
    Point,
    Position,
    Tick,
    between,
    linear,
)

PLOTS = {"loss": ("Loss", "{:.3g}"), "dev_f1": ("Dev F1", "{:.1%}")}
Curve = Mapping[str, Any]  # as LearningCurve.to_dict gives it


class Value(NamedTuple):
    """Hold a value of an epoch, and whether it is that of the best one."""

    epoch: int
    value: float
    is_best: bool


def plot_curves(curves: Mapping[str, Curve]) -> list[Plot]:
    """Lay out a plot for each quantity that a curve has.

    Args:
        curves: by the class of their lines in the page; the title of a point names it, but for one
            curve alone.
    """
    plots = []
    for key, (name, form) in PLOTS.items():
        values = {kind: values_of(curve, key) for kind, curve in curves.items()}
        if any(values.values()):
            plots.append(plot_values(name, values, form.format))
    return plots


def values_of(curve: Curve, key: str) -> list[Value]:
    """List the values of the epochs that have one.

    >>> epochs = [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": None}]
    >>> values_of({"epochs": epochs, "best_epoch": 1}, "loss")
    [Value(epoch=1, value=0.5, is_best=True)]
    """
    best = curve["best_epoch"]
    found = []
    for epoch in curve["epochs"]:
        number, value = epoch["epoch"], epoch[key]
        if value is not None:
            found.append(Value(number, value, number == best))
    return found


def plot_values(
    name: str, curves: Mapping[str, Sequence[Value]], form: Callable[[float], str]
) -> Plot:
    """Lay out one quantity of all curves on the same axes."""
    what = name[:1].lower() + name[1:]
    every = [value for values in curves.values() for value in values]
    x_position, x_ticks = epoch_axis([value.epoch for value in every])
    y_position, y_ticks = height_axis([value.value for value in every], form)
    points, lines = [], []
    for kind, values in curves.items():
        whose = f"{kind.upper()}, " if len(curves) > 1 else ""
        corners = []
        for epoch, value, is_best in values:
            x, y = x_position(epoch), y_position(value)
            corners.append((x, y))
            best = ", the best epoch" if is_best else ""
            title = f"{whose}epoch {epoch}: {what} {form(value)}{best}"
            kinds = f"{kind} best" if is_best else kind
            points.append(Point(x, y, kinds, title))
        lines.append(Line(kind, corners))
    return Plot(f"{name} by epoch", points, x_ticks, y_ticks, SMALL, lines)


def epoch_axis(epochs: Sequence[int]) -> tuple[Position, list[Tick]]:
    """Choose the axis of the epochs, with labels that are whole numbers."""
    first, last = min(epochs), max(epochs)
    right = SMALL - 2 * RIGHT
    position = linear(first, last, LEFT + RIGHT, right)
    numbers = sorted(set(map(round, between(first, last))))
    return position, [Tick(position(number), str(number)) for number in numbers]


def height_axis(
    values: Sequence[float], form: Callable[[float], str]
) -> tuple[Position, list[Tick]]:
    """Choose the axis of a quantity, from the least value to the largest."""
    low, high = min(values), max(values)
    position = linear(low, high, FLOOR, TOP)
    numbers = sorted(set(between(low, high)))
    return position, [Tick(position(number), form(number)) for number in numbers]
