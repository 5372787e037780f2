"""A classifier that trains some rows of its word embeddings against one that trains the whole
table.
"""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tiny

from tfner.model.optimizer import build_optimizer

IDS = np.arange(len(tiny.SPECIAL), len(tiny.vocabulary()), 3)
OTHERS = np.setdiff1d(np.arange(len(tiny.vocabulary())), IDS)
STEPS = 6


def batch(ids: np.ndarray = IDS):
    random = np.random.default_rng(0)
    x = {
        "input_ids": random.choice(ids, (4, 8)).astype(np.int32),
        "attention_mask": np.ones((4, 8), np.int32),
    }
    return (
        x,
        random.integers(0, len(tiny.LABELS), (4, 8)).astype(np.int32),
        np.ones((4, 8), np.float32),
    )


def trained(rows: np.ndarray | None):
    model = tiny.classifier(implementation="fused")
    if rows is not None:
        model.restrict_embedding_update(rows)
    model.compile(build_optimizer(1e-3, STEPS, schedule="constant", weight_decay=0.5))
    model.fit(tf.data.Dataset.from_tensors(batch()).repeat(STEPS), verbose=0)
    return model


def table(model) -> np.ndarray:
    return model.encoder.bert.embeddings.weight.numpy()


@pytest.fixture(scope="module")
def whole():
    return trained(None)


@pytest.fixture(scope="module")
def some():
    model = trained(IDS)
    model.sync_embeddings()
    return model


def test_all_weights_become_what_training_the_whole_table_makes_of_them(some, whole):
    for mine, theirs in zip(some.prediction_weights, whole.prediction_weights, strict=True):
        if (
            "/key/bias" not in mine.name
        ):  # softmax takes no notice of it: its gradient is rounding, of which Adam makes steps
            np.testing.assert_allclose(mine, theirs, atol=1e-6, err_msg=mine.name)


def test_other_rows_decay_once_however_often_the_table_is_synced(some):
    decayed = table(tiny.classifier())[OTHERS] * (1 - 1e-3 * 0.5) ** STEPS
    np.testing.assert_allclose(table(some)[OTHERS], decayed, rtol=2e-6)
    some.sync_embeddings()
    np.testing.assert_allclose(table(some)[OTHERS], decayed, rtol=2e-6)


def test_the_optimizer_keeps_nothing_of_other_rows(some):
    shapes = {tuple(variable.shape) for variable in some.optimizer.variables}
    assert (len(IDS) + 1, 32) in shapes
    assert table(some).shape not in shapes


def test_a_call_reads_what_has_been_trained_at_any_time(whole):
    model = trained(IDS)
    of_trained_and_other_rows = [batch(ids)[0] for ids in (IDS, OTHERS)]
    before = []
    for inputs in of_trained_and_other_rows:
        np.testing.assert_allclose(model(inputs), whole(inputs), atol=1e-4)
        before.append(model.predict(inputs, verbose=0))
    model.sync_embeddings()
    for inputs, expected in zip(of_trained_and_other_rows, before, strict=True):
        np.testing.assert_allclose(model.predict(inputs, verbose=0), expected, atol=1e-5)


def test_a_piece_that_is_not_among_the_rows_is_an_error_not_a_wrong_embedding():
    model = trained(IDS)
    with pytest.raises(tf.errors.InvalidArgumentError):
        model.fit(tf.data.Dataset.from_tensors(batch(OTHERS)), verbose=0)


def test_the_reference_implementation_trains_its_whole_table():
    model = tiny.classifier(implementation="reference")
    model.restrict_embedding_update(IDS)
    assert any(weight is model.encoder.word_embeddings for weight in model.trainable_weights)
