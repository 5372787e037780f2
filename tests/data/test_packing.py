"""Packed rows: every window once, full, in static shapes.

What is learned from them is what padded sentences teach.
"""

from __future__ import annotations

import threading
from collections import Counter
from itertools import islice

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import f1_score

from tfner.data.batching.batches import Batches, PaddedSettings
from tfner.data.batching.packed_batches import PackedBatches, PackedSettings
from tfner.data.batching.packing import OpenRows, PackedShape, draws, pack, pack_stream
from tfner.data.batching.prefetch import EpochPrefetcher
from tfner.data.encoded_corpus import EncodedCorpus
from tfner.model.losses import MaskedSparseCategoricalCrossentropy
from tfner.model.metrics import EntityF1

ROW = 32


def corpus_of(lengths, seed: int = 0) -> EncodedCorpus:
    """Windows of random pieces, with random labels on about half of them."""
    random = np.random.default_rng(seed)
    lengths = np.array(lengths, np.int32)
    size = int(lengths.sum())
    flat = (
        random.integers(len(tiny.SPECIAL), len(tiny.vocabulary()), size).astype(np.int32),
        random.integers(0, len(tiny.LABELS.tags), size).astype(np.int32),
        (random.random(size) < 0.5).astype(np.float32),
    )
    members = (tf.RaggedTensor.from_row_lengths(values, lengths) for values in flat)
    return EncodedCorpus(*members, lengths)


def packed(corpus: EncodedCorpus, batch_size: int = 4, seed: int = 1) -> PackedBatches:
    return PackedBatches(corpus, PackedSettings(batch_size, ROW, 0, seed))


def padded(corpus: EncodedCorpus, batch_size: int) -> Batches:
    return Batches(corpus, PaddedSettings(batch_size, "padded", (), 0, 1))


@given(
    lengths=st.lists(st.integers(1, ROW), max_size=60),
    seed=st.integers(0, 99),
    buffer=st.integers(1, 70),
)
def test_every_window_is_in_one_row_that_holds_it(lengths, seed, buffer):
    lengths = np.array(lengths, np.int32)
    rows = pack(lengths, np.random.default_rng(seed).permutation(len(lengths)), ROW, buffer)
    assert Counter(window for row in rows for window in row) == Counter(range(len(lengths)))
    assert all(0 < lengths[row].sum() <= ROW for row in rows)
    # first-fit: no two rows are less than half full
    assert len(rows) <= 2 * lengths.sum() / ROW + 1


def plain_best_fit(lengths, order, capacity: int, buffer: int) -> list[list[int]]:
    """Look at every row for every window."""
    rows: list[list[int]] = []
    for begin in range(0, len(order), buffer):
        for window in sorted(order[begin : begin + buffer], key=lambda window: -lengths[window]):
            room = [capacity - sum(lengths[other] for other in row) for row in rows]
            holding = [row for row in range(len(rows)) if room[row] >= lengths[window]]
            if holding:
                rows[min(holding, key=lambda row: (room[row], row))].append(window)
            else:
                rows.append([window])
    return rows


@given(
    lengths=st.lists(st.integers(1, ROW), max_size=60),
    seed=st.integers(0, 99),
    buffer=st.integers(1, 70),
)
def test_each_window_goes_into_the_fullest_row_that_holds_it(lengths, seed, buffer):
    order = np.random.default_rng(seed).permutation(len(lengths))
    rows = pack(np.array(lengths, np.int32), order, ROW, buffer)
    assert rows == plain_best_fit(lengths, order.tolist(), ROW, buffer)


@given(
    lengths=st.lists(st.integers(2, ROW), max_size=60),
    seed=st.integers(0, 99),
    buffer=st.integers(1, 70),
    most_open=st.integers(0, 9),
)
def test_a_stream_is_packed_into_rows_that_hold_each_window_once(lengths, seed, buffer, most_open):
    def rows_of(windows, length_of):
        random = np.random.default_rng(seed)
        options = {"shortest": 2, "buffer": buffer, "most_open": most_open}
        return list(pack_stream(windows, length_of, ROW, random, **options))

    rows = rows_of(range(len(lengths)), lambda window: lengths[window])
    assert Counter(window for row in rows for window in row) == Counter(range(len(lengths)))
    assert all(0 < sum(lengths[window] for window in row) <= ROW for row in rows)
    # the lengths alone decide
    assert [[lengths[window] for window in row] for row in rows] == rows_of(lengths, int)
    if most_open >= len(lengths):
        assert len(rows) == len(plain_best_fit(lengths, range(len(lengths)), ROW, buffer))


def test_a_stream_keeps_few_rows_open():
    open_rows = OpenRows(ROW)
    for _ in range(9):
        open_rows.add(ROW - 5)
    full = open_rows.add(ROW)
    assert open_rows.close(shortest=2, most=9) == [full]
    assert open_rows.close(shortest=2, most=7) == [0, 1]  # of equals the first begun
    assert open_rows.add(5) == 2
    assert open_rows.close(shortest=2, most=7) == [2]
    assert sorted(open_rows.close(shortest=6, most=7)) == [3, 4, 5, 6, 7, 8]


def segments_of(batch) -> list[tuple[int, ...]]:
    """The ids of each text in a batch, with its positions checked."""
    x, _, mask = batch
    found = []
    for ids, segments, positions, mask_T in zip(
        x["input_ids"], x["segment_ids"], x["position_ids"], mask, strict=True
    ):
        assert (mask_T[segments == 0] == 0).all()
        assert (ids[segments == 0] == 0).all()
        for number in range(1, segments.max(initial=0) + 1):
            own = np.flatnonzero(segments == number)
            assert own.tolist() == list(range(own[0], own[-1] + 1))
            assert positions[own].tolist() == list(range(len(own)))
            found.append(tuple(ids[own].tolist()))
    return found


@settings(max_examples=15)
@given(
    lengths=st.lists(st.integers(1, ROW), min_size=1, max_size=40),
    batch_size=st.integers(1, 9),
    seed=st.integers(0, 99),
)
def test_each_epoch_holds_every_window_once_in_batches_of_one_shape(lengths, batch_size, seed):
    corpus = corpus_of(lengths)
    batches = packed(corpus, batch_size, seed=seed)
    stream = batches.training(2).as_numpy_iterator()
    want = Counter(tuple(row) for row in corpus.input_ids.to_list())
    for _ in range(2):
        epoch = list(islice(stream, batches.steps_per_epoch))
        assert {value.shape for x, y, mask in epoch for value in (*x.values(), y, mask)} == {
            (batches.rows_per_batch, ROW)
        }
        assert Counter(ids for batch in epoch for ids in segments_of(batch)) == want
        assert sum(float(mask.sum()) for _, _, mask in epoch) == float(
            tf.reduce_sum(corpus.label_mask.values)
        )
        assert all(x["segment_ids"].any() for x, _, _ in epoch)
    assert next(stream, None) is None


def test_an_epoch_has_about_as_many_updates_as_with_whole_windows():
    lengths = (
        np.random.default_rng(2).gamma(2, 4, 800).astype(int).clip(1, ROW - 2) + 2
    )  # as sentences: many short ones
    batches = packed(corpus_of(lengths), 32)
    assert batches.steps_per_epoch == pytest.approx(800 / 32, rel=0.1)
    assert (
        lengths.sum() > 0.94 * batches.steps_per_epoch * batches.rows_per_batch * ROW
    )  # a last batch that is not full among them


def test_order_is_of_seed_and_epoch_alone():
    corpus = corpus_of(np.random.default_rng(2).integers(3, ROW + 1, 60))

    def order(seed: int, first_epoch: int = 0) -> list:
        batches = packed(corpus, seed=seed)
        return [
            segments_of(batch) for batch in batches.training(2, first_epoch).as_numpy_iterator()
        ]

    whole = order(1)
    assert whole == order(1) != order(2)
    assert whole[len(whole) // 2 :] == order(1, 1)
    assert whole[: len(whole) // 2] != whole[len(whole) // 2 :]


def test_an_epoch_that_needs_more_rows_than_the_first_is_drawn_again(monkeypatch):
    """Buffers of one window, or packing would make as many rows of any order."""
    monkeypatch.setattr(
        "tfner.data.batching.packed_batches.pack",
        lambda lengths, order, capacity: pack(lengths, order, capacity, 1),
    )
    lengths = np.random.default_rng(4).integers(3, ROW, 30)

    def rows_drawn(batches, epoch):
        return [len(batches._pack(seeds)) for seeds in draws(batches.settings.seed, epoch)]

    drawn_again = taken_from_first = 0
    for seed in range(40):
        batches = packed(corpus_of(lengths), 1, seed)
        for epoch in (1, 2):
            fits = [rows <= batches._shape.capacity for rows in rows_drawn(batches, epoch)]
            rows = batches.draw(epoch)
            assert sorted(window for row in rows for window in row) == list(range(30))
            assert len(rows) <= batches._shape.capacity
            drawn_again += not fits[0] and any(fits)
            if not any(fits):
                taken_from_first += 1
                assert rows == batches._first
    assert drawn_again > 0
    assert taken_from_first > 0


def test_the_next_epoch_is_worked_out_while_this_one_is_used():
    made, second = [], threading.Event()

    def make(epoch: int) -> int:
        made.append(epoch)
        if epoch == 2:
            second.set()
        return 10 * epoch

    prefetched = EpochPrefetcher(make, 3)
    assert prefetched(1) == 10
    assert second.wait(60)
    assert made == [1, 2]
    assert (prefetched(2), prefetched(2)) == (20, 20)
    assert made == [1, 2]
    assert prefetched(0) == 0  # a second pass over the same dataset


def test_an_error_in_the_background_is_raised_where_the_result_is_used():
    def fail(epoch: int) -> None:
        raise ValueError(f"epoch {epoch}")

    with pytest.raises(ValueError, match="epoch 1"):
        EpochPrefetcher(fail, 2)(1)


@given(rows=st.integers(0, 300), pieces=st.floats(1, 1000))
def test_rows_are_spread_evenly_over_batches_that_hold_them(rows, pieces):
    shape = PackedShape.of(rows, pieces, ROW)
    spread = [len(range(rows)[shape.rows_of(step, rows)]) for step in range(shape.steps)]
    assert sum(spread) == rows
    assert max(spread, default=0) == shape.rows
    assert max(spread, default=0) - min(spread, default=0) <= 1
    assert shape.rows <= max(1, round(pieces / ROW))


def test_nothing_to_learn_from_gives_no_batch():
    assert packed(corpus_of([])).steps_per_epoch == 0
    assert list(packed(corpus_of([])).training(2)) == []


@pytest.mark.parametrize("implementation", ["reference", "fused"])
def test_gradients_and_predictions_are_those_of_padded_windows(implementation):
    corpus = corpus_of(np.random.default_rng(5).integers(2, ROW + 1, 9))
    model = tiny.classifier(implementation=implementation)
    loss = MaskedSparseCategoricalCrossentropy()
    found = []
    for batches in (packed(corpus, 99), padded(corpus, 99)):
        ((x, y, mask),) = batches.training(1)
        with tf.GradientTape() as tape:
            logits = model(x, training=True)  # the tiny encoder drops nothing
            value = loss(y, logits, mask)
        gradients = [
            tf.convert_to_tensor(gradient).numpy()
            for gradient in tape.gradient(value, model.trainable_variables)
        ]
        real = (x["segment_ids"] if "segment_ids" in x else x["attention_mask"]).numpy() > 0
        by_piece = sorted(
            zip(
                x["input_ids"].numpy()[real].tolist(),
                logits.numpy()[real].round(3).tolist(),
                strict=True,
            )
        )
        found.append((float(value), gradients, by_piece))
    (one, gradients, pieces), (other, wanted, wanted_pieces) = found
    assert one == pytest.approx(other, abs=1e-5)
    for gradient, want in zip(gradients, wanted, strict=True):
        np.testing.assert_allclose(gradient, want, atol=1e-5 * max(1, np.abs(want).max()))
    assert [piece for piece, _ in pieces] == [piece for piece, _ in wanted_pieces]
    logits, wanted_logits = ([logit for _, logit in each] for each in (pieces, wanted_pieces))
    np.testing.assert_allclose(logits, wanted_logits, atol=5e-3)


def test_the_f1_in_fit_ends_entities_with_their_text():
    """Every window is one B or one I: packed side by side they would make one entity."""
    lengths = np.full(40, 3)
    ids = tf.RaggedTensor.from_row_lengths(np.tile(np.array([2, 9, 3], np.int32), 40), lengths)
    tags = np.random.default_rng(1).choice([1, 2], 40).astype(np.int32)
    labels = ids.with_values(np.stack([0 * tags, tags, 0 * tags], 1).reshape(-1))
    label_mask = ids.with_values(np.tile(np.array([0, 1, 0], np.float32), 40))
    corpus = EncodedCorpus(ids, labels, label_mask, lengths)
    model = tiny.classifier()
    f1 = EntityF1(list(tiny.LABELS.tags))
    model.compile(keras.optimizers.SGD(0.0), label_metrics=[f1])
    batches = packed(corpus, 40)
    steps = batches.steps_per_epoch
    logs = model.fit(batches.training(1), steps_per_epoch=steps, verbose=0).history
    x = {"input_ids": np.array([[2, 9, 3]]), "attention_mask": np.ones([1, 3], np.int32)}
    guess = tiny.LABELS.tags[int(np.argmax(model(x)[0, 1]))]
    want = f1_score([[tiny.LABELS.tags[tag]] for tag in tags], [[guess]] * 40, zero_division=0)
    assert logs["entity_f1"][0] == pytest.approx(want)


def test_accumulation_and_packing_together():
    corpus = corpus_of(np.random.default_rng(6).integers(2, ROW + 1, 30))
    weights = []
    for steps in (1, 3):
        model = tiny.classifier(implementation="fused", gradient_accumulation=steps)
        model.compile(keras.optimizers.SGD(0.1))
        batches = packed(corpus, 10)
        model.fit(batches.training(1), steps_per_epoch=batches.steps_per_epoch, verbose=0)
        weights.append([variable.numpy() for variable in model.trainable_variables])
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("batches_of", [packed, padded])
def test_a_training_step_is_traced_once_whatever_the_lengths(batches_of):
    batches = batches_of(corpus_of([3, 9, 17, 30, 5, 28, 12, 31, 4, 8, 22, 6]), 3)
    model = tiny.classifier(implementation="fused")
    model.compile("sgd")
    model.fit(batches.training(2), epochs=2, steps_per_epoch=batches.steps_per_epoch, verbose=0)
    assert model.train_function.experimental_get_tracing_count() == 1
