"""Entity scores against seqeval, and the properties of their sums."""

from __future__ import annotations

import json
from collections import Counter
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities, precision_recall_fscore_support

from tfner.documents import Document, Entity
from tfner.evaluation.scores import EntityScores, Score, score_entities, score_slices

LABELS = ["PER", "LOC", "creative-work"]
TAGS = [
    "O",
    *(f"{prefix}-{label}" for label in LABELS for prefix in "BI"),
]  # I- may stand anywhere: illegal ones too
TAG_PAIRS = st.lists(
    st.lists(st.tuples(st.sampled_from(TAGS), st.sampled_from(TAGS)), min_size=1, max_size=12),
    min_size=1,
    max_size=6,
)
ENTITIES = st.lists(
    st.builds(Entity, st.integers(0, 3), st.integers(3, 5), st.sampled_from(LABELS)), max_size=6
)


def columns(sentences):
    """Split [[(gold tag, predicted tag)]] into the two lists of sequences that seqeval takes."""
    return [[gold for gold, _ in pairs] for pairs in sentences], [
        [predicted for _, predicted in pairs] for pairs in sentences
    ]


def entities_of(tags):
    return [Entity(first, last + 1, label) for label, first, last in get_entities(tags)]


def score_tags(sentences):
    return score_entities(
        (entities_of(gold), entities_of(predicted))
        for gold, predicted in zip(*columns(sentences), strict=True)
    )


def brute_force(pairs, label):
    """(gold, predicted, correct) of one type, by crossing out equal entities one by one."""
    gold_count = predicted_count = correct = 0
    for gold, predicted in pairs:
        left = [entity.key for entity in predicted if entity.label == label]
        predicted_count += len(left)
        for entity in gold:
            if entity.label == label:
                gold_count += 1
                if entity.key in left:
                    left.remove(entity.key)
                    correct += 1
    return gold_count, predicted_count, correct


@given(TAG_PAIRS)
@pytest.mark.parametrize("average", ["micro", "macro", "weighted"])
def test_averages_equal_seqeval(average, sentences):
    score = getattr(score_tags(sentences), average)
    gold, predicted = columns(sentences)
    if any(tag != "O" for tags in gold + predicted for tag in tags):
        expected = precision_recall_fscore_support(
            gold, predicted, average=average, zero_division=0
        )
        assert score == pytest.approx(expected, abs=1e-12)
    else:
        assert score == (0, 0, 0, 0)  # seqeval's mean over no type is not a number


@given(TAG_PAIRS)
def test_each_type_equals_seqeval(sentences):
    types = score_tags(sentences).types
    gold, predicted = columns(sentences)
    names = sorted({label for tags in gold + predicted for label, _, _ in get_entities(tags)})
    assert list(types) == names
    expected = precision_recall_fscore_support(gold, predicted, average=None, zero_division=0)
    assert [tuple(score) for score in types.values()] == [
        pytest.approx(row, abs=1e-12) for row in zip(*expected, strict=True)
    ]


@given(st.lists(st.tuples(ENTITIES, ENTITIES), max_size=4))
def test_duplicates_count_as_multisets(pairs):
    scores = score_entities(pairs)
    for label in LABELS:
        assert (
            scores.true.get(label, 0),
            scores.predicted.get(label, 0),
            scores.correct.get(label, 0),
        ) == brute_force(pairs, label)


@given(st.lists(st.tuples(ENTITIES, ENTITIES), max_size=6), st.integers(0, 6))
def test_scores_of_parts_add_up(pairs, cut):
    whole = score_entities(pairs)
    assert score_entities(pairs[:cut]) + score_entities(pairs[cut:]) == whole
    assert sum((score_entities([pair]) for pair in pairs), EntityScores()) == whole


def test_slices_are_scored_on_their_own_and_unnamed_documents_in_none():
    gold = (Entity(0, 1, "A"),)
    pairs = [
        (Document("x", gold, slice=name), predicted)
        for name, predicted in [("b", gold), ("a", ()), ("b", ()), ("", gold)]
    ]
    assert {name: scores.micro.recall for name, scores in score_slices(pairs).items()} == {
        "a": 0.0,
        "b": 0.5,
    }
    assert list(score_slices(iter(pairs))) == ["a", "b"]


def test_entities_of_different_documents_never_match():
    here, there = [Entity(0, 3, "PER")], [Entity(0, 3, "PER")]
    assert score_entities([(here, []), ([], there)]).micro == (0, 0, 0, 1)


def test_score_and_text_of_an_entity_play_no_part():
    pairs = [([Entity(0, 3, "PER", 1.0, "Eve")], [Entity(0, 3, "PER", 0.2, "")])]
    assert score_entities(pairs).micro == (1, 1, 1, 1)


def test_generators_are_read_once():
    pairs = (
        (iter(gold), iter(predicted))
        for gold, predicted in [([Entity(0, 1, "A")], [Entity(0, 1, "A"), Entity(2, 3, "B")])]
    )
    assert score_entities(pairs).micro == (0.5, 1.0, pytest.approx(2 / 3), 1)


def test_a_type_without_any_entity_has_no_share_in_macro():
    scores = EntityScores({"PER": 2, "LOC": 0}, {"PER": 2, "LOC": 0}, {"PER": 1, "LOC": 0})
    assert list(scores.types) == ["PER"]
    assert scores.macro == (0.5, 0.5, 0.5, 2)


def test_to_dict_has_exactly_the_agreed_keys_and_goes_into_json():
    counts = Counter(label for label, group in groupby(["LOC", "PER", "PER"]) for _ in group)
    scores = EntityScores(
        *({label: np.int64(count) for label, count in counts.items()} for _ in range(3))
    )
    one = {"precision": 1.0, "recall": 1.0, "f1": 1.0}
    expected = {
        "micro": {**one, "support": 3},
        "macro": {**one, "support": 3},
        "types": {"LOC": {**one, "support": 1}, "PER": {**one, "support": 2}},
    }
    assert json.loads(json.dumps(scores.to_dict())) == expected


def test_score_of_known_counts():
    assert Score.of(true=4, predicted=5, correct=2) == (0.4, 0.5, pytest.approx(4 / 9), 4)
    assert Score.of(0, 0, 0) == (0, 0, 0, 0)
