"""Choose thresholds of scores that reach a precision, on entities that were compared with gold.

A threshold is the lowest that does, so it costs the least recall.
"""

from __future__ import annotations

from collections import Counter
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
        PrecisionError: no threshold reaches a precision, or "" stands for no type.
    """
    others = types_not_named(at_least, types)
    judged = judge(documents, predicted)
    gold = Counter(entity.label for document in documents for entity in document.entities)
    chosen = []
    for name, precision in at_least.items():
        group = [name] if name else others
        members = np.isin(judged.label, group)
        score = judged.score[members]
        right = judged.right[members]
        support = sum(map(gold.__getitem__, group))
        try:
            threshold = lowest_threshold(score, right, precision)
        except PrecisionError as error:
            names = ", ".join(group)
            raise PrecisionError(f"{names}: {error}") from None
        kept = right[score >= threshold]
        before = score_right(right, support)
        after = score_right(kept, support)
        one = ChosenThreshold(tuple(group), precision, threshold, before, after)
        chosen.append(one)
    return chosen


def types_not_named(at_least: Mapping[str, float], types: Sequence[str]) -> list[str]:
    """List the types that "" stands for.

    >>> types_not_named({"": 0.9, "LOC": 0.8}, ["LOC", "ORG", "PER"])
    ['ORG', 'PER']

    Raises:
        PrecisionError: it is given, and all types are named.
    """
    others = [name for name in types if name not in at_least]
    if "" in at_least and not others:
        names = ", ".join(types)
        expected = f"expected a type that is not named to reach {at_least['']} with"
        raise PrecisionError(f"{expected}, got numbers for all of {names}")
    return others


def score_right(right: np.ndarray, support: int) -> Score:
    """Score predicted entities of which it is known whether they are right; bool [N]."""
    predicted = right.size
    correct = right.sum()
    return Score.of(support, predicted, correct.item())


def lowest_threshold(score: np.ndarray, right: np.ndarray, at_least: float) -> float:
    """Find the lowest threshold by which a share of at least `at_least` of the kept is right.

    float [N], bool [N]; 0 where all may be kept.

    >>> lowest_threshold(np.array([0.9, 0.8, 0.5]), np.array([True, True, False]), 0.95)
    0.7

    Raises:
        PrecisionError: there is none that keeps an entity.
    """
    count = score.size
    if not count:
        raise PrecisionError(f"expected entities to reach a precision of {at_least} with, got none")
    order = np.argsort(-score, kind="stable")
    falling = score[order]
    kept = np.arange(1, count + 1)
    correct = np.cumsum(right[order])
    precision = correct / kept
    gap = falling[:-1] - falling[1:]
    is_cut = np.append(gap > TIE, True)
    reached = is_cut & (precision >= at_least)
    if not reached.any():
        precision = np.where(is_cut, precision, -1)
        best = np.argmax(precision)
        highest = f"at most {precision[best]:.4f}, with {kept[best]} of {count} entities"
        raise PrecisionError(f"expected a precision of at least {at_least}, got {highest}")
    (ranks,) = np.nonzero(reached)
    last = ranks[-1]
    if last == count - 1:
        return 0.0
    low, high = falling[last + 1], falling[last]
    return between(low.item(), high.item())


def between(low: float, high: float) -> float:
    """Find a short number well between two that are more than TIE apart.

    >>> between(0.7312, 0.7456), between(0.7312, 0.7314)
    (0.74, 0.7313)
    """
    margin = (high - low) / 4
    lowest = low + margin
    highest = high - margin
    middle = (low + high) / 2
    for digits in range(1, 8):
        short = round(middle, digits)
        if lowest <= short <= highest:
            return short
    return middle
