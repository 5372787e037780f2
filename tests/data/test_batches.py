"""Padded batches: each window once an epoch, in the order of seed and epoch, masks by structure."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from replicas import two_replicas

from tfner.data.batching.batches import Batches, PaddedSettings
from tfner.data.batching.collate import WIDTH_STEP
from tfner.data.encoded_corpus import EncodedCorpus

PAD = 9


def corpus_of(lengths) -> EncodedCorpus:
    """Window i holds the id 100 + i at every piece, the label i % 3 and the mask 1."""
    lengths = np.array(lengths, np.int32)
    number = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    flat = (100 + number, number % 3, np.ones(len(number), np.float32))
    ids, labels, mask = (tf.RaggedTensor.from_row_lengths(values, lengths) for values in flat)
    return EncodedCorpus(ids, labels, mask, lengths)


def batches_of(
    lengths, batch_size=4, batching="bucketed", bucket_lengths=(8, 16, 32), seed=1
) -> Batches:
    return Batches(
        corpus_of(lengths), PaddedSettings(batch_size, batching, bucket_lengths, PAD, seed)
    )


def windows_of(batch) -> list[int]:
    """The numbers of the windows in a batch."""
    return [int(number) - 100 for number in batch[0]["input_ids"][:, 0]]


def epochs_of(batches: Batches, epochs: int, first_epoch: int = 0) -> list[list[list[int]]]:
    """The windows of each batch of each epoch."""
    stream = iter(
        [windows_of(batch) for batch in batches.training(epochs, first_epoch).as_numpy_iterator()]
    )
    found = [list(islice(stream, batches.steps_per_epoch)) for _ in range(first_epoch, epochs)]
    assert next(stream, None) is None
    return found


many = np.random.default_rng(3).integers(3, 41, 57)
lengths_lists = st.lists(st.integers(3, 40), max_size=30)
bounds = st.sets(st.integers(4, 50), max_size=4)
choices = {
    "lengths": lengths_lists,
    "batch_size": st.integers(1, 6),
    "batching": st.sampled_from(["bucketed", "padded"]),
    "bucket_lengths": bounds.map(lambda chosen: tuple(sorted(chosen))),
}


@settings(max_examples=10)
@given(**choices, seed=st.integers(0, 2**31 - 1))
def test_each_epoch_holds_every_window_once(lengths, batch_size, batching, bucket_lengths, seed):
    batches = batches_of(lengths, batch_size, batching, bucket_lengths, seed)
    for epoch in epochs_of(batches, 2):
        assert Counter(window for batch in epoch for window in batch) == Counter(
            range(len(lengths))
        )
        assert all(batch for batch in epoch)


@settings(max_examples=10)
@given(**choices)
def test_padding_is_structure_and_no_wider_than_needed(
    lengths, batch_size, batching, bucket_lengths
):
    corpus = corpus_of(lengths)
    longest = max(lengths, default=0)
    for x, y, mask in (
        batches_of(lengths, batch_size, batching, bucket_lengths).training(1).as_numpy_iterator()
    ):
        width = x["input_ids"].shape[1]
        needed = int(x["attention_mask"].sum(1).max())
        assert needed <= width <= min(longest, -(-needed // WIDTH_STEP) * WIDTH_STEP)
        for row, window in enumerate(windows_of((x, y, mask))):
            length, rest = lengths[window], width - lengths[window]
            assert x["input_ids"][row].tolist() == [100 + window] * length + [PAD] * rest
            assert x["attention_mask"][row].tolist() == [1] * length + [0] * rest
            assert y[row].tolist() == corpus.labels[window].numpy().tolist() + [0] * rest
            assert mask[row].tolist() == [1.0] * length + [0.0] * rest


def test_pieces_that_look_like_padding_or_separators_are_attended_to_and_labelled():
    ids = tf.ragged.constant([[2, PAD, 3, PAD, 3], [2, 7, 3]], dtype=tf.int32)
    mask = tf.ragged.constant([[0, 1, 1, 1, 0], [0, 1, 0]], dtype=tf.float32)
    batches = Batches(
        EncodedCorpus(ids, tf.zeros_like(ids), mask, np.array([3, 1])),
        PaddedSettings(2, "padded", (), PAD, 1),
    )
    ((x, _, label_mask),) = batches.training(1).as_numpy_iterator()
    (order,) = batches.plan(0)
    attended = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    labelled = np.array([[0, 1, 1, 1, 0], [0, 1, 0, 0, 0]])
    assert x["attention_mask"].tolist() == attended[order].tolist()
    assert label_mask.tolist() == labelled[order].tolist()


@pytest.mark.parametrize("batching", ["bucketed", "padded"])
def test_order_is_a_function_of_seed_and_epoch(batching):
    three = epochs_of(batches_of(many, batching=batching), 3)
    assert three == epochs_of(batches_of(many, batching=batching), 3)
    assert three[0] != three[1] != three[2] != three[0]
    assert three[0] != epochs_of(batches_of(many, batching=batching, seed=2), 1)[0]


@pytest.mark.parametrize("batching", ["bucketed", "padded"])
def test_a_run_that_goes_on_sees_what_it_would_have_seen(batching):
    batches = batches_of(many, batching=batching)
    assert epochs_of(batches, 5, first_epoch=3) == epochs_of(batches, 5)[3:]
    assert epochs_of(batches, 3, first_epoch=3) == []


def test_a_shuffled_epoch_mixes_neighbours():
    (first,) = epochs_of(batches_of([5] * 64, batch_size=64), 1)
    assert first[0] != sorted(first[0])


def test_padded_batches_are_full_but_for_the_last():
    (epoch,) = epochs_of(batches_of(many, batch_size=5, batching="padded"), 1)
    assert [len(batch) for batch in epoch] == [5] * 11 + [2]


def test_bucketed_batches_hold_about_the_pieces_of_batch_size_mean_windows():
    batches = batches_of(many, batch_size=6, bucket_lengths=(8, 16, 32))
    budget = 6 * many.mean()
    assert batches.buckets.bounds.tolist() == [8, 16, 32, 39]
    for epoch in epochs_of(batches, 2):
        for low, high in ((0, 8), (8, 16), (16, 32), (32, 39)):
            inside = many[(many > low) & (many <= high)]
            own = [batch for batch in epoch if low < many[batch[0]] <= high]
            assert all(low < many[window] <= high for batch in own for window in batch)
            full = max(1, round(budget / inside.mean()))
            count, rest = divmod(len(inside), full)
            assert list(map(len, own)) == [full] * count + [rest] * (rest > 0)


def test_a_window_longer_than_the_budget_is_a_batch_of_its_own():
    batches = batches_of([4] * 30 + [40, 40], batch_size=2, bucket_lengths=(8,))
    sizes = Counter(len(batch) for batch in epochs_of(batches, 1)[0] if batch[0] >= 30)
    assert sizes == {1: 2}


@pytest.mark.parametrize("batching", ["bucketed", "padded"])
def test_an_empty_corpus_and_a_single_window(batching):
    empty, single = batches_of([], batching=batching), batches_of([7], batching=batching)
    assert (empty.steps_per_epoch, single.steps_per_epoch) == (0, 1)
    assert epochs_of(empty, 2) == [[], []]
    assert list(empty.training(1)) == []
    assert epochs_of(single, 2) == [[[0]], [[0]]]


def test_shapes_are_open_so_that_a_step_traces_once():
    x, y, mask = batches_of(many).training(1).element_spec
    assert x == {
        name: tf.TensorSpec([None, None], tf.int32) for name in ("input_ids", "attention_mask")
    }
    assert (y, mask) == (
        tf.TensorSpec([None, None], tf.int32),
        tf.TensorSpec([None, None], tf.float32),
    )


@pytest.mark.parametrize("batching", ["bucketed", "padded"])
def test_two_replicas_share_each_batch_and_lose_nothing(batching):
    strategy, batches = two_replicas(), batches_of(many[:21], batch_size=3, batching=batching)
    steps = []
    for x, _, _ in strategy.experimental_distribute_dataset(batches.training(1)):
        shares = [ids.numpy() for ids in strategy.experimental_local_results(x["input_ids"])]
        assert max(map(len, shares)) - min(map(len, shares)) <= 1
        steps.append([int(row[0]) - 100 for ids in shares for row in ids])
    assert steps == [windows_of(batch) for batch in batches.training(1).as_numpy_iterator()]
