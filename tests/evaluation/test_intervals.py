"""Bootstrap intervals against all draws that there are, and what they are drawn over."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfner.documents import Document, Entity
from tfner.evaluation import intervals
from tfner.evaluation.intervals import SCORES, draw_scores, intervals_of, measure_intervals

BY_CHANCE = 0.03  # by how much a share of 1,000 draws may be off: six standard deviations


def documents_of(right: list[bool], group=lambda number: "") -> tuple[list, list]:
    """Documents of one gold entity each, found or missed."""
    gold = Entity(0, 1, "A")
    documents = [Document("x", (gold,), group=group(number)) for number in range(len(right))]
    return documents, [[gold] if found else [] for found in right]


def few_of(with_entity: int, count: int) -> tuple[list, list]:
    """Documents, of which the first have an entity each, all found."""
    gold = Entity(0, 1, "A")
    documents = [Document("x", (gold,) * (number < with_entity)) for number in range(count)]
    return documents, [document.entities for document in documents]


def f1_of(documents, found):
    return measure_intervals(documents, found).micro["f1"]


def counts_of(triples):
    """Gold, predicted and correct entities: no more are correct than there are."""
    return np.array([(true, predicted, min(true, predicted, c)) for true, predicted, c in triples])


COUNTS = st.lists(st.tuples(*[st.sampled_from([0, 0, 1, 2])] * 3), min_size=2, max_size=4)


def all_draws(counts):
    """Score each of the D**D draws: None where there is nothing to divide by."""
    scored = {name: [] for name in SCORES}
    for drawn in itertools.product(range(len(counts)), repeat=len(counts)):
        true, predicted, correct = counts[list(drawn)].sum(axis=0).tolist()
        divisors = {"precision": predicted, "recall": true, "f1": true + predicted}
        for name, divisor in divisors.items():
            numerator = 2 * correct if name == "f1" else correct
            scored[name].append(numerator / divisor if divisor else None)
    return scored


def is_quantile(value, level, scores):
    below = np.mean([score < value - 1e-9 for score in scores])
    up_to = np.mean([score <= value + 1e-9 for score in scores])
    return below - BY_CHANCE <= level <= up_to + BY_CHANCE


@given(COUNTS.map(counts_of))
def test_it_is_that_of_all_draws_that_have_the_score(counts):
    found = intervals_of(counts)
    for name, scores in all_draws(counts).items():
        defined = [score for score in scores if score is not None]
        share = len(defined) / len(scores)
        assert (found[name] is None) == (share < 0.95)
        if found[name]:
            low, high, count = found[name]
            assert is_quantile(low, 0.025, defined)
            assert is_quantile(high, 0.975, defined)
            assert count == pytest.approx(1000 * share, abs=1000 * BY_CHANCE)


def test_the_interval_is_that_of_a_slow_bootstrap():
    random = np.random.default_rng(3)
    counts = random.integers(0, 3, (60, 3))
    counts[:, 2] = counts.min(axis=1)
    _, _, f1 = draw_scores(counts)
    found = np.quantile(f1, [0.025, 0.975])
    slow = []
    for _ in range(4000):
        true, predicted, correct = counts[random.integers(60, size=60)].sum(axis=0)
        slow.append(2 * correct / (true + predicted))
    np.testing.assert_allclose(found, np.quantile(slow, [0.025, 0.975]), atol=0.015)


@given(st.lists(st.booleans(), min_size=2, max_size=40))
def test_it_holds_the_score_and_stays_within_0_and_1(right):
    found = measure_intervals(*documents_of(right))
    f1 = 2 * sum(right) / (sum(right) + len(right))
    interval = found.micro["f1"]
    assert 0 <= interval.low <= f1 <= interval.high <= 1
    assert interval.defined == 1000
    assert (found.documents, found.with_entities) == (len(right), len(right))
    if len(set(right)) == 1:
        assert interval.low == interval.high


def test_more_documents_make_it_narrower():
    few, many = (f1_of(*documents_of([True, False] * count)) for count in (10, 500))
    assert few.high - few.low > 3 * (many.high - many.low)


def test_sentences_of_one_document_are_drawn_together():
    right = [True] * 50 + [False] * 50
    alone = measure_intervals(*documents_of(right))
    together = measure_intervals(*documents_of(right, group=lambda number: f"d{number // 25}"))
    assert (alone.documents, together.documents) == (100, 4)
    wide, narrow = together.micro["f1"], alone.micro["f1"]
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_each_type_is_that_of_documents_with_this_type_alone():
    draw = np.random.default_rng(5)
    gold = [[Entity(0, 1, label) for label in "AB" if draw.random() < 0.6] for _ in range(50)]
    found = [[entity for entity in entities if draw.random() < 0.7] for entities in gold]
    documents = [Document("x", tuple(entities)) for entities in gold]
    both = measure_intervals(documents, found)
    for label in "AB":
        own = [
            [[entity for entity in entities if entity.label == label] for entities in side]
            for side in (gold, found)
        ]
        alone = measure_intervals([Document("x", tuple(each)) for each in own[0]], own[1])
        assert both.types[label] == alone.types[label] == alone.micro
    assert both.micro != both.types["A"]


@pytest.mark.parametrize(
    "documents", [documents_of([True]), documents_of([True, False], "d".format)]
)
def test_one_document_has_none(documents):
    found = measure_intervals(*documents)
    assert set(found.micro.values()) == set(found.types["A"].values()) == {None}
    assert found.no_interval == "one document"
    assert found.micro_f1() is None


def test_no_document_has_none():
    assert measure_intervals([], []).no_interval == "no documents"


def test_no_entity_at_all_has_none():
    found = measure_intervals(*few_of(0, 2))
    assert set(found.micro.values()) == {None}
    assert found.no_interval == "entities in none of 2 documents"


@pytest.mark.parametrize("count", [4, 40, 1000])
@pytest.mark.parametrize("with_entity", [1, 2, 3])
def test_entities_in_three_documents_are_enough_however_many_there_are(with_entity, count):
    found = measure_intervals(*few_of(with_entity, count))
    if with_entity < 3:
        assert found.no_interval == f"entities in {with_entity} of {count:,} documents"
        assert found.micro["f1"] is found.types["A"]["f1"] is None
    else:
        assert found.no_interval == ""
        assert found.micro["f1"][:2] == (1.0, 1.0)  # not 0, which the draws without it would be
        assert 930 <= found.micro["f1"].defined <= 1000


def test_another_seed_gives_intervals_to_the_same_scores(monkeypatch):
    for seed in range(20):
        monkeypatch.setattr(intervals, "SEED", seed)
        assert measure_intervals(*few_of(3, 1000)).micro["f1"]
        assert not measure_intervals(*few_of(2, 1000)).micro["f1"]


def test_the_same_predictions_have_the_same_interval(monkeypatch):
    documents = documents_of([True, False, True, True] * 9)
    before = measure_intervals(*documents)
    assert measure_intervals(*documents) == before
    monkeypatch.setattr(intervals, "SEED", 2)
    assert measure_intervals(*documents) != before


def test_json_holds_them_as_scores_are_held():
    documents, found = few_of(3, 10)
    documents[0] = documents[0].with_entities([*documents[0].entities, Entity(0, 1, "B")])
    values = json.loads(json.dumps(measure_intervals(documents, found).to_dict()))
    assert set(values) == {
        *("documents", "with_entities", "level", "samples", "no_interval"),
        *("micro", "types"),
    }
    assert (values["documents"], values["with_entities"]) == (10, 3)
    assert set(values["micro"]) == set(values["types"]["A"]) == {"precision", "recall", "f1"}
    assert set(values["types"]["A"]["f1"]) == {"low", "high", "defined"}
    assert values["types"]["B"] == {"precision": None, "recall": None, "f1": None}
