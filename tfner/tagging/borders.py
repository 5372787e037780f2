"""Trim the borders of gold entities to characters that a tokenizer sees."""

from __future__ import annotations

from collections.abc import Sequence
from unicodedata import category

BLANK_CATEGORIES = ("Zs", "Zl", "Zp", "Cc", "Cf", "Co")
REPLACEMENT_CHARACTER = "\ufffd"
# Format characters younger than the Unicode tables of BERT's text cleaning, which keeps them.
KEPT_BY_CLEANING = frozenset(
    "\u0890\u0891\u08e2\U000110cd\U00013430\U00013431\U00013432\U00013433\U00013434"
    "\U00013435\U00013436\U00013437\U00013438\U00013439\U0001343a\U0001343b\U0001343c"
    "\U0001343d\U0001343e\U0001343f"
)


def is_blank(character: str) -> bool:
    """Tell whether BERT's text cleaning removes a character or makes it a space.

    White space, control and zero-width characters have no piece, so no predicted entity can
    begin or end with one.
    """
    if category(character) in BLANK_CATEGORIES:
        return character not in KEPT_BY_CLEANING
    return character == REPLACEMENT_CHARACTER


def trim_span(
    text: str, start: int, end: int, words: Sequence[tuple[int, int]] | None = None
) -> tuple[int, int]:
    """Move the borders of `text[start:end]` inwards past blank characters.

    Given words are units as they are: one that is blank throughout is trimmed away, one that only
    begins or ends with blanks stays whole.

        >>> trim_span("Mara left", 0, 5)
        (0, 4)
        >>> trim_span("Mara left", 0, 5, words=[(0, 5), (5, 9)])
        (0, 5)
        >>> trim_span(" \\u200b", 0, 2)
        (2, 2)

    Returns:
        The new (start, end); equal where nothing but blanks stands between them.
    """
    first = start
    last = end
    while first < end and is_blank(text[first]):
        first += 1
    while last > first and is_blank(text[last - 1]):
        last -= 1
    if words is None or first == last or (first, last) == (start, end):
        return first, last
    for word_start, word_end in words:
        if start <= word_start < first < word_end:
            first = word_start
        if word_start < last < word_end <= end:
            last = word_end
    return first, last
