"""Doubt the marks of a document: find of each what the model would rather have in its stead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np

from tfner.annotation.readings import Reading
from tfner.documents import Entity
from tfner.evaluation.errors import Kind, match_entities
from tfner.tagging.schemes import Span, split_tag

NO_LABEL = ""  # of a span that is to be no entity
LEAST_ENTITY = 0.1  # probability that makes a unit doubted where nothing is marked nor found


class Doubt(NamedTuple):
    """Hold a mark, or None where nothing is marked, and what the model would rather have there.

    kind: how the mark is wrong if the model is right.
    evidence: for the proposal; see `tfner.annotation.readings.Comparison`.
    """

    kind: Kind
    marked: Span | None
    proposed: Span | None
    evidence: float


def find_doubts(reading: Reading, usual_K: np.ndarray) -> Iterator[Doubt]:
    """Doubt each mark of a document, and find what is not marked.

    A mark is compared with what the model finds in its stead, with no mark, with each other type
    and with either border moved by a unit; the most probable of these is proposed. Where nothing
    is marked, units are doubted in which the model finds an entity, or comes near to it.
    """
    marks = [Entity(*span) for span in reading.marks]
    predicted = [Entity(*span) for span in reading.predicted]
    taken = reading.tags > 0
    # The model is the judge, so its entities are gold here.
    for match in match_entities(gold=predicted, predicted=marks):
        found = match.gold.key if match.gold else None
        if match.predicted is not None:
            yield doubt_mark(reading, match.predicted.key, found, usual_K)
        elif found is not None:
            yield doubt_unmarked(reading, found, usual_K)
        if found is not None:
            taken[found[0] : found[1]] = True
    for span in near_entities(reading, taken):
        yield doubt_unmarked(reading, span, usual_K)


def doubt_mark(reading: Reading, mark: Span, found: Span | None, usual_K: np.ndarray) -> Doubt:
    """Find the most probable alternative to a mark.

    Args:
        found: what the model finds in its stead, if it does.
    """
    compared = {}
    for other in alternatives(reading, mark, found):
        replaced = [mark, *overlapping(reading.marks, other)]
        compared[other] = reading.compare(other, replaced, usual_K)
    best = max(compared, key=lambda other: compared[other].total)
    proposed = best if best[2] else None
    return Doubt(kind_of(mark, proposed), mark, proposed, compared[best].evidence)


def doubt_unmarked(reading: Reading, span: Span, usual_K: np.ndarray) -> Doubt:
    """Compare an entity where nothing is marked, or what belongs to another one, with the marks."""
    replaced = overlapping(reading.marks, span)
    compared = reading.compare(span, replaced, usual_K)
    return Doubt("missed", None, span, compared.evidence)


def alternatives(reading: Reading, mark: Span, found: Span | None) -> Iterator[Span]:
    """List what could stand instead of a mark."""
    first, last, label = mark
    yield first, last, NO_LABEL
    for other in reading.labels.types:
        if other != label:
            yield first, last, other
    for begin in (first - 1, first + 1):
        if 0 <= begin < last:
            yield begin, last, label
    for end in (last - 1, last + 1):
        if first < end <= len(reading.tags):
            yield first, end, label
    if found not in (None, mark):
        yield found


def overlapping(marks: Sequence[Span], span: Span) -> list[Span]:
    """Select the marks that share a unit with a span."""
    first, last, _ = span
    return [mark for mark in marks if mark[0] < last and first < mark[1]]


def kind_of(mark: Span, proposed: Span | None) -> Kind:
    """Name what is wrong with a mark where a proposal is right.

    >>> kind_of((0, 2, "LOC"), (0, 2, "ORG")), kind_of((0, 2, "LOC"), (0, 3, "ORG"))
    ('wrong_type', 'wrong_border_and_type')
    """
    if proposed is None:
        return "spurious"
    is_same_span = mark[:2] == proposed[:2]
    if is_same_span:
        return "wrong_type"
    is_same_label = mark[2] == proposed[2]
    return "wrong_border" if is_same_label else "wrong_border_and_type"


def near_entities(reading: Reading, taken: np.ndarray) -> Iterator[Span]:
    """Find runs of units that may be an entity, though nothing is marked nor found there.

    Args:
        taken: bool [U], where something is marked or found.
    """
    outside_U = np.exp(reading.log_probs[:, 0])
    is_near = (outside_U < 1 - LEAST_ENTITY) & reading.is_seen & ~taken
    for near, run in groupby(enumerate(is_near.tolist()), key=lambda item: item[1]):
        if near:
            rows = [row for row, _ in run]
            first, last = rows[0], rows[-1] + 1
            yield first, last, likeliest_type(reading, first, last)


def likeliest_type(reading: Reading, first: int, last: int) -> str:
    """Choose the type whose tags are most probable in a run of units."""
    said_K = np.exp(reading.log_probs[first:last]).sum(axis=0)
    totals = dict.fromkeys(reading.labels.types, 0.0)
    for tag, said in zip(reading.labels.tags[1:], said_K[1:], strict=True):
        _, label = split_tag(tag)
        totals[label] += said
    return max(totals, key=totals.__getitem__)
