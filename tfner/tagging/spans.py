"""Flatten nested and overlapping entities: a tagger gives each unit one tag."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from tfner.documents import Entity


class DisjointSpans:
    """Hold spans (start, end) of which no two overlap, sorted."""

    def __init__(self) -> None:
        self._spans: list[tuple[int, int]] = []

    def add(self, start: int, end: int) -> bool:
        """Take a span in and return True, or return False where it overlaps one that is held.

        An empty span overlaps what it stands inside of.
        """
        index = bisect_right(self._spans, (start, end))
        # As the spans are disjoint, only the two neighbours can overlap a newcomer.
        neighbours = self._spans[max(index - 1, 0) : index + 1]
        if any(overlap(start, end, *neighbour) for neighbour in neighbours):
            return False
        self._spans.insert(index, (start, end))
        return True


def keep_longest(entities: Iterable[Entity]) -> tuple[list[Entity], list[Entity]]:
    """Keep the longest of entities that overlap; of equally long ones the earlier, then the first.

        >>> bank, england = Entity(0, 15, "ORG"), Entity(8, 15, "LOC")
        >>> keep_longest([england, bank]) == ([bank], [england])
        True

    Returns:
        (kept, dropped), both sorted by start; O(n log n) comparisons.
    """
    taken = DisjointSpans()
    kept: list[Entity] = []
    dropped: list[Entity] = []
    for entity in sorted(entities, key=lambda entity: (entity.start - entity.end, entity.start)):
        if taken.add(entity.start, entity.end):
            kept.append(entity)
        else:
            dropped.append(entity)
    kept.sort(key=by_start)
    dropped.sort(key=by_start)
    return kept, dropped


def by_start(entity: Entity) -> tuple[int, int]:
    """Order entities by their place in the text."""
    return entity.start, entity.end


def overlap(start: int, end: int, other_start: int, other_end: int) -> bool:
    """Tell whether two spans share a character; an empty one overlaps what it stands inside of."""
    return start < other_end and other_start < end
