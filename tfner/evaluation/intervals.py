"""Say how far scores would move on other documents of the same kind: bootstrap intervals.

Documents are drawn with replacement, as many as there are, and each draw is scored (Efron 1979,
percentiles). Sentences of one longer document (`Document.group`) are drawn together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tfner.documents import Document
from tfner.evaluation.document_counts import Found, count_types, with_micro
from tfner.evaluation.resampling import (
    LEAST_GROUPS,
    LEVEL,
    bootstrap_sums,
    bounds_of,
    chance_without,
    divide,
    f1_of,
    sum_groups,
)
from tfner.evaluation.scores import score_entities

SAMPLES = 1000
SEED = 1
SCORES = ("precision", "recall", "f1")


class Interval(NamedTuple):
    """Hold where a score lay in the share LEVEL of the draws that have it, fractions in [0, 1].

    `defined` counts these draws; in the others there is nothing to divide by.
    """

    low: float
    high: float
    defined: int = SAMPLES

    def to_dict(self) -> dict[str, float]:
        """Give the numbers by name."""
        return self._asdict()


ByScore = Mapping[str, Interval | None]  # of SCORES; None where too few draws have the score


@dataclass(frozen=True)
class Intervals:
    """Hold the intervals of the scores of all types as one, and of each.

    Args:
        documents: how many were drawn from; less than were read where several are one longer one.
        with_entities: how many of them have an entity, gold or predicted.
        micro: over all types as one.
        types: by name.
    """

    documents: int
    with_entities: int
    micro: ByScore
    types: Mapping[str, ByScore]

    @property
    def no_interval(self) -> str:
        """Say why there is no interval of the micro F1, and so none of any; "" where there is."""
        if self.micro["f1"]:
            return ""
        if self.documents < LEAST_GROUPS:
            return "one document" if self.documents else "no documents"
        count = f"{self.with_entities:,}" if self.with_entities else "none"
        return f"entities in {count} of {self.documents:,} documents"

    def micro_f1(self) -> dict[str, Any] | None:
        """Give the interval of the micro F1 with what it was drawn from."""
        interval = self.micro["f1"]
        if interval is None:
            return None
        drawn = {"documents": self.documents, "level": LEVEL, "samples": SAMPLES}
        return {"low": interval.low, "high": interval.high, **drawn}

    def to_dict(self) -> dict[str, Any]:
        """Give the intervals as scores are given, `{"micro": {...}, "types": {NAME: {...}}}`."""
        values: dict[str, Any] = {"documents": self.documents, "with_entities": self.with_entities}
        values |= {"level": LEVEL, "samples": SAMPLES, "no_interval": self.no_interval}
        values["micro"] = as_values(self.micro)
        values["types"] = {name: as_values(of_type) for name, of_type in self.types.items()}
        return values


def as_values(intervals: ByScore) -> dict[str, dict[str, float] | None]:
    """Give intervals as plain values, for JSON."""
    return {name: interval and interval.to_dict() for name, interval in intervals.items()}


def measure_intervals(documents: Sequence[Document], found: Found) -> Intervals:
    """Compute the intervals of what was found in documents.

    10,000 documents with entities of 20 types take half a second of one processor.

    >>> from tfner.documents import Entity
    >>> mara = Document("Mara left", (Entity(0, 4, "PER"),))
    >>> intervals = measure_intervals([mara] * 4, [mara.entities, (), (), ()])
    >>> intervals.micro["recall"], intervals.no_interval
    (Interval(low=0.0, high=0.75, defined=1000), '')
    """
    gold = (document.entities for document in documents)
    labels = list(score_entities(zip(gold, found, strict=True)).types)
    counts_N3K = count_types(documents, found, labels)
    counts_D3K = sum_groups(documents, counts_N3K)
    counts_D3L = with_micro(counts_D3K)
    micro, *of_types = (intervals_of(counts_D3) for counts_D3 in np.moveaxis(counts_D3L, -1, 0))
    types = dict(zip(labels, of_types, strict=True))
    entities_D = counts_D3K.sum(axis=(1, 2))
    with_entities = np.count_nonzero(entities_D)
    return Intervals(len(entities_D), int(with_entities), micro, types)


def intervals_of(counts_D3: np.ndarray) -> dict[str, Interval | None]:
    """Compute the intervals of the scores of one type from its counts, int [D, 3]."""
    groups = len(counts_D3)
    if groups < LEAST_GROUPS:
        return dict.fromkeys(SCORES)
    true_D, predicted_D, _ = counts_D3.T
    divided_by_3D = (predicted_D, true_D, true_D + predicted_D)
    intervals: dict[str, Interval | None] = {}
    for name, drawn_S, divisor_D in zip(SCORES, draw_scores(counts_D3), divided_by_3D, strict=True):
        bounds = bounds_of(drawn_S, groups, chance_without(divisor_D > 0))
        defined = int(np.count_nonzero(~np.isnan(drawn_S)))
        intervals[name] = Interval(*bounds, defined) if bounds else None
    return intervals


def draw_scores(counts_D3: np.ndarray) -> np.ndarray:
    """Draw as many documents as there are, SAMPLES times, and score each draw.

    Gold, predicted and correct entities, int [D, 3] -> precision, recall and F1, float64
    [3, SAMPLES], nan where a draw has nothing to divide by.

        >>> _, _, f1 = draw_scores(np.array([[1, 1, 1], [1, 1, 0]]))
        >>> sorted(set(f1.tolist()))
        [0.0, 0.5, 1.0]
    """
    random = np.random.default_rng(SEED)
    true_S, predicted_S, correct_S = bootstrap_sums(counts_D3, SAMPLES, random).T
    precision_S = divide(correct_S, predicted_S)
    recall_S = divide(correct_S, true_S)
    f1_S = f1_of(true_S, predicted_S, correct_S)
    return np.stack([precision_S, recall_S, f1_S])
