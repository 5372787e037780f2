"""Say how far a score would move on other documents of the same kind: bootstrap intervals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tfner.documents import Document, Entity
from tfner.evaluation.resampling import bootstrap_sums, f1_of, sum_groups
from tfner.evaluation.scores import EntityPair, score_entities

SAMPLES = 1000
LEVEL = 0.95
SEED = 1


class Interval(NamedTuple):
    """Hold the interval of a micro F1, fractions in [0, 1].

    Of `samples` draws of `documents` documents, with replacement, the share `level` scored between
    `low` and `high` (Efron 1979, percentiles).
    """

    low: float
    high: float
    documents: int
    level: float = LEVEL
    samples: int = SAMPLES

    def to_dict(self) -> dict[str, Any]:
        """Give the numbers by name."""
        return self._asdict()


def f1_interval(
    documents: Sequence[Document], predicted: Sequence[Sequence[Entity]]
) -> Interval | None:
    """Compute the interval of the micro F1 over documents; None of fewer than two.

    Sentences of one longer document (`Document.group`) are drawn together, see `sum_groups`.
    """
    counts = []
    for document, found in zip(documents, predicted, strict=True):
        counts.append(count_entities([(document.entities, found)]))
    counts_N3 = np.array(counts).reshape(-1, 3)
    counts_D3 = sum_groups(documents, counts_N3)
    if len(counts_D3) < 2:
        return None
    low, high = np.quantile(draw_f1(counts_D3), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high), len(counts_D3))


def count_entities(pairs: Iterable[EntityPair]) -> list[int]:
    """Count the entities of all types in gold, in predictions, and in both.

    >>> gold, found = [Entity(0, 4, "PER")], [Entity(0, 4, "PER"), Entity(5, 7, "LOC")]
    >>> count_entities([(gold, found)])
    [1, 2, 1]
    """
    scores = score_entities(pairs)
    return [sum(counts.values()) for counts in (scores.true, scores.predicted, scores.correct)]


def draw_f1(counts_D3: np.ndarray) -> np.ndarray:
    """Draw as many documents as there are, SAMPLES times, and score each draw.

    Counts of `count_entities`, int [D, 3] -> micro F1, float64 [SAMPLES].

        >>> f1 = draw_f1(np.array([[1, 1, 1], [1, 1, 0]]))
        >>> sorted(set(f1.tolist()))
        [0.0, 0.5, 1.0]
    """
    random = np.random.default_rng(SEED)
    true_S, predicted_S, correct_S = bootstrap_sums(counts_D3, SAMPLES, random).T
    return f1_of(true_S, predicted_S, correct_S)
