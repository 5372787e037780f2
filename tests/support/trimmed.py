"""Trim the borders of entities in a slow and obvious way, against which readers are compared."""

from __future__ import annotations

import unicodedata

from tfner.documents import Document, Entity, entity_at
from tfner.tagging.borders import KEPT_BY_CLEANING


def has_piece(character: str) -> bool:
    if character in KEPT_BY_CLEANING:
        return True
    kind = unicodedata.category(character)
    return not (kind[0] == "Z" or kind in ("Cc", "Cf", "Co") or character == "\ufffd")


def trimmed(document: Document) -> Document:
    """Keep what readers are to keep of a document's entities."""
    return document.with_entities(
        trimmed_entity(document, entity)
        for entity in document.entities
        if any(map(has_piece, entity.text))
    )


def trimmed_entity(document: Document, entity: Entity) -> Entity:
    """Begin and end with a character that has a piece, or at the border of its word."""
    places = range(entity.start, entity.end)
    seen = [place for place in places if has_piece(document.text[place])]
    start, end = seen[0], seen[-1] + 1
    for word_start, word_end in document.words or ():
        if word_start <= seen[0] < word_end:
            start = word_start if word_start >= entity.start else start
        if word_start <= seen[-1] < word_end and word_end <= entity.end:
            end = word_end
    return entity_at(document.text, start, end, entity.label, entity.score)
