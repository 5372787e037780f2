"""How many texts go into one request."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import TypeVar

from tfner.serving.client.options import Options

Item = TypeVar("Item")


class Load:
    """How full the current request is."""

    def __init__(self, options: Options):
        self._texts = options.texts_per_request
        self._bytes = options.bytes_per_request
        self._count = self._longest = 0
        self._kind: object = None

    @property
    def is_full(self) -> bool:
        """Whether no further text fits, however short."""
        return self._count >= self._texts

    def add(self, size: int, kind: object = None) -> bool:
        """Count one more text of `size` bytes in; False if it did not fit, and is the first of the next request instead."""
        longest = max(self._longest, size)
        fits = self._count == 0 or (
            not self.is_full and kind == self._kind and (self._count + 1) * longest <= self._bytes
        )
        self._count, self._longest, self._kind = (
            (self._count + 1 if fits else 1),
            (longest if fits else size),
            kind,
        )
        return fits


def in_requests(
    items: Iterable[Item], size: Callable[[Item], int], options: Options
) -> Iterator[list[Item]]:
    """Consecutive items, as many as go into one request."""
    load, request = Load(options), []
    for item in items:
        if not load.add(size(item)):
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
    """The same for a stream, with items of one kind in a request; a request of all the texts that it may hold waits for no other."""
    load, request = Load(options), []
    async for item in items:
        if not load.add(size(item), kind(item)) and request:
            yield request
            request = []
        request.append(item)
        if load.is_full:
            yield request
            request = []
    if request:
        yield request


def size_of_words(words: list[bytes]) -> int:
    """Bytes of a sentence, one between words."""
    return sum(len(word) + 1 for word in words)
