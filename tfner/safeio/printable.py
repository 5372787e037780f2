"""Show text of unknown origin so that it is safe in a terminal, a page or a message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

LONGEST_DETAIL = 200  # characters that a message shows of one thing
REPLACEMENT = 0xFFFD
CONTROL_PICTURES = 0x2400  # ␀ for NUL, ␛ for ESC
SHOWN_AS: dict[int, int] = {
    **{code: CONTROL_PICTURES + code for code in range(0x20) if chr(code) not in "\n\t"},
    0x7F: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), REPLACEMENT),
    # Direction overrides would reorder what stands around them; lone surrogates have no encoding.
    **dict.fromkeys(range(0x202A, 0x202F), REPLACEMENT),
    **dict.fromkeys(range(0x2066, 0x206A), REPLACEMENT),
    **dict.fromkeys(range(0xD800, 0xE000), REPLACEMENT),
}


def printable(text: str) -> str:
    r"""Replace what acts instead of showing, one character by one, so that spans stay true.

    Line ends and tabs remain.

    >>> printable("a\x1b[31m\u202eb")
    'a␛[31m�b'
    """
    return text.translate(SHOWN_AS)


def one_line(text: str, longest: int = 4000) -> str:
    r"""Show a message as one line; what is beyond `longest` characters is only counted.

    >>> one_line("two\nlines, and more", longest=9)
    'two␊lines… (10 more characters)'
    """
    shown = printable(text[:longest]).replace("\n", "\u240a")
    more = len(text) - longest
    return shown if more <= 0 else f"{shown}… ({more:,} more characters)"


def show(value: Any, longest: int = 80) -> str:
    """Show a value as Python writes it, cut where it is long; `…` where it is nested too deeply."""
    if isinstance(value, str):
        value = value[: longest + 1]  # or a line of megabytes would be written to be cut
    try:
        text = repr(value)
    except RecursionError:
        return "…"
    return text if len(text) <= longest else text[: longest - 3] + "..."


def show_names(names: Sequence[str], most: int = 12) -> str:
    """List names as Python writes them, each cut where it is long; beyond `most` they are counted.

    >>> show_names(["Word", "POS", "Tag"], most=2)
    "'Word', 'POS', … (1 more)"
    """
    shown = ", ".join(map(show, names[:most]))
    more = len(names) - most
    return shown if more <= 0 else f"{shown}, … ({more:,} more)"


def first_line(error: Exception) -> str:
    """Cut an error's message to its first line that is not blank, else give the error's type.

    Libraries explain themselves at length; a user's message holds one line.
    """
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
