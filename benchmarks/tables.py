"""Lays out the tables that benchmarks print."""

from __future__ import annotations

from collections.abc import Iterable


def table_row(title: str, columns: Iterable[object], *, first: int, width: int = 12) -> str:
    """Write a title and right-aligned columns.

    >>> table_row("packed", [1, "2.5"], first=8, width=4)
    'packed     1 2.5'
    """
    cells = "".join(f"{column!s:>{width}}" for column in columns)
    return f"{title:<{first}}{cells}"
