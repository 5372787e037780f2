"""Say how far a score would move on other documents of the same kind: bootstrap intervals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tfner.documents import Document, Entity
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

    Sentences of one longer document (`Document.group`) are drawn together: what is hard in one is
    often hard in the next.
    """
    groups: dict[str | int, list[EntityPair]] = {}
    for number, (document, found) in enumerate(zip(documents, predicted, strict=True)):
        pair = (document.entities, found)
        groups.setdefault(document.group or number, []).append(pair)
    if len(groups) < 2:
        return None
    counts_D3 = np.array(list(map(count_entities, groups.values())))
    low, high = np.quantile(draw_f1(counts_D3), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high), len(groups))


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
    Documents with the same counts are alike, so it is drawn how many there are of each kind: a
    draw costs the number of kinds, which is small however many documents there are.

        >>> f1 = draw_f1(np.array([[1, 1, 1], [1, 1, 0]]))
        >>> sorted(set(f1.tolist()))
        [0.0, 0.5, 1.0]
    """
    kinds_U3, documents_U = np.unique(counts_D3, axis=0, return_counts=True)
    random = np.random.default_rng(SEED)
    drawn_SU = random.multinomial(len(counts_D3), documents_U / len(counts_D3), size=SAMPLES)
    true_S, predicted_S, correct_S = (drawn_SU @ kinds_U3).T
    return 2 * correct_S / np.maximum(true_S + predicted_S, 1)
