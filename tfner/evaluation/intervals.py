"""Say how far a score would move on other documents of the same kind: bootstrap intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tfner.documents import Document, Entity

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


class Counts(NamedTuple):
    """Count the entities of one document in gold, in predictions, and in both."""

    true: int
    predicted: int
    correct: int

    @classmethod
    def of(cls, gold: Iterable[Entity], predicted: Iterable[Entity]) -> Counts:
        """Count; an entity is correct if start, end and label are those of a gold one.

        >>> Counts.of([Entity(0, 4, "PER")], [Entity(0, 4, "PER"), Entity(5, 7, "LOC")])
        Counts(true=1, predicted=2, correct=1)
        """
        gold_keys = Counter(entity.key for entity in gold)
        predicted_keys = Counter(entity.key for entity in predicted)
        both = gold_keys & predicted_keys
        return cls(gold_keys.total(), predicted_keys.total(), both.total())


def f1_interval(
    documents: Sequence[Document], predicted: Sequence[Sequence[Entity]]
) -> Interval | None:
    """Compute the interval of the micro F1 over documents; None of fewer than two.

    Sentences of one longer document (`Document.group`) are drawn together: what is hard in one is
    often hard in the next.
    """
    counts_by_group: dict[Any, list[Counts]] = {}
    for number, (document, found) in enumerate(zip(documents, predicted, strict=True)):
        counts = Counts.of(document.entities, found)
        counts_by_group.setdefault(document.group or number, []).append(counts)
    groups = list(counts_by_group.values())
    if len(groups) < 2:
        return None
    counts_D3 = np.array([np.sum(group, axis=0) for group in groups])
    low, high = np.quantile(draw_f1(counts_D3), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high), len(groups))


def draw_f1(counts_D3: np.ndarray) -> np.ndarray:
    """Draw as many documents as there are, SAMPLES times, and score each draw; float64 [SAMPLES].

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
