"""File names from ids of unknown origin."""

from __future__ import annotations

import re
import unicodedata
from itertools import count

LONGEST = 200  # bytes; file systems allow 255, and a number and an ending come on top


class FileNames:
    """Gives each id a name of its own: no separators, no leading dot, not too long, no two alike.

    Names that differ only in case or in Unicode normalization are alike, because some file systems think so.
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._numbers: dict[str, int] = {}

    def name(self, id: str) -> str:
        """A name not given before: the id made safe, followed by -2, -3… where it is taken."""
        safe = _safe(id)
        for number in count(self._numbers.get(_folded(safe), 0) + 1):
            candidate = safe if number == 1 else f"{safe}-{number}"
            if _folded(candidate) not in self._taken:
                break
        self._numbers[_folded(safe)] = number
        self._taken.add(_folded(candidate))
        return candidate


def _safe(id: str) -> str:
    dotted = re.sub(r"\.{2,}", ".", re.sub(r"[^\w.-]", "_", id))
    return dotted.encode()[:LONGEST].decode("utf-8", "ignore").strip(".") or "document"


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
