"""Calibrated scores in graph: the formula, and what decoders do with them."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from tfner.evaluation.calibration import Calibration
from tfner.model.heads.calibrate import calibrate
from tfner.model.heads.chain_decoder import ChainDecoder
from tfner.model.heads.decoder import Decoder
from tfner.tagging.schemes import LabelSet

LABELS = LabelSet(("LOC", "PER"))
TAGS = len(LABELS.tags)
CURVE = Calibration(0.6, -0.3)
LENGTHS = np.array([7, 0, 5, 9], np.int32)


@given(st.floats(0.01, 8), st.floats(-8, 8), st.floats(0, 1, width=32))
def test_it_is_the_formula_and_neighbours_keep_their_order(slope, intercept, score):
    curve = Calibration(slope, intercept)
    near = [np.nextafter(np.float32(score), np.float32(to)) for to in (0, 1)]
    scores = np.array([near[0], score, near[1]], np.float32)
    found = calibrate(tf.constant(scores), curve).numpy()
    np.testing.assert_allclose(found, curve(scores), rtol=1e-6, atol=1e-30)
    assert (np.diff(found) >= 0).all()
    assert (found >= 0).all()
    assert (found <= 1).all()


def draw() -> np.ndarray:
    logits = np.random.default_rng(4).normal(0, 2, (LENGTHS.sum(), TAGS))
    return (logits - np.log(np.exp(logits).sum(1, keepdims=True))).astype(np.float32)


def decoder(kind: str, **options):
    allowed = LABELS.allowed
    options = {"types": LABELS.types, **options}
    if kind == "crf":
        transitions = tf.Variable(
            np.random.default_rng(5).normal(0, 1, (TAGS, TAGS)), dtype=tf.float32
        )
        return ChainDecoder(transitions, LABELS.tags, *allowed, **options)
    return Decoder(LABELS.tags, *allowed, **options)


WAYS = pytest.mark.parametrize(
    ("kind", "method"),
    [("softmax", "viterbi"), ("softmax", "greedy"), ("crf", "viterbi"), ("crf", "greedy")],
)


@WAYS
def test_the_scores_of_entities_are_calibrated_and_nothing_else(kind, method):
    plain = decoder(kind, method=method)(draw(), LENGTHS)
    found = decoder(kind, method=method, calibration=CURVE)(draw(), LENGTHS)
    np.testing.assert_array_equal(found.tags, plain.tags)
    np.testing.assert_array_equal(found.probabilities, plain.probabilities)
    for name in ("entity_first", "entity_last", "entity_type", "count"):
        np.testing.assert_array_equal(getattr(found.spans, name), getattr(plain.spans, name))
    there = plain.spans.entity_type.numpy() >= 0
    assert there.sum() > 3
    scores = plain.spans.entity_score.numpy()
    expected = np.where(there, CURVE(scores), 0.0)
    np.testing.assert_allclose(found.spans.entity_score, expected, rtol=1e-6)
    assert plain.entity_scores is None


@WAYS
@pytest.mark.parametrize("limit", [None, 1])
def test_each_unit_has_the_score_of_its_entity(kind, method, limit):
    """Also beyond the most entities of an answer, and 0 where a threshold drops them."""
    full = decoder(kind, method=method, calibration=CURVE)(draw(), LENGTHS)
    options = {"calibration": CURVE, "max_entities": limit, "threshold": {"LOC": 0.5}}
    found = decoder(kind, method=method, **options)(draw(), LENGTHS)
    expected = np.zeros(LENGTHS.sum(), np.float32)
    starts = np.cumsum(LENGTHS) - LENGTHS
    dropped = 0
    for row, start in enumerate(starts):
        for number in range(full.spans.count[row]):
            first, last, kind_of, score = (member[row, number] for member in full.spans[:4])
            if LABELS.types[kind_of] == "LOC" and score < 0.5:
                dropped += 1
                continue
            expected[start + first : start + last + 1] = score
    assert dropped
    np.testing.assert_array_equal(found.entity_scores, expected)
    outside = np.array([LABELS.tags[tag] == "O" for tag in found.tags.numpy()])
    np.testing.assert_array_equal(found.entity_scores.numpy() == 0, outside)
    assert found.spans.count.numpy().sum() == full.spans.count.numpy().sum() - dropped
