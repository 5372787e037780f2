"""Calibrate the scores of entities: fit, on judged entities, what turns a score into a chance.

The curve rises, so calibrated entities stand in the order that they had.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
        """Calibrate float scores [N] of any shape, in float64."""
        logits = logit(np.asarray(scores, np.float64))
        return sigmoid(self.slope * logits + self.intercept)

    def apply(self, entities: Sequence[Entity]) -> list[Entity]:
        """Give the same entities with calibrated scores, of float32's precision as a graph's."""
        scores = self([entity.score for entity in entities]).astype(np.float32).tolist()
        pairs = zip(entities, scores, strict=True)
        return [Entity(e.start, e.end, e.label, score, e.text) for e, score in pairs]

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
        slope, intercept = values.get("slope"), values.get("intercept")
        if not isinstance(slope, float | int) or not isinstance(intercept, float | int):
            came = f"got {slope!r} and {intercept!r}"
            raise ValueError(f"expected numbers as slope and intercept, {came}")
        return cls(float(slope), float(intercept))


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
    count, right = len(judged.right), int(judged.right.sum())
    if count < LEAST_ENTITIES:
        raise CalibrationError(f"{count} entities were predicted, fewer than {LEAST_ENTITIES}")
    if right in (0, count):
        raise CalibrationError(
            f"all {count} predicted entities are {'right' if right else 'wrong'}"
        )
    slope, intercept = fit_line(logit(judged.score), judged.right)
    if slope < LEAST_SLOPE:
        raise CalibrationError("entities of higher scores are not right more often")
    before = measure_reliability(judged.score, judged.right)
    after = measure_reliability(calibrate_apart(judged), judged.right)
    in_documents = len(np.unique(judged.document))
    return CalibrationFit(Calibration(slope, intercept), in_documents, before, after)


def calibrate_apart(judged: Judged) -> np.ndarray:
    """Calibrate each half of the documents by a fit on the other: float64 [N].

    Where a half cannot be fitted, the other keeps its scores.
    """
    documents = int(judged.document.max()) + 1
    shuffled = np.random.default_rng(FOLDS_SEED).permutation(documents)
    fold = shuffled[judged.document] % 2
    calibrated = judged.score.copy()
    for number in (0, 1):
        held, fitted = fold == number, fold != number
        slope, intercept = fit_line(logit(judged.score[fitted]), judged.right[fitted])
        if slope >= LEAST_SLOPE:
            calibrated[held] = Calibration(slope, intercept)(judged.score[held])
    return calibrated


def fit_line(logits: np.ndarray, right: np.ndarray) -> tuple[float, float]:
    """Fit slope and intercept of a logistic regression: float64 [N], bool [N].

    It is what is likeliest after a normal prior around slope 1 and intercept 0, found by Newton's
    method; the function is convex, and a step that overshoots is halved.
    """
    inputs = np.stack([logits, np.ones_like(logits)], axis=1)
    identity = np.array([1.0, 0.0])

    def cost(line: np.ndarray) -> float:
        z = inputs @ line
        prior = PRIOR_PRECISION / 2 * np.sum((line - identity) ** 2)
        return float(np.sum(np.logaddexp(0, z) - right * z) + prior)

    line = identity
    for _ in range(STEPS):
        chance = sigmoid(inputs @ line)
        gradient = inputs.T @ (chance - right) + PRIOR_PRECISION * (line - identity)
        weighted = inputs * (chance * (1 - chance))[:, None]
        curvature = inputs.T @ weighted + PRIOR_PRECISION * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        while cost(line - step) > cost(line) and np.abs(step).max() > TOLERANCE:
            step /= 2
        line = line - step
        if np.abs(step).max() <= TOLERANCE:
            break
    return float(line[0]), float(line[1])


def logit(scores: np.ndarray) -> np.ndarray:
    """Compute log odds, finite for scores of 0 and 1 too."""
    inner = np.clip(scores, MARGIN, 1 - MARGIN)
    return np.log(inner) - np.log1p(-inner)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Compute chances of log odds; exp of no positive number, which could overflow."""
    small = np.exp(-np.abs(logits))
    return np.where(logits >= 0, 1.0, small) / (1 + small)
