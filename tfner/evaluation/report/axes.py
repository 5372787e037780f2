"""Lay out plots: where points, lines and the labels of axes lie in a drawing, for a page's SVG."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

WIDTH, HEIGHT = 640.0, 240.0  # of a drawing, in its own units
SMALL = 360.0  # width where two stand side by side
LEFT, RIGHT, TOP, BOTTOM = 52.0, 12.0, 12.0, 30.0  # margins, which hold the labels of the axes
TICKS = 4
FLOOR = HEIGHT - BOTTOM
Position = Callable[[float], float]


@dataclass(frozen=True)
class Point:
    """Hold a point of a plot.

    Attributes:
        x, y: in units of the drawing; y grows downwards.
        kind: its class in the page.
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
class Line:
    """Hold the corners of a line, and its class in the page."""

    kind: str
    corners: list[tuple[float, float]]


@dataclass(frozen=True)
class Plot:
    """Hold what a drawing of `width` by HEIGHT shows."""

    name: str
    points: list[Point]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    width: float
    lines: list[Line] = field(default_factory=list)
    height: float = HEIGHT
    left: float = LEFT
    bottom: float = FLOOR

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
        share = 0.5
        if high > low:
            share = (value - low) / (high - low)
        share = max(share, 0.0)
        share = min(share, 1.0)
        return begin + share * (end - begin)

    return position


def between(low: float, high: float) -> list[float]:
    """List numbers at equal distances from one to another, both included.

    >>> between(0.0, 8.0)
    [0.0, 2.0, 4.0, 6.0, 8.0]
    """
    step = (high - low) / TICKS
    numbers = [low + number * step for number in range(TICKS)]
    return [*numbers, high]
