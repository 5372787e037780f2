"""Find the words of a sentence in its original text."""

from __future__ import annotations

from collections.abc import Iterable


def align_words(text: str, words: Iterable[str]) -> list[tuple[int, int]] | None:
    """Find the (start, end) of each word in `text`.

        >>> align_words("don't go", ["do", "n't", "go"])
        [(0, 2), (2, 5), (6, 8)]

    Returns:
        None unless the words in order, with white space between, are the text.
    """
    spans: list[tuple[int, int]] = []
    position = 0
    for word in words:
        if not text.startswith(word, position):
            position = skip_space(text, position)
            if not text.startswith(word, position):
                return None
        end = position + len(word)
        spans.append((position, end))
        position = end
    return spans if skip_space(text, position) == len(text) else None


def skip_space(text: str, position: int) -> int:
    """Move a position past white space."""
    while position < len(text) and text[position].isspace():
        position += 1
    return position
