"""Bootstrap intervals against a slow bootstrap, and what they are drawn over."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfner.documents import Document, Entity
from tfner.evaluation import intervals
from tfner.evaluation.intervals import Interval, draw_f1, f1_interval


def documents_of(right: list[bool], group=lambda number: "") -> tuple[list, list]:
    """Documents of one gold entity each, found or missed."""
    gold = Entity(0, 1, "A")
    documents = [Document("x", (gold,), group=group(number)) for number in range(len(right))]
    return documents, [[gold] if found else [] for found in right]


def test_the_interval_is_that_of_a_slow_bootstrap():
    random = np.random.default_rng(3)
    counts = random.integers(0, 3, (60, 3))
    counts[:, 2] = counts.min(axis=1)
    found = np.quantile(draw_f1(counts), [0.025, 0.975])
    slow = []
    for _ in range(4000):
        true, predicted, correct = counts[random.integers(60, size=60)].sum(axis=0)
        slow.append(2 * correct / (true + predicted))
    np.testing.assert_allclose(found, np.quantile(slow, [0.025, 0.975]), atol=0.015)


@given(st.lists(st.booleans(), min_size=2, max_size=40))
def test_it_holds_the_score_and_stays_within_0_and_1(right):
    interval = f1_interval(*documents_of(right))
    f1 = 2 * sum(right) / (sum(right) + len(right))
    assert 0 <= interval.low <= f1 <= interval.high <= 1
    assert interval.documents == len(right)
    if len(set(right)) == 1:
        assert interval.low == interval.high


def test_more_documents_make_it_narrower():
    few, many = (f1_interval(*documents_of([True, False] * count)) for count in (10, 500))
    assert few.high - few.low > 3 * (many.high - many.low)


def test_sentences_of_one_document_are_drawn_together():
    right = [True] * 50 + [False] * 50
    alone = f1_interval(*documents_of(right))
    together = f1_interval(*documents_of(right, group=lambda number: f"d{number // 25}"))
    assert (alone.documents, together.documents) == (100, 4)
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_one_document_has_none():
    assert f1_interval(*documents_of([True])) is None
    assert f1_interval([], []) is None


def test_the_same_predictions_have_the_same_interval(monkeypatch):
    documents = documents_of([True, False, True, True])
    assert f1_interval(*documents) == f1_interval(*documents)
    monkeypatch.setattr(intervals, "SEED", 2)
    assert f1_interval(*documents) != Interval(0, 0, 4)


def test_no_entity_at_all_is_0_to_0():
    empty = [Document("x"), Document("y")]
    assert f1_interval(empty, [[], []])[:2] == pytest.approx((0, 0))
