"""Lays out the tables that benchmarks print."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence


def table_row(title: str, columns: Iterable[object], *, first: int, width: int = 12) -> str:
    """Write a title and right-aligned columns.

    >>> table_row("packed", [1, "2.5"], first=8, width=4)
    'packed     1 2.5'
    """
    cells = "".join(f"{column!s:>{width}}" for column in columns)
    return f"{title:<{first}}{cells}"


def spread(values: Sequence[float]) -> str:
    """Write mean and standard deviation.

    >>> spread([54.0, 56.0])
    '55.00 ± 1.41'
    """
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.2f} ± {deviation:.2f}"


def gain(differences: Sequence[float]) -> str:
    """Write the mean of paired differences and its standard error.

    >>> gain([1.0, 3.0])
    '+2.00 ± 1.00'
    """
    if not differences:
        return ""
    error = 0.0
    if len(differences) > 1:
        error = statistics.stdev(differences) / len(differences) ** 0.5
    return f"{statistics.mean(differences):+.2f} ± {error:.2f}"
