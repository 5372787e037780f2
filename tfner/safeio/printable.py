"""Text of unknown origin as it may safely be shown in a terminal or a page."""

from __future__ import annotations

from typing import Any

_REPLACEMENT = 0xFFFD
_SHOWN_AS: dict[int, int] = {
    **{
        code: 0x2400 + code for code in range(0x20) if chr(code) not in "\n\t"
    },  # the control pictures: ␀ for NUL, ␛ for ESC
    0x7F: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), _REPLACEMENT),
    # Direction overrides would reorder what stands around them, and lone surrogates cannot be encoded.
    **dict.fromkeys(
        (*range(0x202A, 0x202F), *range(0x2066, 0x206A), *range(0xD800, 0xE000)), _REPLACEMENT
    ),
}


def printable(text: str) -> str:
    """Replace what acts instead of showing, one character by one, so that spans stay true; line ends and tabs remain."""
    return text.translate(_SHOWN_AS)


def one_line(text: str, longest: int = 4000) -> str:
    """A message as one line: line ends become ␊ and ␍ too, and what is beyond `longest` characters is only counted."""
    shown = printable(text[:longest]).replace("\n", "\u240a")
    return shown if len(text) <= longest else f"{shown}… ({len(text) - longest:,} more characters)"


def show(value: Any, longest: int = 80) -> str:
    """A value for a message, as Python writes it, cut where it is long; what is too deep to be written is `…`."""
    if isinstance(value, str):
        value = value[: longest + 1]  # or a line of megabytes would be written to be cut
    try:
        text = repr(value)
    except RecursionError:
        return "…"
    return text if len(text) <= longest else text[: longest - 3] + "..."


def first_line(error: Exception) -> str:
    """Cut an error's message to its first line that is not blank, else give the error's type.

    Libraries explain themselves at length; a user's message holds one line.
    """
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
