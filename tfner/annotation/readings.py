"""Read marks as a model sees them: how much more probable does it find others in their stead?

Marks are compared as tags of units, whose probabilities the model gives.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tfner.corpus.ledger import Ledger
from tfner.documents import Document, Entity, entity_at
from tfner.tagging.schemes import LabelSet, Span, read_spans, span_prefixes, split_tag
from tfner.tagging.word_tags import tags_on_words

LEAST = 5e-5  # probabilities are kept with four digits, so that 0.0000 may be anything below
PRIOR_UNITS = 30  # units of any type, with which the usual probability of a tag begins


class Comparison(NamedTuple):
    """Say how much more probable a mark is than what stands there, as logarithms of ratios.

    total: of the probabilities of all tags that differ, as if units were independent.
    evidence: of the same, averaged over these units, since neighbours speak for the same thing, and
        in relation to what is usual for the tags. Where a model finds one product in five, it says
        little that it misses another, and much that it finds one where none is marked.
    """

    total: float
    evidence: float


@dataclass(frozen=True)
class Reading:
    """Hold the marks of a document as spans and tags of its units, and what a model says of these.

    Attributes:
        document: whose words are the units.
        marks, predicted: (first unit, one past the last unit, label), in order; none overlaps.
        tags: int [U], of the marks.
        log_probs: float64 [U, K], the logarithm of each tag's probability.
        is_seen: bool [U]; a unit that the model does not see speaks for nothing.
    """

    document: Document
    labels: LabelSet
    marks: tuple[Span, ...]
    predicted: tuple[Span, ...]
    tags: np.ndarray
    log_probs: np.ndarray
    is_seen: np.ndarray

    def compare(self, other: Span, instead_of: Sequence[Span], usual_K: np.ndarray) -> Comparison:
        """Compare a mark that is not there with those that it would replace.

        Args:
            other: the mark; one without a label is none.
            usual_K: see `usual_log_probs`.
        """
        spans = [other, *instead_of]
        first = min(span[0] for span in spans)
        last = max(span[1] for span in spans)
        own_U = self.tags[first:last]
        other_U = tag_ids(self.labels, other, first, last)
        is_other = (own_U != other_U) & self.is_seen[first:last]
        (rows,) = np.nonzero(is_other)
        if not len(rows):
            return Comparison(0.0, 0.0)
        said_UK = self.log_probs[first:last]
        own, others = own_U[rows], other_U[rows]
        gains = said_UK[rows, others] - said_UK[rows, own]
        usual_gains = usual_K[others] - usual_K[own]
        evidence = gains - usual_gains
        return Comparison(float(gains.sum()), float(evidence.mean()))

    def entity_of(self, span: Span) -> Entity:
        """Make an entity of a span of units."""
        first, last, label = span
        units = self.document.words or ()
        start, end = units[first][0], units[last - 1][1]
        return entity_at(self.document.text, start, end, label)


def read_marks(
    document: Document,
    labels: LabelSet,
    predicted: Iterable[Entity],
    probabilities: np.ndarray,
    ledger: Ledger,
) -> Reading:
    """Read the marks of a document, whose words are the units, as a model was taught them.

    Args:
        predicted: the entities that the model finds.
        probabilities: [U, K] of each tag of `labels`; zeros for a unit that it does not see.
        ledger: gets the marks that tags cannot say: those that overlap longer ones or touch no
            unit, and those of types that are not among the labels.
    """
    known = []
    for entity in document.entities:
        if entity.label in labels.types:
            known.append(entity)
        else:
            ledger.record("unknown_label", document.id, f"{entity.label} {entity.text!r}")
    marks = spans_of(document, known, ledger)
    found = spans_of(document, predicted, Ledger())
    tags = np.zeros(len(probabilities), np.int64)
    for span in marks:
        first, last, _ = span
        tags[first:last] = tag_ids(labels, span, first, last)
    is_seen = probabilities.sum(axis=1) > 0
    said = np.maximum(probabilities.astype(np.float64), LEAST)
    return Reading(document, labels, marks, found, tags, np.log(said), is_seen)


def spans_of(document: Document, entities: Iterable[Entity], ledger: Ledger) -> tuple[Span, ...]:
    """Count entities in units; those that touch a unit cover it."""
    tags = tags_on_words(document, entities, ledger)
    spans, _ = read_spans(tags, "IOB2")
    return tuple(spans)


def tag_ids(labels: LabelSet, span: Span, first: int, last: int) -> np.ndarray:
    """Give the units from `first` to `last` the tags of one mark, or O; int [last - first].

    >>> tag_ids(LabelSet(("LOC", "PER")), (5, 7, "LOC"), 4, 8).tolist()
    [0, 1, 2, 0]
    """
    begin, end, label = span
    ids = np.zeros(last - first, np.int64)
    if label:
        prefixes = span_prefixes(end - begin, labels.scheme, adjacent=False)
        own = [labels.id(f"{prefix}-{label}") for prefix in prefixes]
        ids[begin - first : end - first] = own
    return ids


def usual_log_probs(readings: Iterable[Reading], labels: LabelSet) -> np.ndarray:
    """Average what a model says of the tags that are marked, by tag; float64 [K].

    Rare tags are taken to be like all tags of entities.
    """
    tag_count = len(labels)
    sums = np.zeros(tag_count)
    units = np.zeros(tag_count)
    for reading in readings:
        (rows,) = np.nonzero(reading.is_seen)
        tags = reading.tags[rows]
        np.add.at(sums, tags, reading.log_probs[rows, tags])
        np.add.at(units, tags, 1)
    of_entities = sums[1:].sum() / max(1, units[1:].sum())
    sums[1:] += PRIOR_UNITS * of_entities
    units[1:] += PRIOR_UNITS
    return sums / np.maximum(1, units)


def labels_of_tags(tags: Sequence[str]) -> LabelSet:
    """Find the types and the scheme of a model's tags, in their order.

    >>> labels_of_tags(["O", "B-PER", "I-PER", "E-PER", "S-PER"])
    LabelSet(types=('PER',), scheme='BIOES')
    """
    split = [split_tag(tag) for tag in tags]
    prefixes = {prefix for prefix, _ in split}
    types = dict.fromkeys(label for _, label in split if label)
    return LabelSet(tuple(types), "BIOES" if "S" in prefixes else "IOB2")
