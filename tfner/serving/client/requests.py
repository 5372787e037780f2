"""Decide how many texts go into one request."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import TypeVar

from tfner.serving.client.options import Options

Item = TypeVar("Item")


class Fill:
    """Counts how full the current request is."""

    def __init__(self, options: Options):
        self._texts = options.texts_per_request
        self._bytes = options.bytes_per_request
        self._count = self._longest = 0
        self._kind: object = None

    @property
    def is_full(self) -> bool:
        """Say whether no further text fits, however short."""
        return self._count >= self._texts

    def add(self, size: int, kind: object = None) -> bool:
        """Count one more text of `size` bytes in.

        Returns: False if it did not fit, and is the first of the next request instead.
        """
        count = self._count + 1
        longest = max(self._longest, size)
        alike = not self.is_full and kind == self._kind
        fits = self._count == 0 or (alike and count * longest <= self._bytes)
        if not fits:
            count, longest = 1, size
        self._count = count
        self._longest = longest
        self._kind = kind
        return fits


def in_requests(
    items: Iterable[Item], size: Callable[[Item], int], options: Options
) -> Iterator[list[Item]]:
    """Yield consecutive items, as many as go into one request.

    >>> options = Options(texts_per_request=3, bytes_per_request=8)
    >>> list(in_requests([b"Bo", b"left", b"Anna Lindqvist", b"met"], len, options))
    [[b'Bo', b'left'], [b'Anna Lindqvist'], [b'met']]
    """
    fill = Fill(options)
    request: list[Item] = []
    for item in items:
        if not fill.add(size(item)):
            yield request
            request = []
        request.append(item)
    if request:
        yield request


async def stream_in_requests(
    items: AsyncIterable[Item],
    size: Callable[[Item], int],
    kind: Callable[[Item], object],
    options: Options,
) -> AsyncIterator[list[Item]]:
    """Yield the same for a stream, with items of one kind in a request.

    A request of all the texts that it may hold waits for no other.
    """
    fill = Fill(options)
    request: list[Item] = []
    async for item in items:
        if not fill.add(size(item), kind(item)) and request:
            yield request
            request = []
        request.append(item)
        if fill.is_full:
            yield request
            request = []
    if request:
        yield request


def size_of_words(words: list[bytes]) -> int:
    """Count the bytes of a sentence, one between words."""
    return sum(len(word) + 1 for word in words)
