"""Thresholds that reach a precision, against trying them all."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfner.documents import Document, Entity
from tfner.evaluation.precision import (
    TIE,
    PrecisionError,
    between,
    choose_thresholds,
    lowest_threshold,
)

SCORES = st.sampled_from([0.1, 0.25, 0.5, 0.5000001, 0.7, 0.9, 0.999999, 1.0]) | st.floats(0, 1)
JUDGED = st.lists(st.tuples(SCORES, st.booleans()), min_size=1, max_size=25)


@given(JUDGED, st.sampled_from([0.3, 0.5, 0.75, 0.9, 1.0]))
def test_it_is_the_lowest_of_all_that_could_be_set(judged, at_least):
    score = np.array([one for one, _ in judged], np.float32).astype(np.float64)
    right = np.array([is_right for _, is_right in judged])
    rising = np.unique(score)
    cuts = [0.0, *(high for low, high in pairwise(rising) if high - low > TIE)]
    reached = [cut for cut in cuts if right[score >= cut].mean() >= at_least]
    if not reached:
        with pytest.raises(PrecisionError, match=f"at least {at_least}, got at most 0"):
            lowest_threshold(score, right, at_least)
        return
    threshold = lowest_threshold(score, right, at_least)
    kept = score >= threshold
    np.testing.assert_array_equal(kept, score >= min(reached))
    # In a graph both are float32; between them there is room.
    np.testing.assert_array_equal(score.astype(np.float32) >= np.float32(threshold), kept)
    assert threshold == 0 or np.abs(score - threshold).min() > TIE / 8


@given(st.floats(0, 0.99), st.floats(1.1 * TIE, 0.01))
def test_what_lies_between_two_scores_is_well_between(low, gap):
    high = low + gap
    assert low + gap / 5 < between(low, high) < high - gap / 5


def test_ties_are_kept_or_left_out_together():
    score, right = np.array([0.9, 0.9, 0.9, 0.5]), np.array([True, True, False, False])
    assert lowest_threshold(score, right, 0.6) > 0.5
    with pytest.raises(PrecisionError, match=r"at most 0\.6667, with 3 of 4 entities"):
        lowest_threshold(score, right, 0.7)


def test_of_no_entity_nothing_is_chosen():
    with pytest.raises(PrecisionError, match="got none"):
        lowest_threshold(np.zeros(0), np.zeros(0, bool), 0.5)


def corpus():
    """Make two documents: of A the best two of three are right, of B one of two, of C none."""
    gold = (Entity(0, 1, "A"), Entity(2, 3, "B"), Entity(4, 5, "C"))
    first = [Entity(0, 1, "A", 0.9), Entity(2, 3, "B", 0.6), Entity(4, 5, "A", 0.3)]
    second = [Entity(0, 1, "A", 0.7), Entity(2, 3, "A", 0.2), Entity(6, 7, "B", 0.8)]
    return [Document("a b c d", gold), Document("a b c d", gold[:1])], [first, second]


def test_types_that_are_named_have_a_threshold_each_and_the_others_one():
    documents, predicted = corpus()
    chosen = choose_thresholds(documents, predicted, {"A": 1.0, "": 0.5}, ["A", "B", "C"])
    alone, rest = chosen
    assert (alone.types, rest.types) == (("A",), ("B", "C"))
    assert 0.3 < alone.threshold < 0.7
    assert rest.threshold == 0
    assert alone.before == (0.5, 1.0, pytest.approx(2 / 3), 2)
    assert alone.after == (1.0, 1.0, 1.0, 2)
    assert (rest.after.precision, rest.after.recall, rest.after.support) == (0.5, 0.5, 2)
    assert json.loads(json.dumps(alone.to_dict()))["types"] == ["A"]


def test_all_types_together_have_one():
    (one,) = choose_thresholds(*corpus(), {"": 0.7}, ["A", "B", "C"])
    assert one.types == ("A", "B", "C")
    assert 0.3 < one.threshold < 0.6
    assert one.after.precision == 0.75
    assert one.after.recall == 0.75


def test_a_number_for_the_types_that_are_not_named_needs_one():
    asked = {"A": 0.5, "B": 0.5, "": 0.9}
    expected = "expected a type that is not named to reach 0.9 with, got numbers for all of A, B"
    with pytest.raises(PrecisionError, match=f"^{expected}$"):
        choose_thresholds(*corpus(), asked, ["A", "B"])
    assert choose_thresholds(*corpus(), {"A": 0.5, "B": 0.5}, ["A", "B"])


def test_a_type_out_of_reach_is_named():
    with pytest.raises(PrecisionError, match=r"^B: .* of at least 0\.9, got at most 0\.5000"):
        choose_thresholds(*corpus(), {"B": 0.9}, ["A", "B", "C"])
    with pytest.raises(PrecisionError, match=r"^C: .* got none"):
        choose_thresholds(*corpus(), {"C": 0.9}, ["A", "B", "C"])
