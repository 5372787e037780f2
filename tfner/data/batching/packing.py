"""Windows → rows of one length, several in each, so that next to nothing is padding.

Best fit over a shuffle buffer (Johnson 1973): windows come in random order, those of one buffer are placed longest first, each in the
row with the least room that holds it; rows stay open for the next buffer until they are full.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from heapq import heappop, heappush
from itertools import islice
from typing import NamedTuple, TypeVar

import numpy as np

Window = TypeVar("Window")
BUFFER = 1024  # windows that are looked at together: more fill rows no better, fewer leave gaps
MOST_OPEN = 2048  # rows that a stream keeps open; more hold memory, fewer leave gaps where the rows' last windows are rare
TRIES = 8


class OpenRows:
    """Rows of one capacity that still have room; a window goes into the fullest that holds it, of equals into the first begun."""

    def __init__(self, capacity: int):
        self.capacity = capacity
        self.begun = 0
        self._by_room: list[list[int]] = [
            [] for _ in range(capacity)
        ]  # a heap of row numbers for each room left
        self._rooms = 0  # bit r: some row has room r

    def place(self, length: int) -> int:
        """The number of the row that a window of this length goes into, a new one where none holds it."""
        fitting = self._rooms >> length
        if fitting:
            room = length + (fitting & -fitting).bit_length() - 1
            row = self._take(room)
        else:
            room, row = self.capacity, self.begun
            self.begun += 1
        heappush(self._by_room[room - length], row)
        self._rooms |= 1 << (room - length)
        return row

    def close(self, shortest: int, most: int) -> list[int]:
        """Take out the rows that no window of at least `shortest` pieces fits into, then the fullest until at most `most` are left."""
        left = sum(map(len, self._by_room))
        closed: list[int] = []
        for room, heap in enumerate(self._by_room):
            while heap and (room < shortest or left - len(closed) > most):
                closed.append(self._take(room))
        return closed

    def _take(self, room: int) -> int:
        heap = self._by_room[room]
        row = heappop(heap)
        if not heap:
            self._rooms ^= 1 << room
        return row


def pack(
    lengths_N: np.ndarray, order_N: np.ndarray, capacity: int, buffer: int = BUFFER
) -> list[list[int]]:
    """Rows of window numbers; every window is in exactly one row.

    Args:
        lengths_N: pieces of each window, at most `capacity`.
        order_N: window numbers in the order in which they come.
        capacity: pieces that a row holds.
        buffer: windows that are placed together.
    """
    rows: list[list[int]] = []
    open_rows = OpenRows(capacity)
    for begin in range(0, len(order_N), buffer):
        together = order_N[begin : begin + buffer]
        together = together[np.argsort(-lengths_N[together], kind="stable")]
        for window, length in zip(together.tolist(), lengths_N[together].tolist(), strict=True):
            row = open_rows.place(length)
            if row == len(rows):
                rows.append([])
            rows[row].append(window)
    return rows


def pack_stream(
    windows: Iterable[Window],
    length_of: Callable[[Window], int],
    capacity: int,
    random: np.random.Generator,
    *,
    shortest: int,
    buffer: int = BUFFER,
    most_open: int = MOST_OPEN,
) -> Iterator[list[Window]]:
    """The same for a stream of any length, in bounded memory: rows come out, shuffled among themselves, as they are closed.

    How many rows there are depends on the lengths alone, not on what else a window is. `shortest` is the least length that comes.
    """
    stream = iter(windows)
    open_rows = OpenRows(capacity)
    rows: dict[int, list[Window]] = {}
    while together := list(islice(stream, buffer)):
        together.sort(key=length_of, reverse=True)
        for window in together:
            rows.setdefault(open_rows.place(length_of(window)), []).append(window)
        yield from take_rows(rows, open_rows.close(shortest, most_open), random)
    yield from take_rows(rows, open_rows.close(shortest, 0), random)


def take_rows(
    rows: dict[int, list[Window]], numbers: list[int], random: np.random.Generator
) -> Iterator[list[Window]]:
    """Some rows in random order: those that were closed together are alike."""
    for place in random.permutation(len(numbers)).tolist():
        yield rows.pop(numbers[place])


class PackedShape(NamedTuple):
    """Batches of an epoch, and rows in each."""

    steps: int
    rows: int

    @classmethod
    def of(cls, rows: int, pieces: float, row_length: int) -> PackedShape:
        """The fewest rows a batch so that `rows` of them take as many batches as batches of about `pieces` pieces would."""
        steps = -(-rows // max(1, round(pieces / row_length)))
        return cls(steps, -(-rows // max(steps, 1)))

    @property
    def capacity(self) -> int:
        return self.steps * self.rows

    def rows_of(self, step: int, rows: int) -> slice:
        """Which of an epoch's rows are in a step: they are spread evenly."""
        return slice(step * rows // self.steps, (step + 1) * rows // self.steps)


def draws(seed: int, epoch: int) -> Iterator[list[int]]:
    """Seeds of an epoch's order, a function of seed and epoch; the later ones are for an order that packs into too many rows."""
    yield [seed, epoch]
    for number in range(1, TRIES):
        yield [seed, epoch, number]
