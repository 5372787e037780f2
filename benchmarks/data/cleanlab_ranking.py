"""Ranks marks as cleanlab ranks words, for `suspects.py`; needs `pip install cleanlab`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from tfner.annotation.readings import Reading
from tfner.annotation.suspects import reading_of
from tfner.corpus.ledger import Ledger
from tfner.documents import Entity
from tfner.tagging.schemes import LabelSet, Span, read_spans
from tfner.training.folds.out_of_fold import OutOfFold


class WordSuspect(NamedTuple):
    """Holds what a suspicious word is marked as, and what the model would mark there."""

    number: int  # of the document
    marked: Entity | None
    proposed: Entity | None


def rank_words(predictions: Sequence[OutOfFold], labels: LabelSet) -> list[WordSuspect]:
    """Rank marks by their first suspicious word.

    First come the words that `find_label_issues` finds, in its order, then the others by
    self-confidence. Words outside of entities, marked or found, are left out, and so are further
    words of an entity.
    """
    from cleanlab.token_classification.filter import find_label_issues
    from cleanlab.token_classification.rank import get_label_quality_scores

    known = [each for each in predictions if each.units]
    readings = [reading_of(each, labels, Ledger()) for each in known]
    tags = [reading.tags.tolist() for reading in readings]
    said = [normalized(reading) for reading in readings]
    issues = find_label_issues(tags, said, return_indices_ranked_by="self_confidence")
    _, scores = get_label_quality_scores(tags, said)
    by_score = []
    for row, own in enumerate(scores):
        by_score += [(score, row, word) for word, score in enumerate(own)]
    ordered = [(row, word) for _, row, word in sorted(by_score)]
    words = dict.fromkeys([*map(tuple, issues), *ordered])
    found = [predicted_spans(reading, labels) for reading in readings]
    return list(suspects_at(words, known, readings, found))


def normalized(reading: Reading) -> np.ndarray:
    """Give the probabilities of tags, [U, K], with rows of the sum 1."""
    said_UK = np.exp(reading.log_probs)
    return said_UK / said_UK.sum(axis=1, keepdims=True)


def predicted_spans(reading: Reading, labels: LabelSet) -> list[Span]:
    """Read the spans of the most probable tags."""
    best_U = reading.log_probs.argmax(axis=1)
    spans, _ = read_spans([labels.tag(int(tag)) for tag in best_U], labels.scheme)
    return spans


def suspects_at(
    words: dict[tuple[int, int], None],
    predictions: Sequence[OutOfFold],
    readings: Sequence[Reading],
    found: Sequence[Sequence[Span]],
) -> Iterator[WordSuspect]:
    """Make suspects of words, one for each entity."""
    listed: set[tuple[int, Span]] = set()
    for row, word in words:
        reading = readings[row]
        marked = span_at(reading.marks, word)
        proposed = span_at(found[row], word)
        both = {(row, span) for span in (marked, proposed) if span is not None}
        if both and not both & listed:
            listed |= both
            entities = [span and reading.entity_of(span) for span in (marked, proposed)]
            yield WordSuspect(predictions[row].number, *entities)


def span_at(spans: Sequence[Span], word: int) -> Span | None:
    """Find the span that covers a word."""
    return next((span for span in spans if span[0] <= word < span[1]), None)
