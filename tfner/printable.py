"""Text of unknown origin as it may safely be shown in a terminal or a page."""

from __future__ import annotations

_REPLACEMENT = 0xFFFD
_SHOWN_AS: dict[int, int] = {
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\n\t"},  # the control pictures: ␀ for NUL, ␛ for ESC
    0x7F: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), _REPLACEMENT),
    # Direction overrides would reorder what stands around them, and lone surrogates cannot be encoded.
    **dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A), *range(0xD800, 0xE000)), _REPLACEMENT),
}


def printable(text: str) -> str:
    """Replace what acts instead of showing, one character by one, so that spans stay true; line ends and tabs remain."""
    return text.translate(_SHOWN_AS)
