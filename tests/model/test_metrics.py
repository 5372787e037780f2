"""The streaming metrics against seqeval, on any tags, masks and batchings; and in a plain Keras model."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from hypothesis import given
from hypothesis import strategies as st
from replicas import on_replicas, two_replicas
from seqeval.metrics import f1_score
from seqeval.metrics.sequence_labeling import precision_recall_fscore_support as seqeval_scores

from tfner.exceptions import ConfigError
from tfner.model.entity_marks import left_align, mark_rules
from tfner.model.metrics import (
    EntityF1,
    EntityPrecision,
    EntityRecall,
    EntityScores,
    MaskedAccuracy,
)

TYPES = ("PER", "LOC", "X-Y")
TAG_SETS = {
    "IOB2": ("O", *(f"{prefix}-{type_}" for type_ in TYPES for prefix in "BI")),
    "BIOES": ("B-PER", "I-PER", "E-PER", "S-PER", "O", "S-LOC", "B-LOC", "E-LOC", "I-LOC"),
    "IO": ("I-PER", "O", "I-LOC"),
    "bare": ("O", "B", "I"),
}
MASKED, NO_PREDICTION = 0, -1

Row = list[tuple[int, int, int]]  # (gold id, predicted id or -1, mask) for each position


@functools.cache
def counting(scheme: str, packed: bool = False):
    """One metric a tag set, traced once, so that Hypothesis can draw many batches."""
    metric = EntityScores(TAG_SETS[scheme])

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32)] * (4 if packed else 3))
    def update(*batch):
        metric.update_state(*batch)

    return metric, update


def pad(rows: list[Row]) -> np.ndarray:
    """Rows of triples -> [3, B, T], masked where a row has ended; there stand ids that would be entities."""
    length = max(len(row) for row in rows)
    padded = [[*row, *[(1, 1, MASKED)] * (length - len(row))] for row in rows]
    return np.array(padded, np.int32).reshape(len(rows), length, 3).transpose(2, 0, 1)


def names(scheme: str, rows: list[Row], which: int) -> list[list[str]]:
    """The tags of the labelled positions, as seqeval wants them."""
    return [
        [TAG_SETS[scheme][p[which]] if p[which] != NO_PREDICTION else "O" for p in row if p[2]]
        for row in rows
    ]


def has_entities(rows: list[list[str]]) -> bool:
    return any(
        tag != "O" for row in rows for tag in row
    )  # without one seqeval takes the mean of nothing


def scores_by_type(metric) -> dict[str, dict[str, float]]:
    """Read precision, recall, F1 and support of every type from the counters of a metric."""
    counters = (metric.true, metric.predicted, metric.correct)
    rows = zip(*(counter.numpy().tolist() for counter in counters), strict=True)
    return {
        type_: {
            "precision": right / guessed if guessed else 0.0,
            "recall": right / support if support else 0.0,
            "f1": 2 * right / (support + guessed) if support + guessed else 0.0,
            "support": support,
        }
        for type_, (support, guessed, right) in zip(metric.rules.types, rows, strict=True)
    }


@st.composite
def scored_rows(draw) -> tuple[str, list[Row], int]:
    scheme = draw(st.sampled_from(sorted(TAG_SETS)))
    tag = st.integers(0, len(TAG_SETS[scheme]) - 1)
    # Predictions equal the gold tag often, or hardly any entity would ever be right.
    guess = st.one_of(st.none(), st.none(), st.integers(NO_PREDICTION, len(TAG_SETS[scheme]) - 1))
    position = st.tuples(tag, guess, st.sampled_from([1, 1, 1, MASKED]))
    rows = draw(st.lists(st.lists(position, max_size=9), min_size=1, max_size=6))
    rows = [
        [(gold, gold if predicted is None else predicted, mask) for gold, predicted, mask in row]
        for row in rows
    ]
    return scheme, rows, draw(st.integers(1, len(rows)))


@given(drawn=scored_rows())
def test_equals_seqeval_on_any_tags_masks_and_batchings(drawn):
    scheme, rows, batch_size = drawn
    metric, update = counting(scheme)
    metric.reset_state()
    for begin in range(0, len(rows), batch_size):
        update(*pad(rows[begin : begin + batch_size]))
    gold, guess = names(scheme, rows, 0), names(scheme, rows, 1)
    for metric.average in ("macro", "micro"):
        want = (
            seqeval_scores(gold, guess, average=metric.average, zero_division=0)
            if has_entities(gold + guess)
            else (0, 0, 0, 0)
        )
        np.testing.assert_allclose(metric.scores(), want[:3], rtol=1e-6)
    assert sum(score["support"] for score in scores_by_type(metric).values()) == want[3]


@given(drawn=scored_rows())
def test_equals_seqeval_type_by_type(drawn):
    scheme, rows, _ = drawn
    metric, update = counting(scheme)
    metric.reset_state()
    update(*pad(rows))
    gold, guess = names(scheme, rows, 0), names(scheme, rows, 1)
    scores = scores_by_type(metric)
    occurring = sorted(
        type_
        for type_ in scores
        if any(tag == type_ or tag.endswith(f"-{type_}") for row in gold + guess for tag in row)
    )
    if scheme == "bare":
        occurring = ["_"] if has_entities(gold + guess) else []
    got = [
        [scores[type_][key] for type_ in occurring]
        for key in ("precision", "recall", "f1", "support")
    ]
    want = (
        seqeval_scores(gold, guess, average=None, zero_division=0)
        if occurring
        else np.zeros((4, 0))
    )
    np.testing.assert_allclose(got, want, rtol=1e-6)
    assert all(scores[type_]["support"] == 0 for type_ in set(scores) - set(occurring))


def test_sentence_borders_and_masked_middles():
    """Two rows are two sequences; a masked continuation piece does not cut an entity, a labelled O does."""
    tags = ["O", "B-PER", "I-PER"]
    metric = EntityF1(tags)
    metric.update_state([[0, 1], [2, 0]], [[0, 1], [2, 0]])
    assert scores_by_type(metric)["PER"]["support"] == 2
    metric.reset_state()
    metric.update_state([[1, 0, 2, 0]], [[1, 1, 2, 0]], sample_weight=[[1, 0, 1, 1]])
    assert scores_by_type(metric) == {
        "PER": {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 1}
    }


def test_an_entity_is_right_only_with_both_borders_and_the_type():
    tags = ["O", "B-A", "I-A", "B-B", "I-B"]
    gold = [[1, 2, 2, 0], [1, 2, 2, 0], [1, 2, 2, 0], [1, 2, 0, 0], [0, 0, 0, 0]]
    guess = [[1, 2, 0, 0], [0, 1, 2, 0], [3, 4, 4, 0], [1, 2, 0, 0], [0, 3, 0, 0]]
    metric = EntityScores(tags)
    metric.update_state(gold, guess)
    assert scores_by_type(metric)["A"] == pytest.approx(
        {"precision": 1 / 3, "recall": 1 / 4, "f1": 2 / 7, "support": 4}
    )
    assert scores_by_type(metric)["B"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}


@given(drawn=scored_rows())
def test_packed_segments_count_as_rows_of_their_own(drawn):
    scheme, rows, _ = drawn
    apart, update_apart = counting(scheme)
    together, update_together = counting(scheme, packed=True)
    apart.reset_state()
    update_apart(*pad(rows))
    together.reset_state()
    segments = np.repeat(np.arange(1, len(rows) + 1, dtype=np.int32), [len(row) for row in rows])
    update_together(*np.concatenate([pad([row]) for row in rows], axis=2), segments[None, :])
    assert scores_by_type(together) == scores_by_type(apart)


def test_compiles_with_xla_and_reads_logits():
    tags = TAG_SETS["BIOES"]
    random = np.random.default_rng(1)
    true, mask = (
        random.integers(0, len(tags), (8, 12)),
        (random.random((8, 12)) < 0.8).astype(np.float32),
    )
    logits = (
        random.normal(size=(8, 12, len(tags))).astype(np.float32)
        + 2 * np.eye(len(tags), dtype=np.float32)[true]
    )
    logits[mask == 0] = np.nan
    plain, compiled, accuracy = EntityScores(tags), EntityScores(tags), MaskedAccuracy()

    @tf.function(jit_compile=True)
    def step(true, logits, mask, segments):
        compiled.update_state(true, logits, mask, segments)
        accuracy.update_state(true, logits, mask)

    step(
        tf.constant(true, tf.int32),
        tf.constant(logits),
        tf.constant(mask),
        tf.ones((8, 12), tf.int32),
    )
    plain.update_state(true, np.nan_to_num(logits).argmax(-1), mask)
    assert scores_by_type(compiled) == scores_by_type(plain)
    assert 0 < compiled.result()["entity_f1"] < 1
    assert float(accuracy.result()) == pytest.approx((logits.argmax(-1) == true)[mask > 0].mean())


def test_replicas_add_up_their_counts():
    tags = TAG_SETS["IOB2"]
    random = np.random.default_rng(2)
    true, guess = random.integers(0, 3, (2, 8, 10)).astype(np.int32)
    mask = (random.random((8, 10)) < 0.7).astype(np.float32)
    strategy = two_replicas()
    with strategy.scope():
        metrics = [EntityF1(tags), MaskedAccuracy()]

    def update(*batch):
        for metric in metrics:
            metric.update_state(*batch)
        return (tf.constant(0),)

    on_replicas(strategy, update)(
        [[array[:3] for array in (true, guess, mask)], [array[3:] for array in (true, guess, mask)]]
    )
    alone = [EntityF1(tags), MaskedAccuracy()]
    for metric, other in zip(metrics, alone, strict=True):
        other.update_state(true, guess, mask)
        assert float(metric.result()) == pytest.approx(float(other.result()))
    assert scores_by_type(metrics[0]) == scores_by_type(alone[0])
    metrics[0].reset_state()
    assert scores_by_type(metrics[0])["PER"]["support"] == 0


def test_in_fit_of_a_plain_keras_model(tmp_path):
    tags = ["O", "B-PER", "I-PER"]
    random = np.random.default_rng(3)
    x = random.integers(0, 30, (32, 7))
    y, mask = x % 3, (random.random((32, 7)) < 0.8).astype(np.float32)
    model = keras.Sequential([keras.layers.Embedding(30, 8), keras.layers.Dense(3)])
    model.compile(
        keras.optimizers.Adam(0.05),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        weighted_metrics=[
            MaskedAccuracy(),
            EntityPrecision(tags),
            EntityRecall(tags),
            EntityF1(tags),
        ],
    )
    history = model.fit(x, y, sample_weight=mask, epochs=20, verbose=0).history
    assert history["entity_f1"][0] < history["entity_f1"][-1] == 1.0
    assert {"accuracy", "entity_precision", "entity_recall"} < set(history)
    model.layers[-1].set_weights([np.zeros((8, 3)), np.array([0.0, 1.0, 0.0])])  # B everywhere
    got = model.evaluate(x, y, sample_weight=mask, batch_size=5, return_dict=True, verbose=0)
    gold = [
        [tags[tag] for tag, kept in zip(*row, strict=True) if kept]
        for row in zip(y, mask, strict=True)
    ]
    assert got["entity_f1"] == pytest.approx(f1_score(gold, [["B-PER"] * len(row) for row in gold]))
    assert got["accuracy"] == pytest.approx((y == 1)[mask > 0].mean())
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.evaluate(x, y, sample_weight=mask, return_dict=True, verbose=0) == pytest.approx(
        got
    )


def test_one_object_logs_all_three_scores():
    model = keras.Sequential([keras.layers.Embedding(30, 8), keras.layers.Dense(3)])
    model.compile(
        "sgd",
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        weighted_metrics=[EntityScores(["O", "B-A", "I-A"])],
    )
    x = np.arange(30).reshape(5, 6)
    logs = model.fit(x, x % 3, verbose=0, validation_data=(x, x % 3)).history
    assert set(logs) == {
        prefix + key
        for prefix in ("", "val_")
        for key in ("loss", "entity_precision", "entity_recall", "entity_f1")
    }


def test_accuracy_weighs_fractions_and_has_no_opinion_on_nothing():
    metric = MaskedAccuracy()
    assert float(metric.result()) == 0
    metric.update_state([[0, 1, 2]], [[0, -1, 2]], sample_weight=[[0.5, 1.0, 0.0]])
    assert float(metric.result()) == pytest.approx(0.5 / 1.5)
    metric.update_state([[0], [1]], [[0], [0]], sample_weight=[1.0, 0.0])
    assert float(metric.result()) == pytest.approx(1.5 / 2.5)


def test_counters_go_on_beyond_float32():
    metric = EntityF1(["O", "B-A"])
    metric.true.assign([2**24])
    metric.update_state([[1]], [[1]])
    assert scores_by_type(metric)["A"]["support"] == 2**24 + 1


def test_a_tag_set_without_types_counts_nothing():
    metric = EntityF1(["O"])
    metric.update_state([[0, 0]], [[0, 0]])
    assert float(metric.result()) == 0
    assert scores_by_type(metric) == {}


def test_refuses_what_it_cannot_read():
    with pytest.raises(ConfigError, match="'L-PER'"):
        EntityF1(["O", "B-PER", "L-PER"])
    with pytest.raises(ConfigError, match="average"):
        EntityF1(["O", "B-PER"], average="weighted")
    with pytest.raises(ConfigError, match=r"\['PER'\].*\['LOC'\]"):
        mark_rules(["O", "B-PER", "B-LOC"], types=["PER"])


@given(
    st.lists(
        st.lists(st.tuples(st.integers(-1, 9), st.booleans()), min_size=4, max_size=4), max_size=4
    )
)
def test_left_align_moves_the_kept_to_the_front(rows):
    values, keep = np.moveaxis(np.array(rows, np.int32).reshape(len(rows), 4, 2), -1, 0)
    kept = [[value for value, wanted in row if wanted] for row in rows]
    want = np.array([row + [-1] * (4 - len(row)) for row in kept], np.int32).reshape(len(rows), 4)
    np.testing.assert_array_equal(left_align(values, keep > 0), want)
