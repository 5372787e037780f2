"""Count exact spans and labels, as seqeval's default mode does, into precision, recall and F1.

On tags of B, I and O, conlleval gives the same numbers; it knows no E and no S.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from tfner.documents import Document, Entity

EntityPair = tuple[Iterable[Entity], Iterable[Entity]]  # a document's (gold, predicted) entities


class Score(NamedTuple):
    """Hold fractions in [0, 1], 0 where nothing can be divided; `support` counts gold entities."""

    precision: float
    recall: float
    f1: float
    support: int

    @classmethod
    def of(cls, true: int, predicted: int, correct: int) -> Score:
        """Divide the numbers of gold, predicted and correctly predicted entities.

        >>> Score.of(true=4, predicted=5, correct=2)
        Score(precision=0.4, recall=0.5, f1=0.4444444444444444, support=4)
        """
        # 2c/(t+p) is the harmonic mean of c/p and c/t without dividing 0 by 0.
        f1 = _ratio(2 * correct, true + predicted)
        precision = _ratio(correct, predicted)
        recall = _ratio(correct, true)
        return cls(precision, recall, f1, int(true))

    def to_dict(self) -> dict[str, float]:
        """Give the four numbers by name."""
        return self._asdict()


@dataclass(frozen=True)
class EntityScores:
    """Count the entities of each type in the gold data, in the predictions, and in both.

    Scores of subsets of the data add up: `a + b`, or `sum(scores, EntityScores())`. A type that
    occurs in neither gold nor predictions has no score and no share in the macro average.

    >>> scores = EntityScores(true={"LOC": 2}, predicted={"LOC": 1, "PER": 1}, correct={"LOC": 1})
    >>> scores.micro
    Score(precision=0.5, recall=0.5, f1=0.5, support=2)
    >>> scores.types["LOC"]
    Score(precision=1.0, recall=0.5, f1=0.6666666666666666, support=2)
    """

    true: Mapping[str, int] = field(default_factory=dict)
    predicted: Mapping[str, int] = field(default_factory=dict)
    correct: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: EntityScores) -> EntityScores:
        """Add counts type by type."""
        true = Counter(self.true) + Counter(other.true)
        predicted = Counter(self.predicted) + Counter(other.predicted)
        correct = Counter(self.correct) + Counter(other.correct)
        return EntityScores(dict(true), dict(predicted), dict(correct))

    @cached_property
    def types(self) -> dict[str, Score]:
        """Score each type, in alphabetical order."""
        scores = {}
        for name in sorted({*self.true, *self.predicted}):
            true = self.true.get(name, 0)
            predicted = self.predicted.get(name, 0)
            correct = self.correct.get(name, 0)
            if true or predicted:
                scores[name] = Score.of(true, predicted, correct)
        return scores

    @property
    def micro(self) -> Score:
        """Count all entities alike: the F1 that papers report."""
        true = sum(self.true.values())
        predicted = sum(self.predicted.values())
        return Score.of(true, predicted, sum(self.correct.values()))

    @property
    def macro(self) -> Score:
        """Average over types, each type counted alike; `support` is that of all."""
        return self._mean(dict.fromkeys(self.types, 1))

    @property
    def weighted(self) -> Score:
        """Average over types, each weighted by its number of gold entities."""
        supports = {name: score.support for name, score in self.types.items()}
        return self._mean(supports)

    def to_dict(self) -> dict[str, Any]:
        """Give `{"micro": {...}, "macro": {...}, "types": {NAME: {...}}}`, scores by name."""
        scores = {"micro": self.micro.to_dict(), "macro": self.macro.to_dict()}
        types = {name: score.to_dict() for name, score in self.types.items()}
        return {**scores, "types": types}

    def _mean(self, weights: Mapping[str, int]) -> Score:
        """Average the scores of the types by weight."""
        total = sum(weights.values())
        weighted_sums = [0.0, 0.0, 0.0]
        for name, score in self.types.items():
            for index, value in enumerate(score[:3]):
                weighted_sums[index] += weights[name] * value
        precision, recall, f1 = (_ratio(weighted_sum, total) for weighted_sum in weighted_sums)
        support = sum(score.support for score in self.types.values())
        return Score(precision, recall, f1, support)


def score_entities(pairs: Iterable[EntityPair]) -> EntityScores:
    """Count the (gold, predicted) entities of each document; correct: same start, end and label.

    An entity given twice counts twice and is matched at most as often as it stands on the other
    side.

    >>> score_entities([([Entity(0, 4, "PER")], [Entity(0, 4, "PER"), Entity(9, 11, "LOC")])])
    EntityScores(true={'PER': 1}, predicted={'PER': 1, 'LOC': 1}, correct={'PER': 1})
    """
    true, predicted, correct = Counter(), Counter(), Counter()
    for gold_entities, predicted_entities in pairs:
        gold_keys = Counter(entity.key for entity in gold_entities)
        predicted_keys = Counter(entity.key for entity in predicted_entities)
        _add_by_label(true, gold_keys)
        _add_by_label(predicted, predicted_keys)
        _add_by_label(correct, gold_keys & predicted_keys)
    return EntityScores(dict(true), dict(predicted), dict(correct))


def score_slices(pairs: Iterable[tuple[Document, Iterable[Entity]]]) -> dict[str, EntityScores]:
    """Score each named `Document.slice` on its own.

    Returns:
        Scores by the slice's name; documents without one are in none.
    """
    slices: defaultdict[str, list[EntityPair]] = defaultdict(list)
    for document, predicted in pairs:
        if document.slice:
            pair = (document.entities, predicted)
            slices[document.slice].append(pair)
    return {name: score_entities(slices[name]) for name in sorted(slices)}


def _add_by_label(counts: Counter[str], keys: Counter[tuple[int, int, str]]) -> None:
    """Add the number of each (start, end, label) to its label's count."""
    for (_, _, label), count in keys.items():
        counts[label] += count


def _ratio(numerator: float, denominator: float) -> float:
    """Divide, 0 by 0 being 0."""
    return float(numerator / denominator) if denominator else 0.0
