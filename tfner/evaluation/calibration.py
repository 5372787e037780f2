"""Calibrate the scores of entities: fit, on judged entities, what turns a score into a chance.

The curve rises, so calibrated entities stand in the order that they had.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tfner.documents import Document, Entity
from tfner.evaluation.reliability import Judged, Reliability, judge, measure_reliability

LEAST_ENTITIES = 30
LEAST_SLOPE = 0.01  # below it all scores become nearly the same one
# float32 holds no number between 1 - MARGIN and 1; a score beyond it would have no finite logit.
MARGIN = 2.0**-24
# Of a normal prior of both parameters around the identity, of standard deviation 1: it keeps them
# finite where a score tells right from wrong without an error, and near 1 and 0 of few entities.
PRIOR_PRECISION = 1.0
IDENTITY = np.array([1.0, 0.0])  # slope and intercept that change no score
STEPS = 100
TOLERANCE = 1e-10
FOLDS_SEED = 1


class CalibrationError(ValueError):
    """Say why no calibration could be fitted."""


@dataclass(frozen=True)
class Calibration:
    """Turn scores into chances: sigmoid(slope * logit(score) + intercept) (Platt 1999).

    >>> Calibration(slope=0.5, intercept=0.0)([0.9, 0.5]).round(2).tolist()
    [0.75, 0.5]

    Raises:
        ValueError: the slope is not above 0, or a number not finite.
    """

    slope: float
    intercept: float

    def __post_init__(self) -> None:
        if not (0 < self.slope < math.inf and math.isfinite(self.intercept)):
            came = f"got {self.slope} and {self.intercept}"
            raise ValueError(f"expected a slope above 0 and an intercept, both finite, {came}")

    def __call__(self, scores: Any) -> np.ndarray:
        """Calibrate float scores of any shape, in float64."""
        logits = logit(scores)
        logits *= self.slope
        logits += self.intercept
        return sigmoid(logits)

    def apply(self, entities: Sequence[Entity]) -> list[Entity]:
        """Give the same entities with calibrated scores, of float32's precision as a graph's."""
        raw = [entity.score for entity in entities]
        chances = self(raw)
        scores = chances.astype(np.float32)
        pairs = zip(entities, scores.tolist(), strict=True)
        return [replace(entity, score=score) for entity, score in pairs]

    def to_dict(self) -> dict[str, Any]:
        """Give what `read` reads."""
        return {"method": "platt", "slope": self.slope, "intercept": self.intercept}

    @classmethod
    def read(cls, values: Any) -> Calibration:
        """Read what `to_dict` gives.

        Raises:
            ValueError: it is something else.
        """
        if not isinstance(values, Mapping) or values.get("method") != "platt":
            raise ValueError(f"expected a calibration of the method platt, got {values!r}")
        slope = values.get("slope")
        intercept = values.get("intercept")
        if not isinstance(slope, float | int) or not isinstance(intercept, float | int):
            came = f"got {slope!r} and {intercept!r}"
            raise ValueError(f"expected numbers as slope and intercept, {came}")
        return cls(slope, intercept)


@dataclass(frozen=True)
class CalibrationFit:
    """Hold a calibration and how it does on documents that it was not fitted on.

    Args:
        calibration: fitted on all entities.
        documents: with a prediction; those of one group count as one.
        before, after: reliability of the scores, and of those calibrated by a fit on the other half
            of the documents.
    """

    calibration: Calibration
    documents: int
    before: Reliability
    after: Reliability

    def to_dict(self) -> dict[str, Any]:
        """Give plain values, for JSON."""
        measured = {"before": self.before.to_dict(), "after": self.after.to_dict()}
        return {**self.calibration.to_dict(), "documents": self.documents, **measured}


def fit_calibration(
    documents: Sequence[Document], predicted: Sequence[Sequence[Entity]]
) -> CalibrationFit:
    """Fit a calibration on predicted entities, of which some are right and some are not.

    Raises:
        CalibrationError: there are too few, all are right or wrong, or scores do not rank them.
    """
    judged = judge(documents, predicted)
    score = judged.score
    right = judged.right
    count = right.size
    if count < LEAST_ENTITIES:
        raise CalibrationError(f"{count} entities were predicted, fewer than {LEAST_ENTITIES}")
    if len(set(right)) == 1:
        outcome = "right" if right[0] else "wrong"
        raise CalibrationError(f"all {count} predicted entities are {outcome}")
    logits = logit(score)
    line = fit_line(logits, right)
    if line[0] < LEAST_SLOPE:
        raise CalibrationError("entities of higher scores are not right more often")
    calibration = Calibration(*line)
    apart = calibrate_apart(judged)
    before = measure_reliability(score, right)
    after = measure_reliability(apart, right)
    numbers = set(judged.document)
    return CalibrationFit(calibration, len(numbers), before, after)


def calibrate_apart(judged: Judged) -> np.ndarray:
    """Calibrate each half of the documents by a fit on the other: float64 [N].

    Where a half cannot be fitted, the other keeps its scores.
    """
    score = judged.score
    right = judged.right
    document = judged.document
    logits = logit(score)
    random = np.random.default_rng(FOLDS_SEED)
    shuffled = random.permutation(document.max() + 1)
    number = shuffled[document]
    fold = number % 2
    calibrated = score.copy()
    for half in (0, 1):
        held = fold == half
        fitted = fold != half
        line = fit_line(logits[fitted], right[fitted])
        if line[0] >= LEAST_SLOPE:
            calibration = Calibration(*line)
            calibrated[held] = calibration(score[held])
    return calibrated


def fit_line(logits: np.ndarray, right: np.ndarray) -> tuple[float, float]:
    """Fit slope and intercept of a logistic regression: float64 [N], bool [N].

    It is what is likeliest after a normal prior around slope 1 and intercept 0, found by Newton's
    method; the function is convex, and a step that overshoots is halved.
    """
    one = np.ones_like(logits)
    inputs_N2 = np.column_stack([logits, one])
    line = IDENTITY
    for _ in range(STEPS):
        step = newton_step(inputs_N2, right, line)
        size = np.abs(step).max()
        cost = minus_log_posterior(inputs_N2, right, line)
        while size > TOLERANCE and minus_log_posterior(inputs_N2, right, line - step) > cost:
            step = step / 2
            size = size / 2
        line = line - step
        if size <= TOLERANCE:
            break
    slope, intercept = line.tolist()
    return slope, intercept


def newton_step(inputs_N2: np.ndarray, right: np.ndarray, line: np.ndarray) -> np.ndarray:
    """Compute how far Newton's method moves a line, float64 [2], against its sign."""
    logits = inputs_N2 @ line
    chance = sigmoid(logits)
    miss = chance - right
    variance = chance * (1 - chance)
    moved = line - IDENTITY
    gradient = inputs_N2.T @ miss
    gradient += PRIOR_PRECISION * moved
    weighted_2N = inputs_N2.T * variance
    curvature_22 = weighted_2N @ inputs_N2
    curvature_22 += PRIOR_PRECISION * np.eye(2)
    return np.linalg.solve(curvature_22, gradient)


def minus_log_posterior(inputs_N2: np.ndarray, right: np.ndarray, line: np.ndarray) -> float:
    """Compute what a fit makes small, but for what is the same of all lines."""
    logits = inputs_N2 @ line
    moved = line - IDENTITY
    prior = PRIOR_PRECISION / 2 * moved @ moved
    costs = np.logaddexp(0, logits)
    gains = logits[right]
    return costs.sum() - gains.sum() + prior


def logit(scores: Any) -> np.ndarray:
    """Compute log odds in float64, finite for scores of 0 and 1 too."""
    scores = np.float64(scores)
    inner = np.clip(scores, MARGIN, 1 - MARGIN)
    log_right = np.log(inner)
    log_wrong = np.log1p(-inner)
    return log_right - log_wrong


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Compute chances of log odds, without overflow."""
    costs = np.logaddexp(0, -logits)
    return np.exp(-costs)
