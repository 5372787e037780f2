"""Choose thresholds of scores that reach a precision, on entities that were compared with gold.

A threshold is the lowest that does, so it costs the least recall.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tfner.documents import Document, Entity
from tfner.evaluation.reliability import judge
from tfner.evaluation.scores import Score

# No threshold lies between two scores that are nearer to each other: another machine or batch may
# turn them around.
TIE = 1e-5


class ChosenThreshold(NamedTuple):
    """Hold a threshold of some types together, and what it does on the data it was chosen on."""

    types: tuple[str, ...]
    at_least: float  # the precision that was asked for
    threshold: float
    before: Score  # without a threshold
    after: Score

    def to_dict(self) -> dict[str, Any]:
        """Give plain values, for JSON."""
        scores = {"before": self.before.to_dict(), "after": self.after.to_dict()}
        return {**self._asdict(), "types": list(self.types), **scores}


class PrecisionError(ValueError):
    """Say which precision can be reached at most."""


def choose_thresholds(
    documents: Sequence[Document],
    predicted: Sequence[Sequence[Entity]],
    at_least: Mapping[str, float],
    types: Sequence[str],
) -> list[ChosenThreshold]:
    """Choose one threshold for each type that is named, and one for all others together.

    Args:
        documents: with their gold entities.
        predicted: all entities of each, whatever their score.
        at_least: precision by type; "" stands for the types that are not named.
        types: all types of the model.

    Raises:
        PrecisionError: no threshold reaches a precision.
    """
    judged = judge(documents, predicted)
    gold = [entity.label for document in documents for entity in document.entities]
    chosen = []
    for name, precision in at_least.items():
        group = (name,) if name else tuple(each for each in types if each not in at_least)
        if not group:
            continue
        members = np.isin(judged.label, group)
        support = sum(label in group for label in gold)
        score, right = judged.score[members], judged.right[members]
        try:
            threshold = lowest_threshold(score, right, precision)
        except PrecisionError as error:
            raise PrecisionError(f"{', '.join(group)}: {error}") from None
        kept = score >= threshold
        before = Score.of(support, len(score), int(right.sum()))
        after = Score.of(support, int(kept.sum()), int(right[kept].sum()))
        chosen.append(ChosenThreshold(group, precision, threshold, before, after))
    return chosen


def lowest_threshold(score: np.ndarray, right: np.ndarray, at_least: float) -> float:
    """Find the lowest threshold by which a share of at least `at_least` of the kept is right.

    float [N], bool [N]; 0 where all may be kept.

    >>> lowest_threshold(np.array([0.9, 0.8, 0.5]), np.array([True, True, False]), 0.95)
    0.7

    Raises:
        PrecisionError: there is none that keeps an entity.
    """
    order = np.argsort(-score, kind="stable")
    falling = score[order]
    kept = np.arange(1, len(score) + 1)
    precision = np.cumsum(right[order]) / kept
    if not len(score):
        raise PrecisionError(
            f"expected entities to reach a precision of {at_least} with, found none"
        )
    is_cut = np.append(falling[:-1] - falling[1:] > TIE, True)
    reached = np.flatnonzero(is_cut & (precision >= at_least))
    if not len(reached):
        best = np.flatnonzero(is_cut)[np.argmax(precision[is_cut])]
        highest = f"at most {precision[best]:.4f}, with {kept[best]} of {len(score)} entities"
        raise PrecisionError(f"expected a precision of at least {at_least}, got {highest}")
    last = int(reached[-1])
    if last == len(score) - 1:
        return 0.0
    return between(float(falling[last + 1]), float(falling[last]))


def between(low: float, high: float) -> float:
    """Find a short number well between two that are more than TIE apart.

    >>> between(0.7312, 0.7456), between(0.7312, 0.7314)
    (0.74, 0.7313)
    """
    margin = (high - low) / 4
    middle = (low + high) / 2
    rounded = (round(middle, digits) for digits in range(1, 8))
    return next((value for value in rounded if low + margin <= value <= high - margin), middle)
