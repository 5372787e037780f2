"""Turn entities into one IOB2 tag a word, for formats that hold words in columns."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

from tfner.corpus.ledger import Ledger, Reason
from tfner.documents import Document, Entity
from tfner.tagging.schemes import Span, write_tags
from tfner.tagging.spans import DisjointSpans, keep_longest


def tags_on_words(
    document: Document, entities: Iterable[Entity], ledger: Ledger | None = None
) -> list[str]:
    """Tag the document's words in IOB2; an entity covers each word that it shares a character with.

    A word of no length belongs to the entity that it stands in or at the edge of. Columns cannot
    hold everything: of overlapping entities the longest is kept, and one that touches no word is
    left out. Both are entered in `ledger`.

        >>> document = Document("New York is big", words=((0, 3), (4, 8), (9, 11), (12, 15)))
        >>> tags_on_words(document, [Entity(0, 8, "LOC")])
        ['B-LOC', 'I-LOC', 'O', 'O']

    Returns:
        [U] tags, one a word.

    Raises:
        ValueError: the document has no words.
    """
    if document.words is None:
        hint = "give it the spans of its units"
        raise ValueError(f"document {document.id!r} has no words to tag: {hint}")
    if ledger is None:
        ledger = Ledger()
    starts, ends = split_borders(document.words)
    flat, overlapping = keep_longest(entities)
    covering: list[tuple[Span, Entity]] = []
    for entity in flat:
        first, last = covered_words(entity, starts, ends)
        if first < last:
            covering.append(((first, last, entity.label), entity))
        else:
            enter(ledger, "invalid_span", document, [entity])
    taken = DisjointSpans()
    kept: list[Span] = []
    for span, entity in sorted(covering, key=_longest_first):
        if taken.add(span[0], span[1]):
            kept.append(span)
        else:
            overlapping.append(entity)
    enter(ledger, "overlapping", document, overlapping)
    return write_tags(kept, len(document.words), "IOB2")


def _longest_first(covering: tuple[Span, Entity]) -> tuple[int, int]:
    first, last, _ = covering[0]
    return first - last, first


def split_borders(words: Sequence[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """Part the spans of words into their starts and their ends, both ascending."""
    starts = [start for start, _ in words]
    ends = [end for _, end in words]
    return starts, ends


def covered_words(entity: Entity, starts: Sequence[int], ends: Sequence[int]) -> tuple[int, int]:
    """Find the words (first, one past the last) of an entity, from the sorted borders of all words.

    >>> covered_words(Entity(5, 8, "LOC"), starts=[0, 4, 9], ends=[3, 8, 11])
    (1, 2)
    """
    first = bisect_right(ends, entity.start)
    last = bisect_left(starts, entity.end)
    while first > 0 and starts[first - 1] >= entity.start:  # words of no length at the left edge
        first -= 1
    while last < len(ends) and ends[last] <= entity.end:  # and at the right edge
        last += 1
    return first, last


def enter(ledger: Ledger, reason: Reason, document: Document, entities: Iterable[Entity]) -> None:
    """Enter entities in the ledger for one reason."""
    for entity in entities:
        detail = f"{entity.label} {entity.start}-{entity.end} {entity.text!r}"
        ledger.record(reason, document.id, detail)


def with_words(document: Document, entities: Iterable[Entity]) -> Document:
    """Give a document words, so that columns can hold it.

    They are its own; else its text is cut at white space and at the borders of `entities`.
    """
    if document.words is not None:
        return document
    return replace(document, words=tuple(cut_words(document, entities)))


def cut_words(document: Document, entities: Iterable[Entity]) -> list[tuple[int, int]]:
    """Cut the words, of raw text the runs between white space, at all borders of entities.

    >>> cut_words(Document("pre-Columbian art"), [Entity(4, 13, "MISC")])
    [(0, 4), (4, 13), (14, 17)]
    """
    words = document.words
    if words is None:
        words = [match.span() for match in re.finditer(r"\S+", document.text)]
    borders = sorted({border for entity in entities for border in (entity.start, entity.end)})
    return [span for start, end in words for span in cut_at(start, end, borders)]


def cut_at(start: int, end: int, borders: Sequence[int]) -> list[tuple[int, int]]:
    """Cut a span at those of the sorted borders that fall inside it.

    >>> cut_at(2, 9, [0, 4, 7, 9])
    [(2, 4), (4, 7), (7, 9)]
    """
    inside = borders[bisect_right(borders, start) : bisect_left(borders, end)]
    return list(pairwise([start, *inside, end]))
