"""Bootstrap and randomization against slow ones, and what must hold of any comparison."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfner.documents import Document, Entity
from tfner.evaluation import resampling
from tfner.evaluation.comparison import (
    check_documents,
    compare_predictions,
    holm,
    measure_differences,
)
from tfner.evaluation.scores import score_entities
from tfner.exceptions import DataError

LABELS = ["LOC", "PER"]
ENTITIES = st.lists(
    st.builds(Entity, st.integers(0, 2), st.integers(3, 4), st.sampled_from(LABELS)), max_size=3
)
CORPORA = st.lists(st.tuples(ENTITIES, ENTITIES, ENTITIES), min_size=2, max_size=8)


def corpus(size, group=lambda number: ""):
    """Documents of up to three entities, and what a worse and a better system found in them."""
    draw = random.Random(5)
    documents, worse, better = [], [], []
    for number in range(size):
        starts = range(draw.randrange(4))
        gold = tuple(Entity(5 * start, 5 * start + 3, draw.choice(LABELS)) for start in starts)
        documents.append(Document("x" * 20, gold, group=group(number)))
        for found, share in ((worse, 0.4), (better, 0.7)):
            spurious = [Entity(19, 20, "PER")] if draw.random() < 0.2 else []
            found.append([entity for entity in gold if draw.random() < share] + spurious)
    return documents, worse, better


def as_corpus(triples):
    documents = [Document("x", tuple(gold)) for gold, _, _ in triples]
    return documents, [a for _, a, _ in triples], [b for _, _, b in triples]


def f1_scores(triples):
    """Micro F1 of A and B, then that of each type, from lists of (gold, a, b)."""
    scores = []
    for side in (1, 2):
        found = score_entities((triple[0], triple[side]) for triple in triples)
        by_type = (found.types[label].f1 if label in found.types else 0.0 for label in LABELS)
        scores.append([found.micro.f1, *by_type])
    return np.array(scores)


def triples_of(documents, a, b):
    gold = (document.entities for document in documents)
    return list(zip(gold, a, b, strict=True))


def differences(comparison):
    return [comparison.micro, *(comparison.types[label] for label in LABELS)]


def test_p_values_are_those_of_all_ways_to_swap():
    documents, a, b = corpus(9)
    triples = triples_of(documents, a, b)
    observed = np.abs(np.subtract(*f1_scores(triples)))
    as_much = np.zeros(3)
    for swapped in itertools.product((False, True), repeat=len(triples)):
        shuffled = [
            (gold, other, one) if swap else (gold, one, other)
            for swap, (gold, one, other) in zip(swapped, triples, strict=True)
        ]
        as_much += np.abs(np.subtract(*f1_scores(shuffled))) >= observed - 1e-12
    exact = as_much / 2 ** len(triples)
    found = [each.p for each in differences(compare_predictions(documents, a, b, draws=20_000))]
    assert found == pytest.approx(exact, abs=0.012)
    assert min(exact) < 0.3  # not all of them are 1


def test_the_interval_is_that_of_a_slow_bootstrap_over_the_same_draws_for_both():
    documents, a, b = corpus(40)
    triples = triples_of(documents, a, b)
    draw = random.Random(3)
    slow = []
    for _ in range(1000):
        drawn = draw.choices(triples, k=len(triples))
        f1_a, f1_b = f1_scores(drawn)
        slow.append(f1_b - f1_a)
    found = differences(compare_predictions(documents, a, b))
    low, high = np.quantile(slow, [0.025, 0.975], axis=0)
    assert [each.low for each in found] == pytest.approx(low, abs=0.03)
    assert [each.high for each in found] == pytest.approx(high, abs=0.03)
    not_better = np.mean(np.array(slow) <= 0, axis=0)
    assert [each.not_better for each in found] == pytest.approx(not_better, abs=0.02)


def test_a_system_that_is_far_better_is_found_so():
    comparison = compare_predictions(*corpus(300))
    assert comparison.micro.low > 0.1
    assert comparison.micro.not_better == 0
    assert comparison.micro.p == 1 / 10_001  # none of the swaps differs as much


def test_scores_are_those_of_each_system_and_the_difference_is_that_of_b():
    documents, a, b = corpus(50)
    comparison = compare_predictions(documents, a, b, draws=10)
    expected = f1_scores(triples_of(documents, a, b))
    assert [(each.a, each.b) for each in differences(comparison)] == [*map(tuple, expected.T)]
    assert comparison.micro.difference == comparison.micro.b - comparison.micro.a > 0
    assert comparison.micro.support == comparison.scores_a.micro.support
    assert comparison.scores_b.micro.f1 == comparison.micro.b


@given(CORPORA)
def test_equal_systems_differ_by_0_with_p_1(triples):
    documents, a, _ = as_corpus(triples)
    comparison = compare_predictions(documents, a, a, draws=50)
    for each in (comparison.micro, *comparison.types.values()):
        assert (each.difference, each.p) == (0, 1)
        drawn = (each.low, each.high, each.not_better)
        assert drawn == (0, 0, 1) or (drawn == (None,) * 3 and each.defined < 50)


@given(CORPORA)
def test_what_holds_of_any_two_systems(triples):
    comparison = compare_predictions(*as_corpus(triples), draws=50)
    swapped = compare_predictions(*(as_corpus(triples)[side] for side in (0, 2, 1)), draws=50)
    assert swapped.micro.difference == -comparison.micro.difference
    for each in (comparison.micro, *comparison.types.values()):
        assert 1 / 51 <= each.p <= 1
        assert each.low is None or -1 <= each.low <= each.high <= 1
        assert each.p_holm is None or each.p <= each.p_holm <= 1


def rare(with_entity, count, found_by_a):
    """Documents, of which the first have an entity each, that B finds."""
    entity = Entity(0, 1, "PER")
    documents = [Document("x", (entity,) * (number < with_entity)) for number in range(count)]
    found = [document.entities for document in documents]
    return documents, found if found_by_a else [()] * count, found


@pytest.mark.parametrize("found_by_a", [True, False])
def test_an_entity_that_most_draws_hold_in_vain_gives_no_interval(found_by_a):
    comparison = compare_predictions(*rare(1, 40, found_by_a))
    for each in (comparison.micro, comparison.types["PER"]):
        assert (each.low, each.high, each.a_interval, each.b_interval) == (None,) * 4
        assert each.not_better is None
        assert each.p == 1  # of two ways to swap one document both differ as much
        assert each.defined == pytest.approx(6367, abs=250)  # 1 - (39 / 40) ** 40
        assert not {"low", "high", "not_better", "a_interval"} & set(each.to_dict())


def test_draws_without_the_type_count_in_no_share():
    one = compare_predictions(*rare(4, 400, found_by_a=False)).types["PER"]
    assert (one.a_interval, one.b_interval) == ((0, 0), (1, 1))
    assert (one.low, one.high, one.not_better) == (1, 1, 0)
    assert 9700 < one.defined < 9900  # of 10,000


GOLD_AND_FOUND = st.tuples(*[st.sampled_from([0, 0, 1, 2])] * 5)


def counts_of_pairs(rows):
    """Counts of two systems over the same gold entities: int [D, 2, 3, 1]."""
    systems = [
        [(gold, a, min(gold, a, right_a)), (gold, b, min(gold, b, right_b))]
        for gold, a, b, right_a, right_b in rows
    ]
    return np.array(systems)[..., None]


def f1_or_none(true, predicted, correct):
    return 2 * correct / (true + predicted) if true + predicted else None


@given(st.lists(GOLD_AND_FOUND, min_size=2, max_size=4).map(counts_of_pairs))
def test_what_is_said_of_draws_is_so_of_all_that_there_are(counts):
    pairs = []
    for drawn in itertools.product(range(len(counts)), repeat=len(counts)):
        of_a, of_b = counts[list(drawn)].sum(axis=0)[..., 0].tolist()
        pairs.append((f1_or_none(*of_a), f1_or_none(*of_b)))
    found = measure_differences(counts, draws=2000, seed=1)[1]
    both = [b - a for a, b in pairs if a is not None and b is not None]
    assert found.defined == pytest.approx(2000 * len(both) / len(pairs), abs=100)
    assert (found.low is None) == (found.not_better is None) == (len(both) < 0.95 * len(pairs))
    for interval, side in ((found.a_interval, 0), (found.b_interval, 1)):
        defined = [pair[side] for pair in pairs if pair[side] is not None]
        assert (interval is None) == (len(defined) < 0.95 * len(pairs))
        if interval:
            check_bounds(*interval, defined)
    if found.low is not None:
        check_bounds(found.low, found.high, both)
        share = np.mean([each <= 1e-12 for each in both])
        assert found.not_better == pytest.approx(share, abs=0.05)


def check_bounds(low, high, scores):
    """Check quantiles of 2,000 draws against those of all draws, within five standard errors."""
    for bound, level in ((low, 0.025), (high, 0.975)):
        below = np.mean([score < bound - 1e-9 for score in scores])
        up_to = np.mean([score <= bound + 1e-9 for score in scores])
        assert below - 0.02 <= level <= up_to + 0.02


def test_a_type_of_spurious_entities_alone_has_no_difference_to_tell():
    documents = [Document("x", (Entity(0, 1, "PER"),)) for _ in range(8)]
    gold = [document.entities for document in documents]
    found = [[*entities, Entity(0, 1, "LOC")] for entities in gold]
    one = compare_predictions(documents, found, gold, draws=99).types["LOC"]
    assert (one.a, one.b, one.low, one.not_better, one.defined) == (0, 0, None, None, 0)
    assert (one.a_interval, one.b_interval, one.p) == ((0, 0), None, 1)


def test_the_same_seed_draws_the_same_and_another_others():
    one, again = (compare_predictions(*corpus(40), draws=500) for _ in range(2))
    assert one == again
    assert compare_predictions(*corpus(40), draws=500, seed=2).micro.low != one.micro.low


def test_sentences_of_one_document_are_drawn_and_swapped_together():
    alone = compare_predictions(*corpus(40))
    grouped = compare_predictions(*corpus(40, group=lambda number: f"d{number // 20}"))
    assert (grouped.documents, grouped.groups) == (40, 2)
    assert (alone.documents, alone.groups) == (40, 40)
    assert alone.micro.p < 0.01
    # Two documents: of four ways to swap them two differ as much.
    assert grouped.micro.p == pytest.approx(0.5, abs=0.02)
    assert grouped.micro.difference == alone.micro.difference


def test_draws_in_blocks_are_those_drawn_at_once(monkeypatch):
    counts = np.random.default_rng(1).integers(0, 3, (30, 2, 3, 2))
    whole = measure_differences(counts, draws=300, seed=4)
    monkeypatch.setattr(resampling, "DRAWN_AT_ONCE", 100)
    assert measure_differences(counts, draws=300, seed=4) == whole


def test_adjusted_p_values_are_those_of_holm_s_paper():
    # The example of Aickin and Gensler (1996), table 1, to the digits that they give.
    raw = [0.01, 0.02, 0.022, 0.09]
    assert holm(raw) == pytest.approx([0.04, 0.06, 0.06, 0.09])
    assert holm([]) == []
    assert holm([0.9, 0.9]) == [1.0, 1.0]


def test_a_type_without_gold_entities_is_no_test():
    documents = [Document("x", (Entity(0, 1, "PER"),)) for _ in range(8)]
    found = [[Entity(0, 1, "PER")] for _ in range(8)]
    other = [[Entity(0, 1, "LOC")] for _ in range(8)]
    comparison = compare_predictions(documents, found, other, draws=999)
    assert comparison.types["LOC"].support == 0
    assert comparison.types["LOC"].p_holm == comparison.types["LOC"].p == 1
    assert comparison.types["PER"].p_holm == comparison.types["PER"].p < 0.05


def test_documents_that_cannot_tell_systems_apart_are_refused():
    with pytest.raises(DataError, match=r"^d\.conll: expected marked entities, found none in 2"):
        check_documents([Document("x"), Document("y")], "d.conll")
    marked = Document("x", (Entity(0, 1, "PER"),), group="g")
    with pytest.raises(DataError, match=r"of different groups, got one of 2 texts$"):
        check_documents([marked, marked], "d.conll")
    check_documents([marked, Document("y")], "d.conll")


def test_a_thousand_documents_are_compared_in_seconds():
    comparison = compare_predictions(*corpus(1000))
    assert comparison.draws == 10_000
