"""Make file names from ids of unknown origin."""

from __future__ import annotations

import re
import unicodedata
from itertools import count

LONGEST = 200  # bytes; file systems allow 255, and a number and an ending come on top


class FileNames:
    """Gives each id a name of its own: no separators, no leading dot, not too long, no two alike.

    Names that differ only in case or in Unicode normalization are alike, because some file systems
    think so.

    >>> names = FileNames()
    >>> [names.name(id) for id in ("a/b", "A/B", "../x", "")]
    ['a_b', 'A_B-2', '_x', 'document']
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._numbers: dict[str, int] = {}

    def name(self, id: str) -> str:
        """Give a name that is new: the id made safe, followed by -2, -3… where that is taken."""
        safe = make_safe(id)
        folded = fold(safe)
        for number in count(self._numbers.get(folded, 0) + 1):
            candidate = safe if number == 1 else f"{safe}-{number}"
            if fold(candidate) not in self._taken:
                break
        self._numbers[folded] = number
        self._taken.add(fold(candidate))
        return candidate


def make_safe(id: str) -> str:
    """Replace what a file's name may not hold, and cut what is too long."""
    plain = re.sub(r"[^\w.-]", "_", id)
    plain = re.sub(r"\.{2,}", ".", plain)
    cut = plain.encode()[:LONGEST].decode("utf-8", "ignore")
    return cut.strip(".") or "document"


def fold(name: str) -> str:
    """Make names equal that some file system takes for the same."""
    return unicodedata.normalize("NFC", name).casefold()
