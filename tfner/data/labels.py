"""Give every unit one tag; what a flat tagger cannot hold is entered in the ledger, by reason."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from tfner.corpus.ledger import Ledger
from tfner.documents import Document, Entity
from tfner.tagging.schemes import LabelSet, write_tags
from tfner.tagging.spans import keep_longest
from tfner.tagging.word_tags import enter, split_borders

Span = tuple[int, int]


class Units(NamedTuple):
    """Hold the units of a document: spans in order, and which of them the encoder sees.

    Args:
        starts, ends: code points, [U] each.
        has_piece: bool [U].
    """

    starts: Sequence[int]
    ends: Sequence[int]
    has_piece: np.ndarray

    def touched_by(self, entity: Entity) -> Span:
        """Find the units that an entity touches: the first, and one past the last."""
        return bisect_right(self.ends, entity.start), bisect_left(self.starts, entity.end)


def tag_units(
    document: Document,
    units: Sequence[Span],
    has_piece: np.ndarray,
    labels: LabelSet,
    ledger: Ledger,
) -> np.ndarray:
    """Give the tag id of every unit; int32 [U].

    `units` are spans into the text in order, `has_piece` bool [U] says which of them the encoder
    sees. A unit without pieces is skipped as if it were not there: the next unit of its entity
    carries the B-. An entity whose border falls inside a unit is widened to whole units
    ("misaligned"); it stays a miss in the score unless the model finds its exact borders.

        >>> document = Document("Anna Lund's Oslo", (Entity(0, 9, "PER"), Entity(12, 16, "LOC")))
        >>> units, labels, ledger = [(0, 4), (5, 11), (12, 16)], LabelSet(("LOC", "PER")), Ledger()
        >>> tags = tag_units(document, units, np.array([True, True, True]), labels, ledger)
        >>> [labels.tags[tag] for tag in tags]
        ['B-PER', 'I-PER', 'B-LOC']
        >>> ledger.counts
        {'misaligned': 1}
    """
    table = Units(*split_borders(units), has_piece)
    known = [entity for entity in document.entities if entity.label in labels.types]
    unknown = [entity for entity in document.entities if entity.label not in labels.types]
    apart, overlapping = keep_longest(known)
    covers = [cover_of(entity, table) for entity in apart]
    visible = filter(None, covers)
    flat = keep_longest(visible)[0]
    # by identity: two entities in one unit may be equal once they are widened to it
    kept_ids = set(map(id, flat))
    vanished = []
    misaligned = []
    for entity, cover in zip(apart, covers, strict=True):
        if cover is None:
            vanished.append(entity)
        elif id(cover) not in kept_ids:
            overlapping.append(entity)
        elif is_misaligned(entity, table):
            misaligned.append(entity)
    enter(ledger, "unknown_label", document, unknown)
    enter(ledger, "vanished", document, vanished)
    enter(ledger, "overlapping", document, overlapping)
    enter(ledger, "misaligned", document, misaligned)
    return write_tag_ids(flat, has_piece, labels)


def cover_of(entity: Entity, units: Units) -> Entity | None:
    """Widen an entity to the units that it touches, in numbers of units.

    Those at its edges that have no piece are left out; None if no other is there.
    """
    first, last = units.touched_by(entity)
    visible = first + np.flatnonzero(units.has_piece[first:last])
    if not len(visible):
        return None
    first, last = visible[[0, -1]].tolist()
    return replace(entity, start=first, end=last + 1)


def is_misaligned(entity: Entity, units: Units) -> bool:
    """Tell whether a border falls inside a unit; one between units, or outside them, does not."""
    first, last = units.touched_by(entity)
    if first >= last:
        return False
    first_start = units.starts[first]
    begins_earlier = first_start < entity.start
    return begins_earlier or units.ends[last - 1] > entity.end


def write_tag_ids(
    entities: Sequence[Entity], has_piece: np.ndarray, labels: LabelSet
) -> np.ndarray:
    """Write the tag ids of units over those that have pieces; entities are in numbers of units.

    >>> labels, has_piece = LabelSet(("LOC",)), np.array([True, False, True, True])
    >>> tags = write_tag_ids([Entity(0, 3, "LOC")], has_piece, labels)
    >>> [labels.tags[tag] for tag in tags]
    ['B-LOC', 'O', 'I-LOC', 'O']
    """
    rank = np.append(0, np.cumsum(has_piece)).tolist()
    spans = [(rank[entity.start], rank[entity.end], entity.label) for entity in entities]
    written = write_tags(spans, rank[-1], labels.scheme)
    tags = np.zeros(len(has_piece), np.int32)
    tags[has_piece] = [labels.id(tag) for tag in written]
    return tags


def inside_tags(labels: LabelSet) -> np.ndarray:
    """Give, for each tag, the tag of a unit's further pieces where those are labelled too.

        >>> labels = LabelSet(("LOC",), "BIOES")
        >>> {tag: labels.tags[id] for tag, id in zip(labels.tags, inside_tags(labels))}
        {'O': 'O', 'B-LOC': 'I-LOC', 'I-LOC': 'I-LOC', 'E-LOC': 'E-LOC', 'S-LOC': 'E-LOC'}

    Returns:
        int32 [K].
    """
    further = {"B": "I", "S": "E"}
    names = [further.get(tag[0], tag[0]) + tag[1:] for tag in labels.tags]
    return np.array(list(map(labels.id, names)), np.int32)
