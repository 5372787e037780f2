"""Choose which windows are batched together, from how many there are of each length."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

Window = TypeVar("Window")


@dataclass(frozen=True)
class Buckets:
    """Hold classes of lengths.

    `bounds` holds the longest length of each, int32; `sizes` the windows in a batch of it; `steps`
    counts the batches of an epoch, the last and smaller one of each bucket included.
    """

    bounds: np.ndarray
    sizes: list[int]
    steps: int

    @classmethod
    def balanced(cls, counts_L: np.ndarray, batch_size: int, lengths: Sequence[int]) -> Buckets:
        """Make buckets up to each of `lengths`, whose batches have about as many pieces.

        That is as many as `batch_size` windows of the mean length have. Six windows of 4 pieces and
        two of 12 have 6 in the mean, so that a batch of 4 has 24: six short ones or two long ones.
        `counts_L` [i] counts the windows of length i; without `lengths` there is one bucket.

            >>> counts = np.bincount([4, 4, 4, 4, 4, 4, 12, 12])
            >>> buckets = Buckets.balanced(counts, batch_size=4, lengths=[8])
            >>> buckets.bounds.tolist(), buckets.sizes, buckets.steps
            ([8, 12], [6, 2], 2)
        """
        past_longest = len(counts_L)
        longest = max(1, past_longest - 1)
        shorter = [length for length in lengths if length < longest]
        bounds = np.array([*shorter, longest], np.int32)
        length_L = np.arange(past_longest)
        bucket_L = bounds.searchsorted(length_L)
        windows = np.bincount(bucket_L, counts_L, len(bounds))
        pieces = np.bincount(bucket_L, counts_L * length_L, len(bounds))
        divisors = np.maximum(windows, 1)
        means = pieces / divisors
        mean_lengths = np.where(windows > 0, means, bounds).tolist()
        has_windows = windows.any()
        pieces_a_batch = batch_size * pieces.sum() / windows.sum() if has_windows else 1.0
        sizes = [max(1, round(pieces_a_batch / length)) for length in mean_lengths]
        full_batches = windows / sizes
        batches = np.ceil(full_batches)
        return cls(bounds, sizes, int(batches.sum()))

    @property
    def longest(self) -> int:
        """Give the longest length that a bucket holds."""
        return int(self.bounds[-1])

    def group(
        self, windows: Iterable[Window], length_of: Callable[[Window], int]
    ) -> Iterator[list[Window]]:
        """Give a batch of one bucket as soon as it is full; those that are left over at the end.

        >>> buckets = Buckets(np.array([2, 4]), sizes=[2, 1], steps=3)
        >>> list(buckets.group(["ab", "abcd", "a", "b"], len))
        [['abcd'], ['ab', 'a'], ['b']]
        """
        past_longest = self.longest + 1
        length_L = np.arange(past_longest)
        bucket_of = self.bounds.searchsorted(length_L).tolist()
        waiting: list[list[Window]] = [[] for _ in self.sizes]
        for window in windows:
            length = length_of(window)
            bucket = bucket_of[length]
            batch = waiting[bucket]
            batch.append(window)
            if len(batch) == self.sizes[bucket]:
                yield batch
                waiting[bucket] = []
        yield from filter(None, waiting)
