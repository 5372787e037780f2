"""What teachers say as a target: the mixed loss by plain formulas, and where it equals gold's."""

from __future__ import annotations

import contextlib
import functools

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
import tiny
from numpy.testing import assert_allclose
from replicas import two_replicas

from tfner.exceptions import ConfigError
from tfner.model.classifier import TokenClassifier
from tfner.model.encoders.families import build_encoder
from tfner.model.heads import head as heads
from tfner.model.heads.chain import Chains
from tfner.model.heads.crf import CrfHead
from tfner.model.heads.head import Head, LossOptions, SoftTargets, build_head
from tfner.model.heads.soft_chain import SoftTags, soft_chain_costs
from tfner.model.heads.softmax import SoftmaxHead
from tfner.model.metrics import MaskedAccuracy

TAGS = len(tiny.LABELS)
WEIGHT = 0.3
HEADS = {"softmax": SoftmaxHead, "crf": CrfHead}


def head_of(kind: str) -> Head:
    head = HEADS[kind](tiny.LABELS, LossOptions(teacher_weight=WEIGHT))
    head.build(tf.TensorShape([None, None, 4]))
    if kind == "crf":
        head.transitions.assign(np.random.default_rng(5).normal(size=(TAGS, TAGS)))
    return head


def example(rows: int = 3, length: int = 7, seed: int = 7):
    """Logits, targets and mask; the last row has no gold."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (rows, length, TAGS)).astype(np.float32)
    y = random.integers(0, TAGS, (rows, length)).astype(np.int32)
    soft = random.dirichlet(np.full(TAGS, 0.5), (rows, length)).astype(np.float32)
    gold = np.ones((rows, length), np.float32)
    gold[-1] = 0.0
    mask = (random.random((rows, length)) < 0.7).astype(np.float32)
    mask[:, 1] = 1.0
    return logits, SoftTargets(*map(tf.constant, (y, soft, gold))), mask


def slow_softmax(logits: tf.Tensor, targets: SoftTargets, mask: np.ndarray) -> tf.Tensor:
    """Mix both cross entropies unit by unit: the formula as it is written."""
    total = tf.constant(0.0)
    log_probs = tf.nn.log_softmax(logits)
    for row, unit in np.argwhere(mask > 0):
        of_teachers = -tf.reduce_sum(targets.soft_labels[row, unit] * log_probs[row, unit])
        share = WEIGHT if targets.gold_mask[row, unit] > 0 else 1.0
        of_gold = -log_probs[row, unit, int(targets.y[row, unit])]
        total += (1 - share) * of_gold + share * of_teachers
    return total


def test_the_softmax_mixes_both_cross_entropies_with_the_gradient_of_plain_autodiff():
    logits, targets, mask = example()
    head = head_of("softmax")
    given = tf.constant(logits)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(given)
        sums = head.soft_loss_sums(targets, given, tf.constant(mask))
        slow = slow_softmax(given, targets, mask)
    assert_allclose(sums.total, slow, rtol=1e-5)
    assert float(sums.weight) == mask.sum()
    assert_allclose(tape.gradient(sums.total, given), tape.gradient(slow, given), atol=1e-5)


def test_a_chain_costs_what_drawn_tags_cost_in_the_mean():
    """Over all sequences of two and three units, drawn from the soft labels, with autodiff."""
    random = np.random.default_rng(3)
    tags, units = 3, 3
    emissions = tf.constant(random.normal(size=(1, units, tags)), tf.float32)
    transitions = tf.constant(random.normal(size=(tags, tags)), tf.float32)
    soft = random.dirichlet(np.ones(tags), (1, units)).astype(np.float32)
    gold = np.array([[2, 0, 1]], np.int32)
    chains = Chains(tf.ones([1, units], tf.bool), tf.constant([[True, False, False]]))
    share = tf.fill([1, units], WEIGHT)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([emissions, transitions])
        soft_tags = SoftTags(tf.constant(gold), tf.constant(soft), share)
        fast = soft_chain_costs(emissions, soft_tags, transitions, chains)[0]
        scores = {}
        for path in np.ndindex(*[tags] * units):
            pairs = [transitions[before, after] for before, after in zip(path, path[1:])]  # noqa: B905, RUF007
            scores[path] = tf.add_n([emissions[0, u, tag] for u, tag in enumerate(path)] + pairs)
        log_partition = tf.reduce_logsumexp(tf.stack(list(scores.values())))
        drawn = tf.constant(0.0)
        for path, score in scores.items():
            chance = np.prod([soft[0, unit, tag] for unit, tag in enumerate(path)])
            drawn += chance * (log_partition - score)
        slow = (1 - WEIGHT) * (log_partition - scores[tuple(gold[0])]) + WEIGHT * drawn
    assert_allclose(fast, slow, rtol=1e-5)
    for value in (emissions, transitions):
        assert_allclose(tape.gradient(fast, value), tape.gradient(slow, value), atol=1e-5)


@pytest.mark.parametrize("kind", HEADS)
def test_soft_labels_that_say_what_gold_says_cost_what_gold_costs(kind):
    logits, targets, mask = example()
    head = head_of(kind)
    sure = targets._replace(soft_labels=tf.one_hot(targets.y, TAGS))
    found = head.soft_loss_sums(sure, tf.constant(logits), tf.constant(mask))
    wanted = head.loss_sums(targets.y, tf.constant(logits), tf.constant(mask))
    assert_allclose(found, wanted, rtol=1e-6)


@pytest.mark.parametrize("kind", HEADS)
def test_gold_of_units_without_gold_is_nothing(kind):
    logits, targets, mask = example()
    head = head_of(kind)
    others = targets._replace(y=tf.where(targets.gold_mask > 0, targets.y, 3))
    found = head.soft_loss_sums(others, tf.constant(logits), tf.constant(mask))
    wanted = head.soft_loss_sums(targets, tf.constant(logits), tf.constant(mask))
    assert_allclose(found, wanted, rtol=1e-5)
    changed = targets._replace(soft_labels=tf.roll(targets.soft_labels, 1, -1))
    other = head.soft_loss_sums(changed, tf.constant(logits), tf.constant(mask))
    assert abs(float(other.total - wanted.total)) > 0.1


@pytest.mark.parametrize("kind", HEADS)
def test_packed_texts_cost_what_they_cost_apart_and_poison_stays_out(kind):
    logits, targets, mask = example()
    head = head_of(kind)
    apart = head.soft_loss_sums(targets, tf.constant(logits), tf.constant(mask))
    labelled = mask[..., None] > 0
    poisoned = tf.constant(np.where(labelled, logits, np.nan))
    wild = SoftTargets(
        tf.where(mask > 0, targets.y, -100),
        tf.where(labelled, targets.soft_labels, np.nan),
        targets.gold_mask,
    )

    def packed(value):
        return tf.reshape(value, [1, mask.size, *value.shape[2:]])

    segments = tf.repeat(tf.constant([[1, 2, 3]]), mask.shape[1], axis=1)
    with tf.GradientTape() as tape:
        tape.watch(poisoned)
        together = head.soft_loss_sums(
            SoftTargets(*map(packed, wild)), packed(poisoned), packed(mask), segments
        )
    assert_allclose(together, apart, rtol=1e-5)
    gradient = tape.gradient(together.total, poisoned).numpy()
    assert np.isfinite(gradient).all()
    assert not gradient[mask == 0].any()


def batch(seed: int = 0):
    """Make a batch of six rows with soft labels; the last two have no gold."""
    random = np.random.default_rng(seed)
    shape = (6, 8)
    lengths = np.array([8, 5, 7, 3, 8, 6])[:, None]
    attention = (np.arange(8) < lengths).astype(np.int32)
    gold = np.zeros(shape, np.float32)
    gold[:4] = 1.0
    x = {
        "input_ids": random.integers(5, 90, shape).astype(np.int32) * attention,
        "attention_mask": attention,
        "soft_labels": random.dirichlet(np.full(TAGS, 0.5), shape).astype(np.float32),
        "gold_mask": gold,
    }
    y = random.integers(0, TAGS, shape).astype(np.int32)
    mask = (random.random(shape) < 0.6) * attention
    return x, y, mask.astype(np.float32)


WAYS = {"whole": 1, "micro-batches": 4, "replicas": 1}  # and micro-batches in each


@functools.cache
def moves(kind: str, way: str) -> tuple[dict[str, float], list[np.ndarray]]:
    """Give what a step logs, and by how much it moves the weights: minus the gradient."""
    with two_replicas().scope() if way == "replicas" else contextlib.nullcontext():
        head = HEADS[kind](tiny.LABELS, LossOptions(teacher_weight=WEIGHT))
        keras.utils.set_random_seed(3)
        encoder = build_encoder(tiny.checkpoint())
        model = TokenClassifier(encoder, head, dropout=0.0, gradient_accumulation=WAYS[way])
        model.build_for_any_shape()
        model.compile(keras.optimizers.SGD(1.0), label_metrics=[MaskedAccuracy()])
    before = [value.numpy() for value in model.trainable_variables]
    history = model.fit(tf.data.Dataset.from_tensors(batch()), verbose=0).history
    after = model.trainable_variables
    moved = [value.numpy() - old for value, old in zip(after, before, strict=True)]
    return {name: values[0] for name, values in history.items()}, moved


@pytest.mark.long
@pytest.mark.parametrize(
    ("kind", "way"),
    [
        ("softmax", "replicas"),
        ("crf", "micro-batches"),
        pytest.param("softmax", "micro-batches", marks=pytest.mark.slow),
        pytest.param("crf", "replicas", marks=pytest.mark.slow),
    ],
)
def test_micro_batches_and_replicas_update_as_the_whole_batch_does(kind, way):
    (logs, whole), (logs_apart, apart) = moves(kind, "whole"), moves(kind, way)
    assert logs_apart["loss"] == pytest.approx(logs["loss"], rel=1e-5)
    for one, other in zip(whole, apart, strict=True):
        assert_allclose(one, other, atol=1e-5)
    assert max(np.abs(step).max() for step in whole) > 0.01


def test_metrics_are_of_gold_alone():
    x, y, mask = batch()
    head = SoftmaxHead(tiny.LABELS, LossOptions(teacher_weight=WEIGHT))
    model = TokenClassifier(build_encoder(tiny.checkpoint()), head, dropout=0.0)
    model.build_for_any_shape()
    model.compile(keras.optimizers.SGD(0.0), label_metrics=[MaskedAccuracy()])
    logits = model(x).numpy()
    logs = model.fit(tf.data.Dataset.from_tensors((x, y, mask)), verbose=0).history
    counted = mask * x["gold_mask"]
    right = (logits.argmax(-1) == y) * counted
    assert logs["accuracy"][0] == pytest.approx(right.sum() / counted.sum())


def test_what_has_no_sense_beside_soft_labels_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"^training.label_smoothing: expected 0 with training.t"):
        LossOptions(label_smoothing=0.1, teacher_weight=0.5)
    with pytest.raises(ConfigError, match=r"^training.class_weights: expected none with training"):
        LossOptions(class_weights=[1.0], teacher_weight=0.5)


def test_a_head_that_learns_no_soft_labels_is_refused_by_name(monkeypatch):
    monkeypatch.setitem(heads.HEADS, "plain", lambda labels, loss, **_: Head(labels, loss))
    with pytest.raises(ConfigError, match=r"^training.teachers: expected none with model.head pl"):
        build_head("plain", tiny.LABELS, LossOptions(teacher_weight=0.5), 0.02)
