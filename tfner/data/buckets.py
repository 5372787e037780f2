"""How many windows of which lengths stand together in a batch, from how many there are of each length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


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
        return cls(np.array([longest_of(counts_L)], np.int32), [batch_size], -(-int(counts_L.sum()) // batch_size))

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
        return cls(bounds, sizes, sum(-(-int(count) // size) for count, size in zip(windows, sizes, strict=True)))


def longest_of(counts_L: np.ndarray) -> int:
    return max(1, len(counts_L) - 1)
