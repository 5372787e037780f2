"""Partial and type-only matches against nervaluate, and what they have in common with the score."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfner.documents import Entity
from tfner.evaluation.partial_matches import (
    CATEGORIES,
    MODES,
    MatchCounts,
    count_partial_matches,
)
from tfner.evaluation.scores import score_entities

LABELS = st.sampled_from(["PER", "LOC", "creative-work"])
SPANS = st.tuples(st.integers(0, 12), st.integers(1, 6)).map(lambda pair: (pair[0], sum(pair)))
LONG_SPANS = st.tuples(st.integers(0, 400), st.integers(1, 400)).map(
    lambda pair: (pair[0], sum(pair))
)
ENTITIES = st.lists(
    st.builds(lambda span, label: Entity(*span, label), SPANS | LONG_SPANS, LABELS), max_size=7
)


def by_key(entities):
    return sorted(entities, key=lambda entity: entity.key)


def disjoint(entities):
    """Entities as a tagger gives them, none overlapping another."""
    kept = []
    for entity in by_key(entities):
        if not kept or kept[-1].end <= entity.start:
            kept.append(entity)
    return kept


def of_nervaluate(pairs):
    """Results of the package, for entities in the order of the text; its ends are inclusive."""
    nervaluate = pytest.importorskip(
        "nervaluate", reason="needs nervaluate, on Python 3.11 or later"
    )
    sides = [
        [
            [
                {"label": each.label, "start": each.start, "end": each.end - 1}
                for each in by_key(side)
            ]
            for side in entities
        ]
        for entities in zip(*pairs, strict=True)
    ]
    labels = sorted({each.label for pair in pairs for side in pair for each in side})
    return nervaluate.Evaluator(*sides, tags=labels, loader="dict").evaluate()


def check_equal(counts, expected):
    assert counts._asdict() == {name: getattr(expected, name) for name in CATEGORIES}
    found = (counts.precision, counts.recall, counts.f1)
    assert found == pytest.approx((expected.precision, expected.recall, expected.f1), abs=1e-12)


@given(st.lists(st.tuples(ENTITIES, ENTITIES), min_size=1, max_size=5))
def test_counts_and_fractions_are_those_of_nervaluate(pairs):
    matches, expected = count_partial_matches(pairs), of_nervaluate(pairs)
    assert set(matches.types) == set(expected["entities"])
    for mode in MODES:
        check_equal(matches.micro[mode], expected["overall"][mode])
        for name, counts in matches.types.items():
            check_equal(counts[mode], expected["entities"][name][mode])


@given(st.lists(st.tuples(ENTITIES, ENTITIES.map(disjoint)), max_size=5))
def test_strict_is_the_score_where_predictions_do_not_overlap(pairs):
    matches, scores = count_partial_matches(pairs), score_entities(pairs)
    strict = matches.micro["strict"]
    found = (strict.precision, strict.recall, strict.f1, strict.gold)
    assert found == pytest.approx(tuple(scores.micro))
    assert list(matches.types) == list(scores.types)
    for name, counts in matches.types.items():
        assert counts["strict"].f1 == pytest.approx(scores.types[name].f1)


@given(st.lists(st.tuples(ENTITIES, ENTITIES), max_size=5), st.randoms(use_true_random=False))
def test_the_order_in_which_entities_are_listed_does_not_matter(pairs, shuffler):
    shuffled = [
        tuple(shuffler.sample(entities, len(entities)) for entities in pair) for pair in pairs
    ]
    assert count_partial_matches(shuffled) == count_partial_matches(pairs)


@given(ENTITIES, ENTITIES)
def test_every_entity_has_one_category_and_looser_modes_give_no_less(gold, predicted):
    micro = count_partial_matches([(gold, disjoint(predicted))]).micro
    for counts in micro.values():
        assert (counts.gold, counts.predicted) == (len(gold), len(disjoint(predicted)))
    assert micro["strict"].correct <= micro["exact"].correct
    assert micro["exact"].f1 <= micro["partial"].f1


def test_an_overlap_is_at_least_a_hundredth_of_the_gold_entity():
    def category(gold_length):
        pair = ([Entity(0, gold_length, "A")], [Entity(gold_length - 1, gold_length + 9, "A")])
        return count_partial_matches([pair]).micro["partial"]

    assert category(100).partial == 1
    assert category(101) == MatchCounts(missed=1, spurious=1)


def test_entities_of_no_length_match_only_their_like():
    like = [Entity(3, 3, "A")]
    for counts in count_partial_matches([(like, like), (like, [Entity(2, 4, "A")])]).micro.values():
        assert counts == MatchCounts(correct=1, missed=1, spurious=1)


def test_documents_without_entities_have_counts_and_fractions_of_0():
    matches = count_partial_matches([([], []), ((), ())])
    assert matches.micro == dict.fromkeys(MODES, MatchCounts())
    assert matches.types == {}
    assert matches.micro["partial"].to_dict() == dict.fromkeys(
        [*CATEGORIES, "precision", "recall", "f1"], 0
    )


def test_it_goes_into_json_by_name():
    pair = ([Entity(0, 4, "A")], [Entity(2, 4, "A")])
    loaded = json.loads(json.dumps(count_partial_matches([pair]).to_dict()))
    assert list(loaded) == ["micro", "types"]
    assert list(loaded["types"]["A"]) == list(MODES)
    assert loaded["micro"]["partial"] == {
        **dict.fromkeys(CATEGORIES, 0),
        "partial": 1,
        "precision": 0.5,
        "recall": 0.5,
        "f1": 0.5,
    }


def test_many_entities_of_one_long_document_are_matched_in_time():
    gold = [Entity(5 * number, 5 * number + 3, "A") for number in range(50_000)]
    random.Random(1).shuffle(gold)
    predicted = [Entity(entity.start + 1, entity.end, "B") for entity in gold]
    micro = count_partial_matches([(gold, predicted)]).micro
    assert micro["ent_type"] == MatchCounts(incorrect=50_000)
    assert micro["partial"] == MatchCounts(partial=50_000)
