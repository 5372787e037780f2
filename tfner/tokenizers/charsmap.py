"""Check the table by which SentencePiece cleans text, before its own code walks through it.

It is a double-array trie, 32 bits a unit, and behind it the texts that come out. SentencePiece
follows its offsets without a look at their size, so that a forged one would have it read any
memory.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tfner.exceptions import ModelError

BLOCK = 256  # units that an offset and any next byte of a text lead to
HAS_LEAF = 1 << 8
FAR_OFFSET = 1 << 9  # the offset counts blocks
OFFSET_SHIFT = 10
VALUE_MASK = (1 << 31) - 1
IS_LEAF = 1 << 31


def check_charsmap(path: Path, charsmap: bytes) -> None:
    """Check that no step through the table leads out of it; one that is empty changes nothing.

    Raises:
        ModelError: a size or an offset is wrong.
    """
    if charsmap and not is_sound(charsmap):
        raise ModelError(f"{path}: precompiled_charsmap: damaged, or no table of SentencePiece")


def is_sound(charsmap: bytes) -> bool:
    """Tell whether sizes fit, every next unit is in the trie, and every value in the texts.

    >>> is_sound(b""), is_sound(bytes(8))
    (False, False)
    """
    if len(charsmap) < 4:
        return False
    size = int.from_bytes(charsmap[:4], "little")
    texts = charsmap[4 + size :]
    if size == 0 or size % (4 * BLOCK) or len(charsmap) <= 4 + size or texts[-1] != 0:
        return False
    unit_U = np.frombuffer(charsmap, "<u4", size // 4, 4)
    index_U = np.arange(len(unit_U), dtype=np.uint32)
    inner_U = (unit_U & IS_LEAF) == 0
    shift_U = np.where(unit_U & FAR_OFFSET, 8, 0).astype(np.uint32)
    next_U = index_U ^ ((unit_U >> OFFSET_SHIFT) << shift_U)
    next_U = next_U[inner_U]
    if (next_U // BLOCK >= len(unit_U) // BLOCK).any():
        return False
    leaf_U = (unit_U[inner_U] & HAS_LEAF) != 0
    value_L = unit_U[next_U[leaf_U]] & VALUE_MASK
    return bool((value_L < len(texts)).all())
