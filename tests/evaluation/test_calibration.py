"""Calibrations against a brute-force fit, and what they keep: order and finite numbers."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfner.documents import Document, Entity
from tfner.evaluation.calibration import (
    FOLDS_SEED,
    LEAST_ENTITIES,
    PRIOR_PRECISION,
    Calibration,
    CalibrationError,
    calibrate_apart,
    fit_calibration,
    fit_line,
    logit,
    sigmoid,
)
from tfner.evaluation.reliability import judge

SCORES = st.floats(0, 1, width=32)
CALIBRATIONS = st.builds(Calibration, st.floats(0.05, 5), st.floats(-4, 4))


def draw(count: int, slope: float, intercept: float, seed: int = 3):
    """Scores, and outcomes that are right as often as a curve of the scores says."""
    random = np.random.default_rng(seed)
    score = random.uniform(0.05, 0.995, count)
    chance = 1 / (1 + np.exp(-(slope * np.log(score / (1 - score)) + intercept)))
    return score, random.random(count) < chance


def corpus(score, right, group=lambda number: ""):
    """Documents of one predicted entity each, right or wrong."""
    documents, predicted = [], []
    for number, (each, is_right) in enumerate(zip(score, right, strict=True)):
        gold = (Entity(0, 1, "A"),) if is_right else ()
        documents.append(Document("x", gold, group=group(number)))
        predicted.append([Entity(0, 1, "A", float(each))])
    return documents, predicted


def cost(slope, intercept, logits, right):
    """Minus the log of likelihood and prior, entity by entity."""
    total = PRIOR_PRECISION / 2 * ((slope - 1) ** 2 + intercept**2)
    for one, is_right in zip(logits, right, strict=True):
        z = slope * one + intercept
        total += math.log1p(math.exp(-z)) if is_right else math.log1p(math.exp(z))
    return total


@pytest.mark.parametrize(
    ("count", "slope", "intercept", "highest"),
    [(40, 0.4, 0.3, False), (60, 1.5, -1.0, False), (200, 0.4, 0.3, True)],
)
def test_the_fit_is_the_best_of_a_grid(count, slope, intercept, highest):
    """Also where nearly all score high, and a whole step of Newton's would lead away for good."""
    score, right = draw(count, slope, intercept)
    score = 1 - (1 - score) / 50 if highest else score
    found = fit_line(logit(score), right)
    best, step = (1.0, 0.0), 1.0
    while step > 1e-5:
        around = [(best[0] + i * step, best[1] + j * step) for i in (-1, 0, 1) for j in (-1, 0, 1)]
        nearest = min(around, key=lambda line: cost(*line, logit(score), right))
        best, step = (best, step / 2) if nearest == best else (nearest, step)
    assert found == pytest.approx(best, abs=1e-3)


def test_a_known_curve_is_found_again_and_the_error_is_gone():
    score, right = draw(20_000, 0.5, -0.4)
    fit = fit_calibration(*corpus(score, right))
    assert fit.calibration.slope == pytest.approx(0.5, abs=0.03)
    assert fit.calibration.intercept == pytest.approx(-0.4, abs=0.05)
    assert fit.before.ece > 0.1
    assert fit.after.ece < 0.015
    assert fit.documents == fit.before.entities == fit.after.entities == 20_000


def test_scores_that_are_chances_stay_nearly_as_they_are():
    score, right = draw(5_000, 1.0, 0.0)
    fit = fit_calibration(*corpus(score, right))
    np.testing.assert_allclose(fit.calibration(score), score, atol=0.02)


def test_without_an_entity_the_fit_is_the_identity():
    assert fit_line(np.zeros(0), np.zeros(0, bool)) == (1.0, 0.0)


def test_few_entities_move_little_and_no_outcome_moves_without_bound():
    score = np.array([0.6, 0.7, 0.9])
    for right in ([True] * 3, [False] * 3, [False, False, True]):
        slope, intercept = fit_line(logit(score), np.array(right))
        assert abs(slope - 1) < 2
        assert abs(intercept) < 2
    many = np.linspace(0.01, 0.99, 500)
    slope, intercept = fit_line(logit(many), many > 0.5)  # parted without an error
    assert 1 < slope < 50
    assert math.isfinite(intercept)


@given(CALIBRATIONS, st.lists(SCORES, min_size=2, max_size=20))
def test_order_is_kept_and_chances_are_chances(calibration, scores):
    rising = np.sort(np.array(scores))
    chances = calibration(rising)
    assert (np.diff(chances) >= 0).all()
    assert (chances >= 0).all()
    assert (chances <= 1).all()


@given(SCORES.filter(lambda score: 1e-6 < score < 1 - 1e-6))
def test_the_curve_is_the_formula(score):
    z = 0.7 * math.log(score / (1 - score)) - 0.2
    assert Calibration(0.7, -0.2)(score) == pytest.approx(1 / (1 + math.exp(-z)), abs=1e-9)


def test_no_number_overflows():
    assert sigmoid(np.array([-1e4, 0.0, 1e4])).tolist() == [0.0, 0.5, 1.0]
    assert np.isfinite(logit(np.array([0.0, 1.0]))).all()


@pytest.mark.parametrize(
    ("score", "right", "reason"),
    [
        ([0.5] * 29, [True] * 20 + [False] * 9, "29 entities were predicted, fewer than 30"),
        ([0.5] * 40, [True] * 40, "all 40 predicted entities are right"),
        ([0.5] * 40, [False] * 40, "all 40 predicted entities are wrong"),
        ([0.99] * 30 + [0.1] * 30, [False] * 30 + [True] * 30, "not right more often"),
    ],
)
def test_what_has_no_sense_is_refused_with_the_reason(score, right, reason):
    assert LEAST_ENTITIES == 30
    with pytest.raises(CalibrationError, match=reason):
        fit_calibration(*corpus(score, right))


def test_each_half_is_calibrated_by_the_other_alone():
    score, right = draw(300, 1.0, -0.5)
    judged = judge(*corpus(score, right, group=lambda number: f"d{number // 3}"))
    fold = np.random.default_rng(FOLDS_SEED).permutation(100)[judged.document] % 2
    assert np.bincount(fold).tolist() == [150, 150]
    assert all(len(set(fold[judged.document == number])) == 1 for number in range(100))
    expected = np.zeros(300)
    for half in (0, 1):
        line = fit_line(logit(score[fold != half]), right[fold != half])
        expected[fold == half] = Calibration(*line)(score[fold == half])
    np.testing.assert_array_equal(calibrate_apart(judged), expected)


def test_a_half_whose_other_ranks_nothing_keeps_its_scores():
    judged = judge(*corpus(*draw(300, 1.0, -0.5)))
    fold = np.random.default_rng(FOLDS_SEED).permutation(300) % 2
    unranked = judged._replace(right=np.where(fold == 0, judged.score < 0.5, judged.right))
    apart = calibrate_apart(unranked)
    np.testing.assert_array_equal(apart[fold == 1], judged.score[fold == 1])
    assert (apart[fold == 0] != judged.score[fold == 0]).all()


def test_it_is_written_and_read():
    fit = fit_calibration(*corpus(*draw(100, 0.5, 0.5)))
    written = json.loads(json.dumps(fit.to_dict()))
    assert Calibration.read(written) == fit.calibration
    assert written["after"]["ece"] == fit.after.ece


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (3, "of the method platt, got 3"),
        ({"method": "isotonic"}, "of the method platt"),
        ({"method": "platt", "slope": "1", "intercept": 0}, "numbers as slope and intercept"),
        ({"method": "platt", "slope": 1.0}, "got 1.0 and None"),
        ({"method": "platt", "slope": 0, "intercept": 0}, "a slope above 0"),
        ({"method": "platt", "slope": float("nan"), "intercept": 0}, "a slope above 0"),
        ({"method": "platt", "slope": 1, "intercept": float("inf")}, "both finite"),
    ],
)
def test_what_is_no_calibration_is_not_read(values, reason):
    with pytest.raises(ValueError, match=reason):
        Calibration.read(values)
