"""How many windows of which lengths stand together in a batch, from how many there are of each length."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

Window = TypeVar("Window")


@dataclass(frozen=True)
class Buckets:
    """Classes of lengths: `bounds` holds the longest length of each, int32, `sizes` the windows in a batch of it.

    `steps` counts the batches of an epoch, the last and smaller one of each bucket included.
    """

    bounds: np.ndarray
    sizes: list[int]
    steps: int

    @classmethod
    def single(cls, counts_L: np.ndarray, batch_size: int) -> Buckets:
        """All lengths together; `counts_L` [i] counts the windows of length i."""
        return cls(
            np.array([longest_of(counts_L)], np.int32),
            [batch_size],
            -(-int(counts_L.sum()) // batch_size),
        )

    @classmethod
    def balanced(cls, counts_L: np.ndarray, batch_size: int, lengths: Sequence[int]) -> Buckets:
        """Buckets up to each of `lengths`, whose batches have about as many pieces as `batch_size` windows of the mean length."""
        longest = longest_of(counts_L)
        bounds = np.array([*(length for length in lengths if length < longest), longest], np.int32)
        bucket_L = np.searchsorted(bounds, np.arange(len(counts_L)))
        windows = np.bincount(bucket_L, counts_L, len(bounds))
        pieces = np.bincount(bucket_L, counts_L * np.arange(len(counts_L)), len(bounds))
        typical = np.where(windows > 0, pieces / np.maximum(windows, 1), bounds)
        budget = batch_size * pieces.sum() / windows.sum() if windows.any() else 1.0
        sizes = [max(1, round(budget / length)) for length in typical.tolist()]
        return cls(
            bounds,
            sizes,
            sum(-(-int(count) // size) for count, size in zip(windows, sizes, strict=True)),
        )

    def group(
        self, windows: Iterable[Window], length_of: Callable[[Window], int]
    ) -> Iterator[list[Window]]:
        """Windows of one bucket at a time, as soon as there are enough of them; those that are left over at the end."""
        bucket_of = np.searchsorted(self.bounds, np.arange(self.bounds[-1] + 1)).tolist()
        waiting: list[list[Window]] = [[] for _ in self.sizes]
        for window in windows:
            bucket = bucket_of[length_of(window)]
            waiting[bucket].append(window)
            if len(waiting[bucket]) == self.sizes[bucket]:
                yield waiting[bucket]
                waiting[bucket] = []
        yield from filter(None, waiting)


def longest_of(counts_L: np.ndarray) -> int:
    return max(1, len(counts_L) - 1)
