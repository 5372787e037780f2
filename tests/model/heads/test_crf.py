"""The CRF against all paths, one by one: costs, gradients, marginals, and what a chain is."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import tensorflow as tf
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from tfner.exceptions import ConfigError
from tfner.model.heads.chain import Chains, chain_costs, sum_paths, unit_marginals
from tfner.model.heads.crf import CrfHead, align_units
from tfner.model.heads.head import LossOptions

TAGS = 3


def every_path(emissions_UK: tf.Tensor, transitions_KK: tf.Tensor) -> tuple[list, tf.Tensor]:
    """Score all tag sequences of one chain: the slow, obvious way."""
    units, tags = emissions_UK.shape
    paths = list(itertools.product(range(tags), repeat=units))
    scores = []
    for path in paths:
        score = tf.add_n([emissions_UK[unit, tag] for unit, tag in enumerate(path)])
        for before, after in itertools.pairwise(path):
            score += transitions_KK[before, after]
        scores.append(score)
    return paths, tf.stack(scores)


def slow_cost(emissions_UK: tf.Tensor, tags: list[int], transitions_KK: tf.Tensor) -> tf.Tensor:
    paths, scores = every_path(emissions_UK, transitions_KK)
    return tf.reduce_logsumexp(scores) - scores[paths.index(tuple(tags))]


def slow_marginals(emissions_UK: tf.Tensor, transitions_KK: tf.Tensor) -> np.ndarray:
    paths, scores = every_path(emissions_UK, transitions_KK)
    marginals = np.zeros(emissions_UK.shape)
    for path, share in zip(paths, tf.nn.softmax(scores).numpy(), strict=True):
        marginals[np.arange(len(path)), list(path)] += share
    return marginals


def chains_of(rows: list[list[int]]) -> Chains:
    """Make chains of rows of their lengths: [[2, 1], []] are two chains, and an empty row."""
    width = max(1, *map(sum, rows))
    is_unit, is_first = np.zeros((2, len(rows), width), bool)
    for row, lengths in enumerate(rows):
        is_unit[row, : sum(lengths)] = True
        is_first[row, np.cumsum([0, *lengths[:-1]])[: len(lengths)]] = True
    return Chains(tf.constant(is_unit), tf.constant(is_first))


def slices_of(rows: list[list[int]]):
    """Give (row, slice of its units) of every chain."""
    for row, lengths in enumerate(rows):
        ends = np.cumsum(lengths).tolist()
        for end, length in zip(ends, lengths, strict=True):
            yield row, slice(end - length, end)


layouts = st.lists(st.lists(st.integers(1, 3), max_size=2), min_size=1, max_size=3)


@settings(deadline=None, max_examples=25)
@given(layouts, st.integers(0, 2**32 - 1), st.sampled_from([0.1, 1.0, 30.0]))
def test_costs_gradients_and_marginals_are_those_of_all_paths(rows, seed, scale):
    random = np.random.default_rng(seed)
    chains = chains_of(rows)
    shape = (*chains.is_unit.shape, TAGS)
    emissions = tf.constant(random.normal(0, scale, shape), tf.float32)
    transitions = tf.constant(random.normal(0, scale, (TAGS, TAGS)), tf.float32)
    tags = random.integers(0, TAGS, shape[:2]).astype(np.int32)
    weights_B = tf.constant(random.uniform(0.5, 2.0, len(rows)), tf.float32)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([emissions, transitions])
        costs_B = chain_costs(emissions, tf.constant(tags), transitions, chains)
        fast = tf.reduce_sum(costs_B * weights_B)
        slow = tf.constant(0.0)
        for row, units in slices_of(rows):
            cost = slow_cost(emissions[row, units], tags[row, units].tolist(), transitions)
            slow += cost * weights_B[row]
    tolerance = {"rtol": 1e-4, "atol": 1e-4 * scale}
    assert_allclose(fast, slow, **tolerance)
    for given_value in (emissions, transitions):
        wanted = tape.gradient(slow, given_value, unconnected_gradients="zero")
        assert_allclose(tape.gradient(fast, given_value), tf.convert_to_tensor(wanted), atol=1e-4)
    found = unit_marginals(sum_paths(emissions, transitions, chains)).numpy()
    for row, units in slices_of(rows):
        wanted = slow_marginals(emissions[row, units], transitions)
        assert_allclose(found[row, units], wanted, atol=1e-4)


def test_long_chains_of_large_scores_stay_finite_and_exact():
    # one path is right by far at each unit: its marginals are 1, however long the chain is
    units = 3000
    tags = np.random.default_rng(1).integers(0, TAGS, (1, units)).astype(np.int32)
    emissions = tf.constant(200.0 * np.eye(TAGS)[tags], tf.float32)
    chains = Chains(tf.ones([1, units], tf.bool), tf.range(units)[None] == 0)
    sums = sum_paths(emissions, tf.fill([TAGS, TAGS], -50.0), chains)
    found = unit_marginals(sums).numpy()
    assert_allclose(found[0, np.arange(units), tags[0]], 1.0, atol=1e-6)


def head_on(hidden: int = 4, **options) -> CrfHead:
    head = CrfHead(tiny.LABELS, **options)
    head.build(tf.TensorShape([None, None, hidden]))
    tags = len(tiny.LABELS.tags)
    head.transitions.assign(np.random.default_rng(5).normal(size=(tags, tags)))
    return head


def example(rows: int = 2, length: int = 6):
    random = np.random.default_rng(7)
    tags = len(tiny.LABELS.tags)
    logits = random.normal(size=(rows, length, tags)).astype(np.float32)
    return logits, random.integers(0, tags, (rows, length)).astype(np.int32)


def test_packed_texts_cost_what_they_cost_apart():
    head = head_on()
    logits, y = example()
    mask = np.array([[0, 1, 1, 0, 1, 0], [0, 1, 0, 1, 1, 0]], np.float32)
    apart = head.loss_sums(y, logits, mask)
    packed = [value.reshape(1, 12, *value.shape[2:]) for value in (y, logits, mask)]
    segments = tf.constant([[1] * 6 + [2] * 6])
    together = head.loss_sums(*packed, segments)
    assert_allclose(together, apart, rtol=1e-6)
    joined = head.loss_sums(*packed)  # one text of both: another number
    assert abs(float(joined.total - apart.total)) > 0.01


def test_what_has_no_label_reaches_neither_loss_nor_gradient():
    head = head_on()
    logits, y = example(3)
    mask = np.array([[0, 1, 1, 0, 1, 0], [0, 1, 0, 1, 1, 0], [0] * 6], np.float32)
    poisoned = np.where(mask[..., None] > 0, logits, np.nan)
    wild = np.where(mask > 0, y, -100)
    results = []
    for logits_BTK, y_BT in ((logits, y), (poisoned, wild)):
        given_value = tf.constant(logits_BTK)
        with tf.GradientTape() as tape:
            tape.watch(given_value)
            total, weight = head.loss_sums(tf.constant(y_BT), given_value, mask)
        gradients = tape.gradient(total, [given_value, head.transitions.value()])
        results.append((total, weight, gradients[0]))
    assert_allclose(*(result[0] for result in results), rtol=1e-6)
    assert float(results[1][1]) == mask.sum()
    assert_allclose(*(result[2] for result in results), atol=1e-6)
    assert not results[1][2].numpy()[mask == 0].any()


def test_a_compiled_step_gives_the_same_loss_and_gradients():
    head = head_on()
    logits, y = example(3)
    mask = np.array([[0, 1, 1, 0, 1, 0], [0, 1, 0, 1, 1, 0], [0] * 6], np.float32)

    def step(logits_BTK):
        with tf.GradientTape() as tape:
            tape.watch(logits_BTK)
            total, _ = head.loss_sums(tf.constant(y), logits_BTK, tf.constant(mask))
        return total, *tape.gradient(total, [logits_BTK, head.transitions])

    given_value = tf.constant(logits)
    for compiled in (False, True):
        found = tf.function(step, jit_compile=compiled)(given_value)
        for one, other in zip(found, step(given_value), strict=True):
            assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_a_batch_without_labels_costs_nothing():
    head = head_on()
    logits, y = example()
    with tf.GradientTape() as tape:
        total, weight = head.loss_sums(y, tf.constant(logits), np.zeros((2, 6), np.float32))
    assert (float(total), float(weight)) == (0.0, 0.0)
    assert not np.any(tape.gradient(total, head.transitions))


def test_options_that_have_no_sense_for_a_chain_are_refused():
    with pytest.raises(
        ConfigError, match=r"^training\.label_smoothing: expected 0 with.*head softmax"
    ):
        head_on(loss=LossOptions(label_smoothing=0.1))
    with pytest.raises(
        ConfigError, match=r"^training\.class_weights: expected none with.*head softmax"
    ):
        head_on(loss=LossOptions(class_weights=[1.0] * len(tiny.LABELS.tags)))


def test_units_move_to_the_front():
    is_unit = tf.constant([[False, True, False, True], [False] * 4])
    position, chains = align_units(is_unit, None)
    assert position.numpy().tolist() == [[1, 3, 0, 0], [0, 0, 0, 0]]
    assert chains.is_unit.numpy().astype(int).tolist() == [[1, 1, 0, 0], [0, 0, 0, 0]]
    assert chains.is_first.numpy().astype(int).tolist() == [[1, 0, 0, 0], [0, 0, 0, 0]]
