"""Entities to tags of units, against a slow rule; whatever gets no tag stands in the ledger."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfner.corpus.ledger import Ledger
from tfner.data.labels import inside_tags, tag_units
from tfner.documents import Document, entity_at, locate_joined
from tfner.tagging.schemes import LabelSet, read_spans

IOB2 = LabelSet(("LOC", "PER"))
BIOES = LabelSet(("LOC", "PER"), "BIOES")


def tagged(document: Document, units=None, hidden=(), labels: LabelSet = IOB2):
    """Tag names of the units and the ledger; `hidden` are the units without a piece."""
    units = document.words if units is None else units
    has_piece = np.array([number not in hidden for number in range(len(units))], np.bool_)
    ledger = Ledger()
    tags = tag_units(document, units, has_piece, labels, ledger)
    assert tags.dtype == np.int32
    return [labels.tag(tag) for tag in tags], ledger


def raw(text: str, *marks: tuple[str, str]) -> Document:
    """A text with some strings in it marked, each where it stands first."""
    entities = []
    for string, label in marks:
        start = text.index(string)
        entities.append(entity_at(text, start, start + len(string), label))
    return Document(text, tuple(entities), id="d1")


def words_of(text: str) -> list[tuple[int, int]]:
    return locate_joined(text.split(" "))


def test_spans_of_given_words_in_both_schemes():
    document = Document.from_words(
        ["Anna", "Maria", "saw", "New", "York", "City", "Lima"],
        [(0, 2, "PER"), (3, 6, "LOC"), (6, 7, "LOC")],
    )
    assert tagged(document)[0] == ["B-PER", "I-PER", "O", "B-LOC", "I-LOC", "I-LOC", "B-LOC"]
    bioes = ["B-PER", "E-PER", "O", "B-LOC", "I-LOC", "E-LOC", "S-LOC"]
    assert tagged(document, labels=BIOES)[0] == bioes
    assert not tagged(document)[1].entries


def test_raw_text_takes_the_units_that_the_entity_touches():
    document = raw("in New York today", ("New York", "LOC"))
    assert tagged(document, words_of(document.text)) == (["O", "B-LOC", "I-LOC", "O"], Ledger())


def test_borders_in_the_gaps_between_units_are_aligned():
    document = raw("in New York today", (" New York ", "LOC"))
    assert tagged(document, words_of(document.text)) == (["O", "B-LOC", "I-LOC", "O"], Ledger())


def test_a_border_inside_a_unit_widens_and_is_told_with_the_documents_id():
    document = raw("un-American people", ("American", "LOC"))
    tags, ledger = tagged(document, words_of(document.text))
    assert tags == ["B-LOC", "O"]
    assert [(entry.reason, entry.where) for entry in ledger.entries] == [("misaligned", "d1")]
    assert ledger.entries[0].detail == "LOC 3-11 'American'"


def test_of_overlapping_entities_the_longest_stays():
    document = raw("Bank of Oslo", ("Oslo", "LOC"), ("Bank of Oslo", "PER"))
    tags, ledger = tagged(document, words_of(document.text))
    assert tags == ["B-PER", "I-PER", "I-PER"]
    assert [(entry.reason, entry.detail) for entry in ledger.entries] == [
        ("overlapping", "LOC 8-12 'Oslo'")
    ]


def test_entities_that_meet_in_one_unit_overlap_there_and_are_counted_once_each():
    document = raw("Paris-Dakar", ("Paris", "LOC"), ("Dakar", "LOC"))
    tags, ledger = tagged(document, words_of(document.text))
    assert tags == ["B-LOC"]
    assert ledger.counts == {"overlapping": 1, "misaligned": 1}


def test_equal_words_in_one_unit_do_not_hide_each_other_from_the_ledger():
    text = "Baden-Baden"
    document = Document(
        text, (entity_at(text, 0, 5, "LOC"), entity_at(text, 6, 11, "LOC")), id="d1"
    )
    assert tagged(document, words_of(text))[1].counts == {"overlapping": 1, "misaligned": 1}


def test_an_entity_given_twice_is_kept_once():
    document = raw("in Oslo", ("Oslo", "LOC"), ("Oslo", "LOC"))
    assert tagged(document, words_of(document.text))[1].counts == {"overlapping": 1}


def test_the_first_unit_with_a_piece_begins_the_entity():
    document = Document.from_words(["\x00", "New", "\x00", "York", "\x00"], [(0, 5, "LOC")])
    assert tagged(document, hidden=(0, 2, 4)) == (["O", "B-LOC", "O", "I-LOC", "O"], Ledger())
    assert tagged(document, hidden=(0, 2, 4), labels=BIOES)[0] == ["O", "B-LOC", "O", "E-LOC", "O"]


def test_neighbours_of_an_unseen_unit_are_neighbours():
    document = Document.from_words(["Oslo", "\x00", "Lima"], [(0, 1, "LOC"), (2, 3, "LOC")])
    assert tagged(document, hidden=(1,))[0] == ["B-LOC", "O", "B-LOC"]


def test_an_entity_without_a_piece_has_vanished():
    document = Document.from_words(["a", "\x00", ""], [(1, 2, "LOC"), (2, 3, "PER")])
    tags, ledger = tagged(document, hidden=(1, 2))
    assert tags == ["O", "O", "O"]
    assert ledger.counts == {"vanished": 2}


def test_an_unknown_label_is_told_and_takes_no_place():
    document = raw("Bank of Oslo", ("Bank of Oslo", "ORG"), ("Oslo", "LOC"))
    tags, ledger = tagged(document, words_of(document.text))
    assert tags == ["O", "O", "B-LOC"]
    assert ledger.counts == {"unknown_label": 1}


@pytest.mark.parametrize("labels", [IOB2, BIOES])
def test_no_units_no_tags(labels):
    assert tagged(Document(""), [], labels=labels)[0] == []


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (IOB2, {"O": "O", "B-LOC": "I-LOC", "I-LOC": "I-LOC"}),
        (BIOES, {"O": "O", "B-PER": "I-PER", "I-PER": "I-PER", "E-PER": "E-PER", "S-PER": "E-PER"}),
    ],
)
def test_further_pieces_of_a_unit_go_on_with_its_entity(labels, expected):
    inside = inside_tags(labels)
    assert {tag: labels.tag(inside[labels.id(tag)]) for tag in expected} == expected


# --- against a slow rule -------------------------------------------------------------------------


@st.composite
def marked_texts(draw):
    """A text of short words and gaps, any entities in it, and which units have no piece."""
    lengths = draw(
        st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), max_size=7)
    )  # gap before, length: 0 is an empty word
    units, position = [], 0
    for gap, length in lengths:
        units.append((position + gap, position + gap + length))
        position += gap + length
    text = "x" * (position + 1)
    labels = st.sampled_from(["LOC", "PER", "NEW"])
    span = st.tuples(st.integers(0, position), st.integers(1, 5), labels)
    entities = tuple(
        entity_at(text, start, min(start + length, len(text)), label)
        for start, length, label in draw(st.lists(span, max_size=6))
    )
    hidden = draw(st.sets(st.integers(0, max(len(units) - 1, 0))))
    hidden |= {number for number, (start, end) in enumerate(units) if start == end}
    return Document(text, entities, id="d"), units, hidden


def overlaps(one, other):
    return one[0] < other[1] and other[0] < one[1]


def longest_first(spans):
    """Greedily keep the longest, the earlier of equals: pairs (span, whatever it stands for)."""
    kept, dropped = [], []
    for span, what in sorted(spans, key=lambda pair: (pair[0][0] - pair[0][1], pair[0][0])):
        (dropped if any(overlaps(span, other) for other, _ in kept) else kept).append((span, what))
    return kept, dropped


def slow_rule(document, units, hidden, types):
    """Spans over units that have pieces; how many entities were dropped or changed, by reason."""
    known = [entity for entity in document.entities if entity.label in types]
    apart, nested = longest_first([((entity.start, entity.end), entity) for entity in known])
    touched = [
        ([n for n, unit in enumerate(units) if overlaps(unit, span) and n not in hidden], entity)
        for span, entity in apart
    ]
    seen = [((numbers[0], numbers[-1] + 1), entity) for numbers, entity in touched if numbers]
    kept, crowded = longest_first(seen)

    def is_cut(entity):
        borders = entity.start, entity.end
        return any(start < border < end for start, end in units for border in borders)

    visible = [n for n in range(len(units)) if n not in hidden]
    spans = sorted(
        (sum(n < first for n in visible), sum(n < end for n in visible), entity.label)
        for (first, end), entity in kept
    )
    counts = {
        "overlapping": len(nested) + len(crowded),
        "misaligned": sum(is_cut(entity) for _, entity in kept),
        "vanished": sum(not numbers for numbers, _ in touched),
        "unknown_label": len(document.entities) - len(known),
    }
    return spans, {reason: count for reason, count in counts.items() if count}


@given(drawn=marked_texts(), labels=st.sampled_from([IOB2, BIOES]))
def test_equals_the_slow_rule(drawn, labels):
    document, units, hidden = drawn
    tags, ledger = tagged(document, units, hidden, labels)
    spans, counts = slow_rule(document, units, hidden, labels.types)
    assert ledger.counts == counts
    assert all(tags[number] == "O" for number in hidden if number < len(units))
    seen = [tag for number, tag in enumerate(tags) if number not in hidden]
    assert read_spans(seen, labels.scheme) == (spans, [])


@given(marked_texts())
def test_every_entity_is_tagged_or_told(drawn):
    document, units, hidden = drawn
    tags, ledger = tagged(document, units, hidden)
    found, _ = read_spans([tag for number, tag in enumerate(tags) if number not in hidden], "IOB2")
    lost = sum(
        ledger.counts.get(reason, 0) for reason in ("overlapping", "vanished", "unknown_label")
    )
    assert len(found) + lost == len(document.entities)
    assert all(entry.where == "d" for entry in ledger.entries)
