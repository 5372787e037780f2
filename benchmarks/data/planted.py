"""Plants mistakes in the marks of a corpus: entities dropped, retyped, and with a moved border."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import cycle
from typing import Literal, NamedTuple

from tfner.documents import Document, Entity, entity_at
from tfner.tagging.word_tags import covered_words, split_borders

Kind = Literal["dropped", "retyped", "moved"]
KINDS: tuple[Kind, ...] = ("dropped", "retyped", "moved")


class Planted(NamedTuple):
    """Holds a mistake: what was marked in a document, and what is marked there instead."""

    number: int  # of the document
    kind: Kind
    before: Entity
    after: Entity | None


def plant(
    documents: Sequence[Document], share: float, seed: int
) -> tuple[list[Document], list[Planted]]:
    """Plant mistakes in a share of the entities, equally many of each kind.

    A corpus of one type has none of another type. An entity that has no room for a mistake of a
    kind keeps its marks, and another one is taken.

    >>> sentence = Document.from_words(["Mara", "of", "Lund"], [(0, 1, "PER"), (2, 3, "LOC")])
    >>> noisy, planted = plant([sentence], share=0.5, seed=1)
    >>> [(each.kind, each.before.text, each.after) for each in planted], len(noisy[0].entities)
    ([('dropped', 'Lund', None)], 1)
    """
    chooser = random.Random(seed)
    types = sorted({entity.label for document in documents for entity in document.entities})
    marks = [(number, each) for number, text in enumerate(documents) for each in text.entities]
    wanted = round(share * len(marks))
    chooser.shuffle(marks)
    kinds = cycle(KINDS if len(types) > 1 else ("dropped", "moved"))
    noisy = list(documents)
    planted: list[Planted] = []
    kind = next(kinds)
    for number, entity in marks:
        if len(planted) == wanted:
            break
        changes = list(changes_of(noisy[number], entity, kind, types))
        if changes:
            after = chooser.choice(changes)
            noisy[number] = replace_entity(noisy[number], entity, after)
            planted.append(Planted(number, kind, entity, after))
            kind = next(kinds)
    return noisy, planted


def changes_of(
    document: Document, entity: Entity, kind: Kind, types: Sequence[str]
) -> list[Entity | None]:
    """List what a mistake of a kind can make of an entity; None is nothing."""
    if kind == "dropped":
        return [None]
    if kind == "retyped":
        text = document.text
        others = [label for label in types if label != entity.label]
        return [entity_at(text, entity.start, entity.end, label) for label in others]
    return list(moved(document, entity))


def moved(document: Document, entity: Entity) -> list[Entity | None]:
    """List the entity with either border a word further out or in, where that touches no other.

    >>> sentence = Document.from_words(["of", "New", "York", ","], [(1, 3, "LOC")])
    >>> [each.text for each in moved(sentence, sentence.entities[0])]
    ['of New York', 'York', 'New', 'New York ,']
    """
    words = document.words or ()
    starts, ends = split_borders(words)
    first, last = covered_words(entity, starts, ends)
    taken = set()
    for other in document.entities:
        if other != entity:
            taken.update(range(*covered_words(other, starts, ends)))
    found: list[Entity | None] = []
    for begin, end in ((first - 1, last), (first + 1, last), (first, last - 1), (first, last + 1)):
        is_inside = 0 <= begin < end <= len(words)
        if is_inside and taken.isdisjoint(range(begin, end)):
            start, stop = words[begin][0], words[end - 1][1]
            found.append(entity_at(document.text, start, stop, entity.label))
    return found


def replace_entity(document: Document, before: Entity, after: Entity | None) -> Document:
    """Mark something else, or nothing, where an entity is marked."""
    changed = [after if entity == before else entity for entity in document.entities]
    kept = [entity for entity in changed if entity is not None]
    return document.with_entities(kept)
