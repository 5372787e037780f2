"""Count partial and type-only matches as nervaluate does, beside the strict score.

The four modes are those of SemEval-2013 task 9.1. nervaluate (1.2.1) is the oracle in tests and not
used here: it needs Python 3.11, compares each entity of a document with each other one (20,000 in
one text take two minutes), gives other counts where entities are listed in another order, and
divides by zero where one has no length.
"""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

from tfner.documents import Entity
from tfner.evaluation.scores import EntityPair

Mode = Literal[
    "strict",  # the same span and label
    "exact",  # the same span, whatever the label
    "partial",  # the same span; an overlapping one counts half; whatever the label
    "ent_type",  # an overlapping span of the same label
]
MODES: tuple[Mode, ...] = get_args(Mode)
Outcome = Literal["correct", "incorrect", "partial", "missed", "spurious"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
LEAST_SHARED = 100  # an overlap is at least a hundredth of the gold entity, as nervaluate has it
FAR = sys.maxsize


class MatchCounts(NamedTuple):
    """Count how gold and predicted entities met in one mode; fractions are in [0, 1].

    A gold entity is correct, incorrect, partial or missed, a predicted one correct, incorrect,
    partial or spurious. A partial match counts half.

    >>> counts = MatchCounts(correct=3, partial=2, missed=1, spurious=3)
    >>> counts.precision, counts.recall, round(counts.f1, 3)
    (0.5, 0.6666666666666666, 0.571)
    """

    correct: int = 0
    incorrect: int = 0
    partial: int = 0
    missed: int = 0
    spurious: int = 0

    @property
    def credit(self) -> float:
        """Sum up what the matches are worth."""
        return self.correct + 0.5 * self.partial

    @property
    def gold(self) -> int:
        """Count the gold entities."""
        return self.correct + self.incorrect + self.partial + self.missed

    @property
    def predicted(self) -> int:
        """Count the predicted entities."""
        return self.correct + self.incorrect + self.partial + self.spurious

    @property
    def precision(self) -> float:
        """Divide by the predicted entities."""
        return self.credit / max(self.predicted, 1)

    @property
    def recall(self) -> float:
        """Divide by the gold entities."""
        return self.credit / max(self.gold, 1)

    @property
    def f1(self) -> float:
        """Give the harmonic mean of precision and recall."""
        return 2 * self.credit / max(self.gold + self.predicted, 1)

    def to_dict(self) -> dict[str, float]:
        """Give counts and fractions by name."""
        fractions = {"precision": self.precision, "recall": self.recall, "f1": self.f1}
        return {**self._asdict(), **fractions}


ModeCounts = dict[Mode, MatchCounts]


@dataclass(frozen=True)
class PartialMatches:
    """Hold the counts of each mode, over all entities and over those of each type alone.

    Within a type nothing has another label, so the counts of the types need not add up to `micro`.
    """

    micro: ModeCounts
    types: Mapping[str, ModeCounts] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Give `{"micro": {MODE: {...}}, "types": {NAME: {MODE: {...}}}}`, counts by name."""
        types = {name: by_name(counts) for name, counts in self.types.items()}
        return {"micro": by_name(self.micro), "types": types}


def by_name(counts: ModeCounts) -> dict[str, dict[str, float]]:
    """Give the counts of each mode as a dict."""
    return {mode: counts[mode].to_dict() for mode in MODES}


def count_partial_matches(pairs: Iterable[EntityPair]) -> PartialMatches:
    """Count the (gold, predicted) entities of each document in every mode.

    Where predictions do not overlap, `strict` has the precision, recall and F1 of
    `score_entities`.

    >>> gold = [Entity(0, 14, "ORG"), Entity(20, 24, "LOC")]
    >>> matches = count_partial_matches([(gold, [Entity(4, 14, "ORG"), Entity(20, 24, "PER")])])
    >>> for mode, counts in matches.micro.items():
    ...     print(mode, counts.correct, counts.incorrect, counts.partial)
    strict 0 2 0
    exact 1 1 0
    partial 1 0 1
    ent_type 1 1 0
    """
    micro: Counter[tuple[Mode, Outcome]] = Counter()
    types: defaultdict[str, Counter[tuple[Mode, Outcome]]] = defaultdict(Counter)
    for gold, predicted in pairs:
        in_order = [sorted(entities, key=key_of) for entities in (gold, predicted)]
        micro.update(count_document(*in_order))
        for label, of_label in part_by_label(*in_order).items():
            types[label].update(count_document(*of_label))
    by_type = {name: tabulate(types[name]) for name in sorted(types)}
    return PartialMatches(tabulate(micro), by_type)


def key_of(entity: Entity) -> tuple[int, int, str]:
    """Order entities by span, then label."""
    return entity.key


def part_by_label(
    gold: Sequence[Entity], predicted: Sequence[Entity]
) -> dict[str, tuple[list[Entity], list[Entity]]]:
    """Group the entities of both sides by label, in their order."""
    parted: defaultdict[str, tuple[list[Entity], list[Entity]]] = defaultdict(lambda: ([], []))
    for side, entities in enumerate((gold, predicted)):
        for entity in entities:
            parted[entity.label][side].append(entity)
    return parted


def tabulate(counts: Counter[tuple[Mode, Outcome]]) -> ModeCounts:
    """Make the counts of each mode; what did not occur is 0."""
    return {mode: MatchCounts(*(counts[mode, outcome] for outcome in OUTCOMES)) for mode in MODES}


def count_document(
    gold: Sequence[Entity], predicted: Sequence[Entity]
) -> Counter[tuple[Mode, Outcome]]:
    """Count the outcomes of one document in every mode; both sides are sorted by key."""
    if [entity.key for entity in gold] == [entity.key for entity in predicted]:
        return Counter({(mode, "correct"): len(gold) for mode in MODES})
    candidates = list_candidates(gold, predicted)
    counts: Counter[tuple[Mode, Outcome]] = Counter()
    for mode in MODES:
        taken: set[int] = set()
        for guess, near in zip(predicted, candidates, strict=True):
            outcome = match_next(mode, guess, gold, near, taken)
            counts[mode, outcome] += 1
        counts[mode, "missed"] += len(gold) - len(taken)
    return counts


def match_next(
    mode: Mode, guess: Entity, gold: Sequence[Entity], near: Sequence[int], taken: set[int]
) -> Outcome:
    """Match a prediction with the nearest gold entity that no earlier one has taken.

    `near` are the indices of the gold entities that it overlaps; the one that is taken is added to
    `taken`. Of equally near ones the first is taken.
    """
    open_indices = [index for index in near if index not in taken]
    if not open_indices:
        return "spurious"
    distance = DISTANCES[mode]
    distances = [distance(gold[index], guess) for index in open_indices]
    least = min(distances)
    nearest = open_indices[distances.index(least)]
    taken.add(nearest)
    if least < FAR:
        return "correct"
    return "partial" if mode == "partial" else "incorrect"


def strict_distance(gold: Entity, guess: Entity) -> int:
    """Give 0 for the same span and label."""
    return 0 if gold.key == guess.key else FAR


def span_distance(gold: Entity, guess: Entity) -> int:
    """Give 0 for the same span."""
    return 0 if (gold.start, gold.end) == (guess.start, guess.end) else FAR


def type_distance(gold: Entity, guess: Entity) -> int:
    """Count the characters by which borders differ where the label is the same."""
    if gold.label != guess.label:
        return FAR
    return abs(gold.start - guess.start) + abs(gold.end - guess.end)


DISTANCES: dict[Mode, Callable[[Entity, Entity], int]] = {
    "strict": strict_distance,
    "exact": span_distance,
    "partial": span_distance,
    "ent_type": type_distance,
}


def list_candidates(gold: Sequence[Entity], predicted: Sequence[Entity]) -> list[list[int]]:
    """List for each prediction the indices of the gold entities that it overlaps.

    `gold` is sorted by key; only a neighbourhood of each prediction is looked at.

        >>> list_candidates([Entity(0, 4, "A"), Entity(3, 9, "B")], [Entity(2, 4, "A")])
        [[0, 1]]
    """
    starts = [entity.start for entity in gold]
    longest = max((entity.end - entity.start for entity in gold), default=0)
    candidates = []
    for guess in predicted:
        # A gold entity that begins further left than the longest one is long cannot reach this one.
        first = bisect_left(starts, guess.start - longest)
        behind = max(guess.end, guess.start + 1)
        last = bisect_left(starts, behind)
        candidates.append([index for index in range(first, last) if meet(gold[index], guess)])
    return candidates


def meet(gold: Entity, guess: Entity) -> bool:
    """Tell whether two spans are the same or share enough of the gold one."""
    shared = min(gold.end, guess.end) - max(gold.start, guess.start)
    if shared > 0:
        return LEAST_SHARED * shared >= gold.end - gold.start
    return (gold.start, gold.end) == (guess.start, guess.end)
