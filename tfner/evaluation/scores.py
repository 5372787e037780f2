"""Score entities by exact span and label, as seqeval's default mode counts them.

conlleval gives the same numbers where tags are B, I and O; it knows no E and S.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from tfner.documents import Document, Entity


class Score(NamedTuple):
    """Fractions in [0, 1], 0 where nothing can be divided; `support` is the number of gold entities."""

    precision: float
    recall: float
    f1: float
    support: int

    @classmethod
    def of(cls, true: int, predicted: int, correct: int) -> Score:
        """From the numbers of gold, predicted and correctly predicted entities."""
        # 2c/(t+p) is the harmonic mean of c/p and c/t without dividing 0 by 0.
        return cls(
            _ratio(correct, predicted),
            _ratio(correct, true),
            _ratio(2 * correct, true + predicted),
            int(true),
        )

    def to_dict(self) -> dict[str, float]:
        """The four numbers by name."""
        return self._asdict()


@dataclass(frozen=True)
class EntityScores:
    """How many entities of each type are in the gold data, in the predictions, and in both.

    Scores of parts of the data add up: `a + b`, or `sum(parts, EntityScores())`. A type that occurs in neither gold
    nor predictions has no score and no share in the macro average.
    """

    true: Mapping[str, int] = field(default_factory=dict)
    predicted: Mapping[str, int] = field(default_factory=dict)
    correct: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: EntityScores) -> EntityScores:
        return EntityScores(
            _added(self.true, other.true),
            _added(self.predicted, other.predicted),
            _added(self.correct, other.correct),
        )

    @cached_property
    def types(self) -> dict[str, Score]:
        """The score of each type, in alphabetical order."""
        names = sorted(
            name
            for name in {*self.true, *self.predicted}
            if self.true.get(name) or self.predicted.get(name)
        )
        return {
            name: Score.of(
                self.true.get(name, 0), self.predicted.get(name, 0), self.correct.get(name, 0)
            )
            for name in names
        }

    @property
    def micro(self) -> Score:
        """All entities counted alike: the F1 that papers report."""
        return Score.of(
            sum(self.true.values()), sum(self.predicted.values()), sum(self.correct.values())
        )

    @property
    def macro(self) -> Score:
        """The mean over types, each type counted alike; `support` is that of all."""
        return self._mean(dict.fromkeys(self.types, 1))

    @property
    def weighted(self) -> Score:
        """The mean over types, each weighted by its number of gold entities."""
        return self._mean({name: score.support for name, score in self.types.items()})

    def to_dict(self) -> dict[str, Any]:
        """`{"micro": {...}, "macro": {...}, "types": {NAME: {...}}}`, each a score's four numbers by name."""
        types = {name: score.to_dict() for name, score in self.types.items()}
        return {"micro": self.micro.to_dict(), "macro": self.macro.to_dict(), "types": types}

    def _mean(self, weights: Mapping[str, int]) -> Score:
        total = sum(weights.values())

        def mean(values: Iterable[float]) -> float:
            return _ratio(
                sum(weight * value for weight, value in zip(weights.values(), values, strict=True)),
                total,
            )

        scores = self.types.values()
        return Score(
            mean(score.precision for score in scores),
            mean(score.recall for score in scores),
            mean(score.f1 for score in scores),
            sum(score.support for score in scores),
        )


def score_entities(pairs: Iterable[tuple[Iterable[Entity], Iterable[Entity]]]) -> EntityScores:
    """Count the (gold, predicted) entities of each document; correct means the same start, end and label.

    An entity given twice counts twice and is matched at most as often as it stands on the other side.
    """
    true: Counter[str] = Counter()
    predicted: Counter[str] = Counter()
    correct: Counter[str] = Counter()
    for gold_entities, predicted_entities in pairs:
        gold_keys = Counter(entity.key for entity in gold_entities)
        predicted_keys = Counter(entity.key for entity in predicted_entities)
        for counter, keys in (
            (true, gold_keys),
            (predicted, predicted_keys),
            (correct, gold_keys & predicted_keys),
        ):
            for (_, _, label), count in keys.items():
                counter[label] += count
    return EntityScores(dict(true), dict(predicted), dict(correct))


def score_slices(pairs: Iterable[tuple[Document, Iterable[Entity]]]) -> dict[str, EntityScores]:
    """Score each named `Document.slice` on its own, from documents with gold entities and the predicted ones; by name."""
    slices: dict[str, list[tuple[Iterable[Entity], Iterable[Entity]]]] = {}
    for document, predicted in pairs:
        if document.slice:
            slices.setdefault(document.slice, []).append((document.entities, predicted))
    return {name: score_entities(slices[name]) for name in sorted(slices)}


def _added(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return dict(Counter(one) + Counter(other))


def _ratio(numerator: float, denominator: float) -> float:
    return float(numerator / denominator) if denominator else 0.0
