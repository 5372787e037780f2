"""Rank the marks of a corpus by how likely they are wrong, from out-of-fold predictions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from tfner.annotation.doubts import find_doubts
from tfner.annotation.elsewhere import Elsewhere, StringCounts
from tfner.annotation.readings import Reading, read_marks, usual_log_probs
from tfner.corpus.ledger import Ledger
from tfner.corpus.verdicts.strings import count_usages
from tfner.documents import Document, Entity
from tfner.evaluation.errors import Kind
from tfner.exceptions import DataError
from tfner.tagging.schemes import LabelSet
from tfner.training.folds.out_of_fold import OutOfFold

PRIOR = 0.05  # share of wrong marks that is expected before anything is known
# What models and strings say is too sure of itself: measured with mistakes that were planted.
TEMPERATURE = 2.0


@dataclass(frozen=True)
class Suspect:
    """Hold a mark that may be wrong, or a spot where one may be missing.

    Attributes:
        document: as it is marked; `number` counts the documents of the corpus from 0.
        kind: how the mark is wrong if the proposal is right: `missed` is what is not marked,
            `spurious` what is marked and no entity.
        score: in [0, 1], a rough chance that the mark is wrong.
        marked: None where nothing is.
        proposed: None for no entity.
        elsewhere: how often the same strings are marked so in the rest of the corpus.
    """

    document: Document
    number: int
    kind: Kind
    score: float
    marked: Entity | None
    proposed: Entity | None
    elsewhere: Elsewhere


def rank_suspects(
    predictions: Iterable[OutOfFold], labels: LabelSet, ledger: Ledger
) -> list[Suspect]:
    """List every mark, and what may be missing, the most suspicious first.

    Args:
        predictions: of models that have not learned the documents.
        labels: the models' tags.
        ledger: gets the marks that cannot be judged.

    Raises:
        DataError: predictions are of other tags.
    """
    found = list(predictions)
    readings = [reading_of(each, labels, ledger) for each in found]
    usual_K = usual_log_probs(readings, labels)
    documents = [each.document for each in found]
    usages = count_usages({"": documents})
    ranked = []
    for each, reading in zip(found, readings, strict=True):
        strings = StringCounts(usages, each.document)
        for evidence, suspect in suspects_of(each, reading, usual_K, strings):
            order = -evidence, suspect.number, len(ranked)
            ranked.append((order, suspect))
    ranked.sort(key=lambda item: item[0])
    return [suspect for _, suspect in ranked]


def reading_of(each: OutOfFold, labels: LabelSet, ledger: Ledger) -> Reading:
    """Read the marks of a document on its units.

    Raises:
        DataError: the probabilities are of other tags or units.
    """
    units = len(each.units)
    expected = (units, len(labels))
    got = each.probabilities.shape
    if units and got != expected:
        asked = f"expected probabilities of {len(labels)} tags for each of {units:,} units"
        raise DataError(f"{each.document.id}: {asked}, got the shape {got}")
    probabilities = each.probabilities.reshape(expected)
    on_units = replace(each.document, words=each.units)
    return read_marks(on_units, labels, each.predicted, probabilities, ledger)


def suspects_of(
    each: OutOfFold, reading: Reading, usual_K: np.ndarray, strings: StringCounts
) -> Iterator[tuple[float, Suspect]]:
    """Make suspects of the doubts about a document, each behind the evidence for it."""
    for doubt in find_doubts(reading, usual_K):
        marked = reading.entity_of(doubt.marked) if doubt.marked else None
        proposed = reading.entity_of(doubt.proposed) if doubt.proposed else None
        elsewhere = strings.compare(marked, proposed)
        evidence = doubt.evidence + elsewhere.log_ratio
        score = score_of(evidence)
        about = each.document, each.number, doubt.kind, score
        yield evidence, Suspect(*about, marked, proposed, elsewhere)


def score_of(evidence: float) -> float:
    """Turn evidence into a rough chance that a mark is wrong.

    >>> [round(score_of(evidence), 2) for evidence in (0.0, 6.0, 12.0)]
    [0.05, 0.51, 0.96]
    """
    prior = math.log(PRIOR / (1 - PRIOR))
    log_odds = prior + evidence / TEMPERATURE
    return 1 / (1 + math.exp(-log_odds))
