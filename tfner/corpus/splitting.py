"""Divide documents into splits of given shares: by group, with each entity type's share in each.

Documents of one group stay together, and so do documents of one text that have no group: else what
is learned would be asked for. Why not a library: docs/decisions/splits.md.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from tfner.documents import Document
from tfner.exceptions import DataError

DOCUMENTS = ""  # what is counted beside entities by type, which have names
TINY = 1e-9


@dataclass
class Unit:
    """Hold the numbers of documents that stay together, and their entities by type."""

    numbers: list[int] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)  # of documents too, under DOCUMENTS

    @property
    def size(self) -> int:
        return len(self.numbers)

    @property
    def types(self) -> list[str]:
        return [name for name in self.counts if name != DOCUMENTS]


def split_documents(
    documents: Sequence[Document], shares: Mapping[str, float], seed: int
) -> dict[str, list[int]]:
    """Divide documents into splits.

    The same documents, shares and seed give the same splits. Each split has as near to its share of
    the documents as groups allow, and then of the entities of each type, the rare ones first.

        >>> documents = [Document(f"text {number}") for number in range(10)]
        >>> splits = split_documents(documents, {"train": 0.8, "dev": 0.2}, seed=1)
        >>> {split: len(numbers) for split, numbers in splits.items()}
        {'train': 8, 'dev': 2}

    Args:
        shares: fractions by split, which add up to 1.

    Returns:
        The numbers of the documents of each split, ascending; none is empty.

    Raises:
        DataError: there are fewer groups and texts than splits.
    """
    units = unite(documents)
    needed = len(shares)
    if len(units) < needed:
        reason = describe_too_few(documents, units, needed)
        raise DataError(reason)
    order = rarest_first(units, seed)
    balance = Balance(shares, units)
    choose = balance.choose
    left = len(order)
    for unit in order:
        split = choose(unit, left)
        balance.add(unit, split)
        left -= 1
    return {split: sorted(numbers) for split, numbers in balance.numbers.items()}


def unite(documents: Iterable[Document]) -> list[Unit]:
    """Collect documents that stay together: those of a group; without one, those of a text."""
    units: defaultdict[Hashable, Unit] = defaultdict(Unit)
    for number, document in enumerate(documents):
        key = ("group", document.group) if document.group else ("text", document.text)
        unit = units[key]
        unit.numbers.append(number)
        unit.counts[DOCUMENTS] += 1
        unit.counts.update(entity.label for entity in document.entities)
    return list(units.values())


def describe_too_few(documents: Sequence[Document], units: Sequence[Unit], needed: int) -> str:
    """Say why documents cannot be divided."""
    expected = f"expected at least {needed} groups or texts, one for each split"
    found = f"got {len(units)} in {len(documents):,} documents"
    group = documents[0].group if documents else ""
    if len(units) == 1 and group:
        found += f": all are of the group {group!r}"
    return f"{expected}, {found}"


def rarest_first(units: Sequence[Unit], seed: int) -> list[Unit]:
    """Sort units by their rarest type, those with most of it first; the others by chance.

    Where few are left there is little to choose, so what is rare must come early.
    """
    shuffled = list(units)
    Random(seed).shuffle(shuffled)
    holding = Counter(name for unit in units for name in unit.types)

    def rarity(unit: Unit) -> tuple[float, str, int]:
        rarest = min((holding[name], name) for name in unit.types) if unit.types else None
        if rarest is None:
            return math.inf, "", -unit.size
        count, name = rarest
        return count, name, -unit.counts[name]

    return sorted(shuffled, key=rarity)


class Balance:
    """Count what each split has of what it should have.

    A split's distance from its share is that of a chi-squared test: the squared difference of what
    it has and what it should have, divided by the latter, added up over documents and types.

    Attributes:
        numbers: of the documents that each split has.
    """

    def __init__(self, shares: Mapping[str, float], units: Sequence[Unit]):
        totals = sum((unit.counts for unit in units), Counter())
        self.numbers: dict[str, list[int]] = {split: [] for split in shares}
        self._has: dict[str, Counter[str]] = {split: Counter() for split in shares}
        self._should_have = {
            split: {name: share * total for name, total in totals.items()}
            for split, share in shares.items()
        }

    def choose(self, unit: Unit, left: int) -> str:
        """Choose the split that a unit brings nearest to its share.

        Args:
            left: units that have no split yet, this one included.
        """
        empty = [split for split, numbers in self.numbers.items() if not numbers]
        splits = list(self.numbers)
        if len(empty) >= left:  # each split gets a document
            splits = empty
        else:
            with_room = [split for split in splits if self._has_room(split, unit)]
            splits = with_room or splits
        return min(splits, key=lambda split: self._added_distance(split, unit))

    def add(self, unit: Unit, split: str) -> None:
        """Give a unit to a split."""
        numbers = self.numbers[split]
        numbers += unit.numbers
        counts = self._has[split]
        counts.update(unit.counts)

    def _has_room(self, split: str, unit: Unit) -> bool:
        share = self._should_have[split]
        most = share[DOCUMENTS] - TINY
        numbers = self.numbers[split]
        size = len(numbers) + unit.size
        return size <= math.ceil(most)

    def _added_distance(self, split: str, unit: Unit) -> float:
        """Compute by how much a unit brings a split farther from its share, or nearer (below 0)."""
        added = 0.0
        has = self._has[split]
        share = self._should_have[split]
        for name, count in unit.counts.items():
            should_have = share[name]
            missing = should_have - has[name]
            gain = count - 2 * missing
            added += count * gain / should_have
        return added
