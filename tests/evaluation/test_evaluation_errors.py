"""Every gold and predicted entity in exactly one class; the same result whatever the order."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfner.documents import Document, Entity, entity_at
from tfner.evaluation.errors import CONTEXT, ERROR_KINDS, analyse_errors, match_entities
from tfner.evaluation.scores import score_entities

TEXT = "abcdefghijkl"
SPANS = st.tuples(st.integers(0, 11), st.integers(0, 4)).map(
    lambda pair: (pair[0], min(12, sum(pair)))
)
ENTITIES = st.lists(
    st.builds(lambda span, label: entity_at(TEXT, *span, label), SPANS, st.sampled_from("AB")),
    max_size=7,
)


def document(text, *entities, id="d"):
    return Document(text, tuple(entity_at(text, *entity) for entity in entities), id=id)


def single(gold, predicted):
    """The only match of one gold span and one predicted span."""
    (match,) = match_entities([Entity(*gold)], [Entity(*predicted)])
    return match.kind


@pytest.mark.parametrize(
    ("predicted", "kind"),
    [
        ((2, 6, "PER"), "correct"),
        ((2, 6, "LOC"), "wrong_type"),
        ((2, 5, "PER"), "wrong_border"),
        ((0, 9, "PER"), "wrong_border"),
        ((5, 9, "LOC"), "wrong_border_and_type"),
    ],
)
def test_one_pair(predicted, kind):
    assert single((2, 6, "PER"), predicted) == kind


@pytest.mark.parametrize("predicted", [(6, 8, "PER"), (0, 2, "PER"), (9, 12, "LOC")])
def test_touching_or_apart_is_missed_and_spurious(predicted):
    matches = match_entities([Entity(2, 6, "PER")], [Entity(*predicted)])
    assert [match.kind for match in matches] == ["missed", "spurious"]


def test_entities_of_no_length_match_only_their_like():
    assert single((2, 2, "PER"), (2, 2, "PER")) == "correct"
    assert [m.kind for m in match_entities([Entity(2, 2, "PER")], [Entity(0, 6, "PER")])] == [
        "missed",
        "spurious",
    ]


def test_two_predictions_inside_one_gold_entity():
    matches = match_entities([Entity(0, 14, "ORG")], [Entity(0, 3, "ORG"), Entity(4, 14, "ORG")])
    assert [(match.kind, match.predicted.start) for match in matches] == [
        ("wrong_border", 4),
        ("spurious", 0),
    ]


def test_the_same_label_is_preferred_to_the_longer_overlap():
    matches = match_entities([Entity(4, 12, "ORG")], [Entity(0, 5, "ORG"), Entity(5, 12, "LOC")])
    assert {match.predicted.label: match.kind for match in matches} == {
        "ORG": "wrong_border",
        "LOC": "spurious",
    }


@given(ENTITIES, ENTITIES)
def test_each_entity_is_in_exactly_one_match(gold, predicted):
    matches = match_entities(gold, predicted)
    assert sorted(m.gold.key for m in matches if m.gold) == sorted(entity.key for entity in gold)
    assert sorted(m.predicted.key for m in matches if m.predicted) == sorted(
        entity.key for entity in predicted
    )
    assert all(m.gold or m.predicted for m in matches)


@given(ENTITIES, ENTITIES)
def test_nothing_left_over_could_have_been_matched(gold, predicted):
    matches = match_entities(gold, predicted)
    for missed in (m.gold for m in matches if m.kind == "missed"):
        for spurious in (m.predicted for m in matches if m.kind == "spurious"):
            assert (missed.start, missed.end) != (spurious.start, spurious.end)
            assert not set(range(missed.start, missed.end)) & set(
                range(spurious.start, spurious.end)
            )


@given(ENTITIES, ENTITIES)
def test_correct_ones_are_those_that_are_scored(gold, predicted):
    correct = Counter(m.gold.label for m in match_entities(gold, predicted) if m.kind == "correct")
    assert dict(correct) == score_entities([(gold, predicted)]).correct


@given(ENTITIES, ENTITIES, st.randoms(use_true_random=False))
def test_the_order_of_entities_and_documents_does_not_matter(gold, predicted, random):
    shuffled = [random.sample(entities, len(entities)) for entities in (gold, predicted)]
    one, other = (
        [(Document(TEXT, tuple(g)), p), (document("x y", (0, 1, "A")), [])]
        for g, p in ((gold, predicted), shuffled)
    )
    assert analyse_errors(one) == analyse_errors(one)
    assert counted(one) == counted(other) == counted(other[::-1])


def counted(pairs):
    analysis = analyse_errors(pairs)
    return analysis.correct, analysis.counts, analysis.confusion, analysis.missed, analysis.spurious


@given(ENTITIES, ENTITIES)
def test_counts_tables_and_examples_agree(gold, predicted):
    analysis = analyse_errors([(Document(TEXT, tuple(gold)), predicted)], max_examples=100)
    paired = sum(
        analysis.counts[kind] for kind in ("wrong_type", "wrong_border", "wrong_border_and_type")
    )
    assert analysis.correct + paired + analysis.counts["missed"] == len(gold)
    assert analysis.correct + paired + analysis.counts["spurious"] == len(predicted)
    assert (
        sum(sum(row.values()) for row in analysis.confusion.values()) == analysis.correct + paired
    )
    assert sum(analysis.missed.values()) == analysis.counts["missed"]
    assert sum(analysis.spurious.values()) == analysis.counts["spurious"]
    for kind in ERROR_KINDS:
        assert sum(example.count for example in analysis.examples[kind]) == analysis.counts[kind]


def test_confusion_holds_correct_and_overlapping_pairs():
    gold = document("Anna met Berlin in Paris", (0, 4, "PER"), (9, 15, "PER"), (19, 24, "LOC"))
    predicted = [
        Entity(0, 4, "PER"),
        Entity(9, 15, "LOC"),
        Entity(16, 24, "LOC"),
        Entity(5, 8, "PER"),
    ]
    analysis = analyse_errors([(gold, predicted)])
    assert analysis.confusion == {"PER": {"PER": 1, "LOC": 1}, "LOC": {"LOC": 1}}
    assert (analysis.missed, analysis.spurious) == ({}, {"PER": 1})
    assert analysis.counts == {
        "missed": 0,
        "spurious": 1,
        "wrong_type": 1,
        "wrong_border": 1,
        "wrong_border_and_type": 0,
    }


def test_the_most_frequent_examples_come_first_and_are_bounded():
    names = ["Kim"] * 2 + ["Bo"] * 3 + ["Al"] * 2 + ["Di"]
    pairs = [
        (document(f"{name} left", (0, len(name), "PER"), id=str(number)), [])
        for number, name in enumerate(names)
    ]
    examples = analyse_errors(pairs, max_examples=3).examples["missed"]
    shown = [(example.gold.text, example.count, example.document) for example in examples]
    assert shown == [("Bo", 3, "2"), ("Al", 2, "5"), ("Kim", 2, "0")]


def test_an_example_holds_forty_characters_on_either_side():
    text = "<" * 100 + "Anna" + ">" * 100
    (example,) = analyse_errors(
        [(document(text, (100, 104, "PER")), [Entity(102, 110, "PER")])]
    ).examples["wrong_border"]
    assert (example.offset, example.context) == (100 - CONTEXT, text[60:150])
    start = example.gold.start - example.offset
    assert example.context[start : start + 4] == "Anna"


def test_a_context_ends_with_the_text():
    (example,) = analyse_errors([(document("Anna", (0, 4, "PER")), [])]).examples["missed"]
    assert (example.offset, example.context, example.predicted) == (0, "Anna", None)


def test_the_analysis_goes_into_json():
    analysis = analyse_errors([(document("Anna", (0, 4, "PER")), [])])
    loaded = json.loads(json.dumps(analysis.to_dict()))
    assert loaded["examples"]["missed"][0]["gold"] == {
        "start": 0,
        "end": 4,
        "label": "PER",
        "score": 1.0,
        "text": "Anna",
    }


def test_many_entities_of_one_long_document_are_matched_in_time():
    gold = [Entity(5 * n, 5 * n + 3, "A") for n in range(20_000)]
    predicted = [Entity(5 * n + 1, 5 * n + 3, "A") for n in range(20_000)]
    assert {match.kind for match in match_entities(gold, predicted)} == {"wrong_border"}
