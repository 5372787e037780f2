"""Flattening against a slow, obvious version."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from tfner.documents import Entity
from tfner.tagging.spans import keep_longest

PLACES = st.tuples(st.integers(0, 12), st.integers(0, 6), st.sampled_from("AB"))
ENTITIES = st.lists(PLACES.map(lambda place: Entity(place[0], place[0] + place[1], place[2])))


def keep_longest_slowly(entities: list[Entity]) -> list[Entity]:
    """Take the longest, the earliest of those; strike out what shares a character with it.

    Again.
    """
    left, kept = list(enumerate(entities)), []
    while left:
        _, best = min(
            left, key=lambda pair: (-(pair[1].end - pair[1].start), pair[1].start, pair[0])
        )
        kept.append(best)
        left.remove(next(pair for pair in left if pair[1] is best))
        left = [
            (index, other)
            for index, other in left
            if not (best.start < other.end and other.start < best.end)
        ]
    return kept


@given(ENTITIES)
def test_it_keeps_what_the_obvious_version_keeps(entities):
    kept, dropped = keep_longest(iter(entities))
    assert sorted(kept, key=repr) == sorted(keep_longest_slowly(entities), key=repr)
    assert sorted([*kept, *dropped], key=repr) == sorted(entities, key=repr)
    assert [entity.start for entity in kept] == sorted(entity.start for entity in kept)
    assert [entity.start for entity in dropped] == sorted(entity.start for entity in dropped)


def test_the_longest_is_kept_then_the_earlier_then_the_first():
    new_york_times, new_york, times = (
        Entity(0, 14, "ORG"),
        Entity(0, 8, "LOC"),
        Entity(9, 14, "ORG"),
    )
    assert keep_longest([new_york, times, new_york_times]) == ([new_york_times], [new_york, times])
    assert keep_longest([Entity(2, 6, "A"), Entity(0, 4, "B")]) == (
        [Entity(0, 4, "B")],
        [Entity(2, 6, "A")],
    )
    assert keep_longest([Entity(0, 4, "B"), Entity(0, 4, "A")]) == (
        [Entity(0, 4, "B")],
        [Entity(0, 4, "A")],
    )


def test_thousands_of_entities_take_no_quadratic_time():
    entities = [Entity(3 * i, 3 * i + 2 + i % 3, "A") for i in range(50_000)]
    start = time.perf_counter()
    keep_longest(entities)
    assert time.perf_counter() - start < 10  # all pairs would be 1.25 billion comparisons
