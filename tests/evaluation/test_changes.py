"""Every document has one direction, and what is listed shows what is not agreed on."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from tfner.documents import Document, Entity, entity_at
from tfner.evaluation.changes import LONGEST_CONTEXT, find_changes
from tfner.evaluation.errors import CONTEXT

TEXT = "Anna met Bo in Rome"
ANNA, BO, ROME = (0, 4, "PER"), (9, 11, "PER"), (15, 19, "LOC")
ENTITIES = st.lists(st.builds(Entity, st.integers(0, 2), st.integers(3, 5), st.sampled_from("AB")))


def entities(*keys, text=TEXT):
    return [entity_at(text, *key) for key in keys]


def changes_of(*sides, most=10):
    """Changes of documents that are given as keys of gold, of A and of B."""
    documents = [
        Document(TEXT, tuple(entities(*gold)), id=f"d{number}")
        for number, (gold, _, _) in enumerate(sides)
    ]
    found_a, found_b = ([entities(*side[index]) for side in sides] for index in (1, 2))
    return find_changes(documents, found_a, found_b, most)


def test_directions_go_by_the_number_of_errors():
    gold = [ANNA, BO]
    changes = changes_of(
        (gold, [ANNA], [ANNA, BO]),
        (gold, [ANNA, BO], [ANNA, BO, ROME]),
        (gold, [ANNA], [BO]),
        (gold, [ANNA, BO], [BO, ANNA]),
        (gold, [ANNA, (9, 11, "LOC")], [ANNA]),
    )
    assert changes.counts == {"better": 2, "worse": 1, "different": 1, "same": 1}
    assert {change.document: tuple(change.errors) for change in changes.listed} == {
        "d0": (1, 0),
        "d1": (0, 1),
        "d2": (1, 1),
        "d4": (2, 1),
    }


def test_the_largest_changes_come_first_then_the_worse_ones():
    gold = [ANNA, BO, ROME]
    sides = [
        (gold, [ANNA], [BO]),  # as many errors
        (gold, [ANNA], [ANNA, BO]),  # one less
        (gold, [ANNA, BO], [ANNA]),  # one more
        (gold, [], [ANNA, BO, ROME]),  # three less
    ]
    listed = changes_of(*sides).listed
    assert [change.document for change in listed] == ["d3", "d2", "d1", "d0"]
    assert changes_of(*sides, most=2).listed == listed[:2]
    assert changes_of(*sides, most=0).counts == changes_of(*sides).counts


def test_what_all_three_agree_on_is_left_out():
    (change,) = changes_of(([ANNA, BO], [ANNA, ROME], [ANNA, BO, ROME])).listed
    assert change.direction == "better"
    assert [entity.text for entity in change.gold] == ["Bo"]
    assert [entity.text for entity in change.a] == ["Rome"]
    assert [entity.text for entity in change.b] == ["Bo", "Rome"]


def test_the_context_is_cut_around_what_is_not_agreed_on():
    text = "<" * 100 + "Anna" + "-" * 500 + "Bo"
    document = Document(text, (entity_at(text, 100, 104, "PER"),))
    short = find_changes([document], [[]], [entities((100, 104, "PER"), text=text)], 1).listed[0]
    assert (short.offset, short.cut_short) == (100 - CONTEXT, True)
    assert short.context == text[60:144]
    far = find_changes([document], [[]], [entities((604, 606, "PER"), text=text)], 1).listed[0]
    assert (len(far.context), far.cut_short) == (LONGEST_CONTEXT, True)
    whole = changes_of(([ANNA], [], [ANNA])).listed[0]
    assert (whole.context, whole.offset, whole.cut_short) == (TEXT, 0, False)


@given(st.lists(st.tuples(ENTITIES, ENTITIES, ENTITIES), max_size=6))
def test_every_document_has_one_direction_and_every_change_shows_entities(triples):
    documents = [Document("x" * 9, tuple(gold)) for gold, _, _ in triples]
    found = ([a for _, a, _ in triples], [b for _, _, b in triples])
    changes = find_changes(documents, *found, most=100)
    assert sum(changes.counts.values()) == len(triples)
    assert len(changes.listed) == len(triples) - changes.counts["same"]
    assert all(change.a != change.b for change in changes.listed)
    json.dumps(changes.to_dict())
