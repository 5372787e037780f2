"""Order an epoch's windows as they come off the disk: blocks from everywhere, mixed in a buffer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import numpy as np

Window = TypeVar("Window")
# windows; with blocks of 256, some 64 blocks from anywhere in the corpus are mixed at any time
SHUFFLE = 16_384


def windows_in_order(
    blocks: int,
    read: Callable[[int], list[Window]],
    random: np.random.Generator,
    shuffle: int = SHUFFLE,
) -> Iterator[Window]:
    """Give every window of every block once.

    The order depends on `random` and the sizes of blocks alone, not on what `read` gives.

        >>> blocks = [["a1", "a2"], ["b1", "b2"], ["c1"]]
        >>> random = np.random.default_rng(1)
        >>> sorted(windows_in_order(3, blocks.__getitem__, random, shuffle=2))
        ['a1', 'a2', 'b1', 'b2', 'c1']
    """
    shuffled = random.permutation(blocks)
    in_order = map(read, shuffled.tolist())
    return mix(in_order, random, shuffle)


def mix(blocks: Iterable[list[Window]], random: np.random.Generator, size: int) -> Iterator[Window]:
    """Shuffle in a buffer that is filled again block by block.

    As many windows as a block has leave the buffer from random positions.
    """
    buffer: list[Window] = []
    for block in blocks:
        if len(buffer) < max(size, len(block)):
            buffer.extend(block)
            continue
        leaving = random.choice(len(buffer), len(block), replace=False).tolist()
        for position, window in zip(leaving, block, strict=True):
            yield buffer[position]
            buffer[position] = window
    for position in random.permutation(len(buffer)).tolist():
        yield buffer[position]
