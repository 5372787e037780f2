"""Entities → one IOB2 tag per word, for formats that hold words in columns."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

from tfner.corpus.ledger import Ledger, Reason
from tfner.documents import Document, Entity
from tfner.tagging.schemes import write_tags
from tfner.tagging.spans import keep_longest


def tags_on_words(
    document: Document, entities: Iterable[Entity], ledger: Ledger | None = None
) -> list[str]:
    """IOB2 tags [U] of the document's words; an entity covers every word that it shares a character with.

    A word of no length belongs to the entity that it stands in or at the edge of. Columns cannot hold everything: of
    overlapping entities the longest is kept, and one that touches no word is left out. Both are entered in `ledger`.

    Raises:
        ValueError: the document has no words.
    """
    if document.words is None:
        raise ValueError(
            f"document {document.id!r} has no words to tag: give it the spans of its units"
        )
    ledger = Ledger() if ledger is None else ledger
    flat, overlapping = keep_longest(entities)
    placed: dict[Entity, Entity] = {}
    starts, ends = [start for start, _ in document.words], [end for _, end in document.words]
    for entity in flat:
        first, last = covered_words(entity, starts, ends)
        if first < last:
            placed[replace(entity, start=first, end=last)] = entity
        else:
            _enter(ledger, "invalid_span", document, entity)
    kept, crowded = keep_longest(placed)
    for entity in (*overlapping, *(placed[entity] for entity in crowded)):
        _enter(ledger, "overlapping", document, entity)
    return write_tags(
        [(entity.start, entity.end, entity.label) for entity in kept], len(document.words), "IOB2"
    )


def covered_words(entity: Entity, starts: Sequence[int], ends: Sequence[int]) -> tuple[int, int]:
    """The words (first, one past the last) of an entity, from the sorted starts and ends of all words."""
    first, last = bisect_right(ends, entity.start), bisect_left(starts, entity.end)
    while first > 0 and starts[first - 1] >= entity.start:  # words of no length at the left edge
        first -= 1
    while last < len(ends) and ends[last] <= entity.end:  # and at the right edge
        last += 1
    return first, last


def _enter(ledger: Ledger, reason: Reason, document: Document, entity: Entity) -> None:
    ledger.record(
        reason, document.id, f"{entity.label} {entity.start}-{entity.end} {entity.text!r}"
    )


def with_words(document: Document, entities: Iterable[Entity]) -> Document:
    """The document with words, so that columns can hold it: its own, else cut at white space and at the borders of `entities`."""
    if document.words is not None:
        return document
    borders = sorted({border for entity in entities for border in (entity.start, entity.end)})
    words = [
        word
        for chunk in re.finditer(r"\S+", document.text)
        for word in cut_at(chunk.start(), chunk.end(), borders)
    ]
    return replace(document, words=tuple(words))


def cut_at(start: int, end: int, borders: Sequence[int]) -> list[tuple[int, int]]:
    """A stretch cut at those of the sorted borders that fall inside it."""
    points = [start, *borders[bisect_right(borders, start) : bisect_left(borders, end)], end]
    return list(pairwise(points))
