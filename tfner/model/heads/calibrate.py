"""Apply a calibration to the scores of entities, in graph."""

from __future__ import annotations

import tensorflow as tf

from tfner.evaluation.calibration import MARGIN, Calibration


def calibrate(scores: tf.Tensor, calibration: Calibration) -> tf.Tensor:
    """Turn scores into chances, float32 of any shape.

    It is computed in float64, in which two neighbours of float32 are far apart: so none overtakes
    the other.

    >>> calibrate(tf.constant([0.9, 0.5]), Calibration(slope=0.5, intercept=0.0)).numpy().tolist()
    [0.75, 0.5]
    """
    inner = tf.clip_by_value(tf.cast(scores, tf.float64), MARGIN, 1 - MARGIN)
    logits = tf.math.log(inner) - tf.math.log1p(-inner)
    chances = tf.sigmoid(calibration.slope * logits + calibration.intercept)
    return tf.cast(chances, tf.float32)
