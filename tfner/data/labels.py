"""Entities → one tag per unit. Whatever a flat tagger cannot hold is entered in the ledger, by reason."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tfner.corpus.ledger import Ledger, Reason
from tfner.documents import Document, Entity
from tfner.tagging.schemes import LabelSet, write_tags
from tfner.tagging.spans import keep_longest

Span = tuple[int, int]


def tag_units(
    document: Document,
    units: Sequence[Span],
    has_piece: np.ndarray,
    labels: LabelSet,
    ledger: Ledger,
) -> np.ndarray:
    """The tag id of every unit; int32 [U].

    `units` are spans into the text in order, `has_piece` bool [U] says which of them the encoder sees. A unit without pieces is
    skipped as if it were not there: the next unit of its entity carries the B-. An entity whose border falls inside a unit is
    widened to whole units ("misaligned"); it stays a miss in the score unless the model finds its exact borders.
    """
    known = [entity for entity in document.entities if is_known(entity, document, labels, ledger)]
    apart, overlapping = keep_longest(known)
    starts, ends = [start for start, _ in units], [end for _, end in units]
    covers = [covering(entity, starts, ends, has_piece) for entity in apart]
    enter(
        ledger,
        "vanished",
        document,
        [entity for entity, cover in zip(apart, covers, strict=True) if cover is None],
    )
    placed = [
        (replace(entity, start=cover[0], end=cover[1]), entity)
        for entity, cover in zip(apart, covers, strict=True)
        if cover
    ]
    flat, _ = keep_longest(cover for cover, _ in placed)
    held = {
        id(cover) for cover in flat
    }  # by identity: two entities in one unit may be equal once they are widened to it
    enter(
        ledger,
        "overlapping",
        document,
        [*overlapping, *(entity for cover, entity in placed if id(cover) not in held)],
    )
    widened = [
        entity
        for cover, entity in placed
        if id(cover) in held and is_misaligned(entity, starts, ends)
    ]
    enter(ledger, "misaligned", document, widened)
    return tags_of(flat, has_piece, labels)


def is_known(entity: Entity, document: Document, labels: LabelSet, ledger: Ledger) -> bool:
    if entity.label in labels.types:
        return True
    enter(ledger, "unknown_label", document, [entity])
    return False


def covering(
    entity: Entity, starts: Sequence[int], ends: Sequence[int], has_piece: np.ndarray
) -> Span | None:
    """The units (first, one past the last) that an entity touches, without those at its edges that have no piece."""
    first, last = bisect_right(ends, entity.start), bisect_left(starts, entity.end)
    visible = first + np.flatnonzero(has_piece[first:last])
    return (int(visible[0]), int(visible[-1]) + 1) if len(visible) else None


def is_misaligned(entity: Entity, starts: Sequence[int], ends: Sequence[int]) -> bool:
    """Whether a border falls inside a unit; one between units, or in characters outside them, does not."""
    first, last = bisect_right(ends, entity.start), bisect_left(starts, entity.end)
    return first < last and (starts[first] < entity.start or ends[last - 1] > entity.end)


def tags_of(entities: Sequence[Entity], has_piece: np.ndarray, labels: LabelSet) -> np.ndarray:
    """Tag ids of units from entities in unit positions, written over the units that have pieces."""
    rank = np.concatenate([[0], np.cumsum(has_piece)])
    spans = [(int(rank[entity.start]), int(rank[entity.end]), entity.label) for entity in entities]
    tags = np.zeros(len(has_piece), np.int32)
    tags[np.flatnonzero(has_piece)] = [
        labels.id(tag) for tag in write_tags(spans, int(rank[-1]), labels.scheme)
    ]
    return tags


def enter(ledger: Ledger, reason: Reason, document: Document, entities: Sequence[Entity]) -> None:
    for entity in entities:
        ledger.record(
            reason, document.id, f"{entity.label} {entity.start}-{entity.end} {entity.text!r}"
        )


def inside_tags(labels: LabelSet) -> np.ndarray:
    """For each tag, the tag of a unit's further pieces where those are labelled too; int32 [K]: B-X → I-X, S-X and E-X → E-X."""
    return np.array([labels.id(f"{further(tag[0])}{tag[1:]}") for tag in labels.tags], np.int32)


def further(prefix: str) -> str:
    return {"B": "I", "S": "E"}.get(prefix, prefix)
