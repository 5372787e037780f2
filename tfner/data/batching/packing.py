"""Pack windows into rows of one length, several in each, so that next to nothing is padding.

Best fit over a shuffle buffer (Johnson 1973): windows come in random order, those of one buffer are
packed longest first, each in the row with the least room that holds it; rows stay open for the next
buffer until they are full.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from heapq import heappop, heappush
from itertools import chain, islice
from typing import NamedTuple, TypeVar

import numpy as np

Window = TypeVar("Window")
BUFFER = 1024  # windows looked at together: more fill rows no better, fewer leave gaps
# rows that a stream keeps open; more hold memory, fewer leave gaps where short windows are rare
MOST_OPEN = 2048
TRIES = 8


class OpenRows:
    """Hold the rows that still have room.

    A window goes into the fullest row that holds it, of equals into the one begun first.

        >>> rows = OpenRows(capacity=8)
        >>> [rows.add(length) for length in (5, 6, 3, 2, 4)]
        [0, 1, 0, 1, 2]
    """

    def __init__(self, capacity: int):
        self.capacity = capacity
        self.begun = 0
        # a heap of row numbers for each room left
        self._by_room: list[list[int]] = [[] for _ in range(capacity)]
        self._rooms = 0  # bit r: some row has room r

    def add(self, length: int) -> int:
        """Put a window into a row, a new one where none holds it; give the row's number."""
        fitting = self._rooms >> length
        if fitting:
            lowest_bit = fitting & -fitting
            surplus = lowest_bit.bit_length() - 1
            room = length + surplus
            row = self._take(room)
        else:
            room = self.capacity
            row = self.begun
            self.begun += 1
        left = room - length
        heap = self._by_room[left]
        heappush(heap, row)
        self._rooms |= 1 << left
        return row

    def close(self, shortest: int, most: int) -> list[int]:
        """Take out rows with less room than `shortest`, then the fullest until `most` are left."""
        left = sum(map(len, self._by_room))
        closed: list[int] = []
        for room, heap in enumerate(self._by_room):
            while heap and (room < shortest or left - len(closed) > most):
                row = self._take(room)
                closed.append(row)
        return closed

    def _take(self, room: int) -> int:
        """Take the row begun first of those with so much room."""
        heap = self._by_room[room]
        row = heappop(heap)
        if not heap:
            self._rooms ^= 1 << room
        return row


def pack(
    lengths_N: np.ndarray, order_N: np.ndarray, capacity: int, buffer: int = BUFFER
) -> list[list[int]]:
    """Pack window numbers into rows; every window is in exactly one row.

        >>> pack(np.array([5, 6, 3, 2, 4]), np.arange(5), capacity=8)
        [[1, 3], [0, 2], [4]]

    Args:
        lengths_N: pieces of each window, at most `capacity`.
        order_N: window numbers in the order in which they come.
        capacity: pieces that a row holds.
        buffer: windows that are packed together.
    """
    rows: list[list[int]] = []
    open_rows = OpenRows(capacity)
    for begin in range(0, len(order_N), buffer):
        together = order_N[begin : begin + buffer]
        longest_first = np.argsort(-lengths_N[together], kind="stable")
        together = together[longest_first]
        lengths = lengths_N[together].tolist()
        for window, length in zip(together.tolist(), lengths, strict=True):
            row = open_rows.add(length)
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
    """Pack a stream of any length in bounded memory: rows come out, shuffled, as they are closed.

    How many rows there are depends on the lengths alone, not on what else a window is.

        >>> random = np.random.default_rng(1)
        >>> sorted(pack_stream(["abcde", "ab", "abcdef", "a"], len, 7, random, shortest=1))
        [['abcde', 'ab'], ['abcdef', 'a']]

    Args:
        shortest: the least length that comes.
        most_open: rows that wait for more windows.
    """
    stream = iter(windows)
    open_rows = OpenRows(capacity)
    rows: dict[int, list[Window]] = {}
    while together := list(islice(stream, buffer)):
        together.sort(key=length_of, reverse=True)
        for window in together:
            length = length_of(window)
            row = open_rows.add(length)
            rows.setdefault(row, []).append(window)
        closed = open_rows.close(shortest, most_open)
        yield from take_rows(rows, closed, random)
    closed = open_rows.close(shortest, 0)
    yield from take_rows(rows, closed, random)


def take_rows(
    rows: dict[int, list[Window]], numbers: list[int], random: np.random.Generator
) -> Iterator[list[Window]]:
    """Take rows out in random order: those that were closed together are alike."""
    for index in random.permutation(len(numbers)).tolist():
        number = numbers[index]
        yield rows.pop(number)


def join_rows(rows: Iterable[list[Window]]) -> list[Window]:
    """List the windows of some rows, row by row."""
    return list(chain.from_iterable(rows))


class PackedShape(NamedTuple):
    """Hold the batches of an epoch, and the rows in each."""

    steps: int
    rows: int

    @classmethod
    def of(cls, rows: int, pieces: float, row_length: int) -> PackedShape:
        """Find the fewest rows a batch that give as many batches as about `pieces` in each would.

        >>> PackedShape.of(rows=10, pieces=48.0, row_length=16)
        PackedShape(steps=4, rows=3)
        """
        about = max(1, round(pieces / row_length))
        steps = -(-rows // about)
        return cls(steps, -(-rows // max(steps, 1)))

    @property
    def capacity(self) -> int:
        """Count the rows that all batches hold."""
        return self.steps * self.rows

    def rows_of(self, step: int, rows: int) -> slice:
        """Choose which of an epoch's rows are in a step: they are spread evenly.

        >>> shape = PackedShape(steps=4, rows=3)
        >>> [len(range(10)[shape.rows_of(step, 10)]) for step in range(4)]
        [2, 3, 2, 3]
        """
        begin = step * rows // self.steps
        end = (step + 1) * rows // self.steps
        return slice(begin, end)


def draws(seed: int, epoch: int) -> Iterator[list[int]]:
    """Give seeds of an epoch's order, a function of seed and epoch.

    The later ones are for an order that packs into too many rows.
    """
    yield [seed, epoch]
    for number in range(1, TRIES):
        yield [seed, epoch, number]
