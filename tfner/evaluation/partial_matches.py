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
Category = Literal["correct", "incorrect", "partial", "missed", "spurious"]
CATEGORIES: tuple[Category, ...] = get_args(Category)
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
        halves = 0.5 * self.partial
        return self.correct + halves

    @property
    def matched(self) -> int:
        """Count the pairs of a gold and a predicted entity."""
        hits = self.correct + self.partial
        return hits + self.incorrect

    @property
    def gold(self) -> int:
        """Count the gold entities."""
        return self.matched + self.missed

    @property
    def predicted(self) -> int:
        """Count the predicted entities."""
        return self.matched + self.spurious

    @property
    def precision(self) -> float:
        """Divide by the predicted entities."""
        predicted = max(self.predicted, 1)
        return self.credit / predicted

    @property
    def recall(self) -> float:
        """Divide by the gold entities."""
        gold = max(self.gold, 1)
        return self.credit / gold

    @property
    def f1(self) -> float:
        """Give the harmonic mean of precision and recall."""
        return 2 * self.credit / max(self.gold + self.predicted, 1)

    def to_dict(self) -> dict[str, float]:
        """Give counts and fractions by name."""
        fractions = {"precision": self.precision, "recall": self.recall, "f1": self.f1}
        return {**self._asdict(), **fractions}


ModeCounts = dict[Mode, MatchCounts]
Tally = Counter[tuple[Mode, Category]]
Sides = tuple[list[Entity], list[Entity]]  # gold and predicted entities, by key


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
    micro: Tally = Counter()
    types = defaultdict[str, Tally](Counter)
    for gold, predicted in pairs:
        sides = sort_by_key(gold), sort_by_key(predicted)
        micro += count_document(sides)
        for label, of_label in group_by_label(sides).items():
            types[label] += count_document(of_label)
    by_type = {name: tabulate(types[name]) for name in sorted(types)}
    return PartialMatches(tabulate(micro), by_type)


def sort_by_key(entities: Iterable[Entity]) -> list[Entity]:
    """Order entities by span, then label."""
    return sorted(entities, key=key_of)


def key_of(entity: Entity) -> tuple[int, int, str]:
    """Give what entities are sorted by."""
    return entity.key


def group_by_label(sides: Sides) -> dict[str, Sides]:
    """Group the entities of both sides by label, in their order."""
    groups: dict[str, Sides] = {}
    for side, entities in enumerate(sides):
        for entity in entities:
            group = groups.setdefault(entity.label, ([], []))
            group[side].append(entity)
    return groups


def tabulate(tally: Tally) -> ModeCounts:
    """Make the counts of each mode; what did not occur is 0."""
    counts: ModeCounts = {}
    for mode in MODES:
        of_mode = [tally[mode, category] for category in CATEGORIES]
        counts[mode] = MatchCounts(*of_mode)
    return counts


def count_document(sides: Sides) -> Tally:
    """Count the categories of one document in every mode."""
    gold, predicted = sides
    tally: Tally = Counter()
    if list(map(key_of, gold)) == list(map(key_of, predicted)):
        for mode in MODES:
            tally[mode, "correct"] = len(gold)
        return tally
    candidates = list_candidates(gold, predicted)
    for mode in MODES:
        taken = set[int]()
        for guess, near in zip(predicted, candidates, strict=True):
            category = match_next(mode, guess, gold, near, taken)
            tally[mode, category] += 1
        missed = len(gold) - len(taken)
        tally[mode, "missed"] = missed
    return tally


def match_next(
    mode: Mode, guess: Entity, gold: Sequence[Entity], near: Sequence[int], taken: set[int]
) -> Category:
    """Match a prediction with the nearest gold entity that no earlier one has taken.

    `near` are the indices of the gold entities that it overlaps; the one that is taken is added to
    `taken`. Of equally near ones the first is taken.
    """
    open_indices = [index for index in near if index not in taken]
    if not open_indices:
        return "spurious"
    distance_of = DISTANCES[mode]
    distances = [distance_of(gold[index], guess) for index in open_indices]
    least = min(distances)
    nearest = distances.index(least)
    taken.add(open_indices[nearest])
    if least < FAR:
        return "correct"
    return "partial" if mode == "partial" else "incorrect"


def strict_distance(gold: Entity, guess: Entity) -> int:
    """Give 0 for the same span and label."""
    same = gold.key == guess.key
    return 0 if same else FAR


def span_distance(gold: Entity, guess: Entity) -> int:
    """Give 0 for the same span."""
    return 0 if same_span(gold, guess) else FAR


def type_distance(gold: Entity, guess: Entity) -> int:
    """Count the characters by which borders differ where the label is the same."""
    if gold.label != guess.label:
        return FAR
    at_start = abs(gold.start - guess.start)
    at_end = abs(gold.end - guess.end)
    return at_start + at_end


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
    longest = max(map(length_of, gold), default=0)
    candidates = []
    for guess in predicted:
        # A gold entity that begins further left than the longest one is long cannot reach this one.
        leftmost = guess.start - longest
        first = bisect_left(starts, leftmost)
        behind = max(guess.end, guess.start + 1)
        last = bisect_left(starts, behind)
        near = [index for index in range(first, last) if meet(gold[index], guess)]
        candidates.append(near)
    return candidates


def length_of(entity: Entity) -> int:
    """Count the characters of an entity."""
    return entity.end - entity.start


def meet(gold: Entity, guess: Entity) -> bool:
    """Tell whether two spans are the same or share enough of the gold one."""
    start = max(gold.start, guess.start)
    end = min(gold.end, guess.end)
    if start < end:
        shared = end - start
        return LEAST_SHARED * shared >= length_of(gold)
    return same_span(gold, guess)


def same_span(gold: Entity, guess: Entity) -> bool:
    """Tell whether both begin and end at the same characters."""
    same_start = gold.start == guess.start
    return same_start and gold.end == guess.end
