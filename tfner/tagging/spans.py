"""Flatten nested and overlapping entities: a tagger gives each unit one tag."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from tfner.documents import Entity


def keep_longest(entities: Iterable[Entity]) -> tuple[list[Entity], list[Entity]]:
    """Keep the longest of entities that overlap; of equally long ones the earlier, then the one given first.

    Returns (kept, dropped), both sorted by start; O(n log n) comparisons.
    """
    kept: list[
        Entity
    ] = []  # sorted and disjoint, so that only two neighbours can overlap a newcomer
    dropped: list[Entity] = []
    for entity in sorted(entities, key=lambda entity: (entity.start - entity.end, entity.start)):
        place = bisect_right(
            kept, (entity.start, entity.end), key=lambda other: (other.start, other.end)
        )
        if any(overlap(entity, neighbour) for neighbour in kept[max(place - 1, 0) : place + 1]):
            dropped.append(entity)
        else:
            kept.insert(place, entity)
    return kept, sorted(dropped, key=lambda entity: (entity.start, entity.end))


def overlap(one: Entity, other: Entity) -> bool:
    """Whether two spans share a character; an empty one overlaps what it stands inside of."""
    return one.start < other.end and other.start < one.end
