"""The order in which an epoch's windows come off the disk: blocks from everywhere, mixed in a shuffle buffer of bounded size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import numpy as np

Window = TypeVar("Window")
SHUFFLE = 16_384  # windows; with blocks of 256, some 64 blocks from anywhere in the corpus are mixed at any time


def windows_in_order(
    blocks: int,
    read: Callable[[int], list[Window]],
    random: np.random.Generator,
    shuffle: int = SHUFFLE,
) -> Iterator[Window]:
    """Every window of every block once; the order depends on `random` and the sizes of blocks alone, not on what `read` gives."""
    return mix((read(block) for block in random.permutation(blocks).tolist()), random, shuffle)


def mix(blocks: Iterable[list[Window]], random: np.random.Generator, size: int) -> Iterator[Window]:
    """A shuffle buffer that is filled again block by block: as many windows as a block has leave it from random places."""
    buffer: list[Window] = []
    for block in blocks:
        if len(buffer) < max(size, len(block)):
            buffer.extend(block)
            continue
        for place, window in zip(
            random.choice(len(buffer), len(block), replace=False).tolist(), block, strict=True
        ):
            yield buffer[place]
            buffer[place] = window
    for place in random.permutation(len(buffer)).tolist():
        yield buffer[place]
