"""Decoding against brute force over all sequences, and spans against seqeval."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities

from tfner.exceptions import ConfigError
from tfner.model.entity_marks import mark_rules
from tfner.model.heads.decoder import Decoder, pad_by_row, read_entities
from tfner.model.heads.viterbi import FLOOR, Transitions, best_paths, greedy, viterbi
from tfner.tagging.schemes import LabelSet, read_spans

TAG_SETS = {
    "IOB2": ("O", "B-PER", "I-PER", "B-LOC", "I-LOC"),
    "BIOES": ("B-PER", "I-PER", "E-PER", "S-PER", "O"),
    "IO": ("I-PER", "O", "I-LOC"),
}


@functools.cache
def allowed(scheme: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which tags may come first, next to each other, and last.

    From the meaning of the scheme, pair by pair.
    """
    tags = TAG_SETS[scheme]
    return (
        np.array([follows("O", tag, scheme) for tag in tags]),
        np.array([[follows(left, right, scheme) for right in tags] for left in tags]),
        np.array([follows(tag, "O", scheme) for tag in tags]),
    )


def follows(left: str, right: str, scheme: str) -> bool:
    if scheme == "IO":
        return True
    continues = right[0] in "IE"
    may_continue = left[0] in "BI" and left[1:] == right[1:]
    if scheme == "IOB2":
        return may_continue or not continues
    return may_continue if left[0] in "BI" else not continues


def is_legal(tags, scheme: str) -> bool:
    first, following, last = allowed(scheme)
    return not len(tags) or bool(
        first[tags[0]] and last[tags[-1]] and following[tags[:-1], tags[1:]].all()
    )


@functools.cache
def legal_sequences(scheme: str, length: int) -> np.ndarray:
    """All of them, the lexicographically lowest first: [N, U]."""
    every = [
        np.array(tags, np.int32)
        for tags in itertools.product(range(len(TAG_SETS[scheme])), repeat=length)
    ]
    return np.stack([tags for tags in every if is_legal(tags, scheme)])


def brute_force(log_probs_UK: np.ndarray, length: int, scheme: str) -> list[int]:
    sequences = legal_sequences(scheme, length)
    scores_UK = np.maximum(np.nan_to_num(log_probs_UK.astype(np.float64), nan=FLOOR), FLOOR)
    return sequences[scores_UK[np.arange(length), sequences].sum(axis=1).argmax()].tolist()


@functools.cache
def decoding(scheme: str):
    """Viterbi on padded rows, traced once for all shapes; -1 beyond the length."""

    @tf.function(
        input_signature=(
            tf.TensorSpec([None, None, len(TAG_SETS[scheme])]),
            tf.TensorSpec([None], tf.int32),
        )
    )
    def decode(log_probs_BUK, lengths_B):
        rows = tf.RaggedTensor.from_tensor(log_probs_BUK, lengths_B)
        tags = rows.with_values(viterbi(rows.values, lengths_B, *allowed(scheme)))
        return tags.to_tensor(-1, shape=tf.shape(log_probs_BUK)[:2])

    return decode


@st.composite
def drawn_rows(draw) -> tuple[str, np.ndarray, np.ndarray]:
    """Log probabilities where ties, zeros and NaN are common, in steps that add up exactly."""
    scheme = draw(st.sampled_from(sorted(TAG_SETS)))
    rows, units = draw(st.integers(1, 4)), draw(st.integers(0, 5))
    values = draw(
        st.sampled_from(
            [(-0.5, -1.0, -2.0, -9.0), (0.0, -np.inf), (-0.25, -3.0, -np.inf, np.nan), (np.nan,)]
        )
    )
    seed = draw(st.integers(0, 10**6))
    random = np.random.default_rng(seed)
    log_probs_BUK = random.choice(
        np.array(values, np.float32), (rows, units, len(TAG_SETS[scheme]))
    )
    return scheme, log_probs_BUK, random.integers(0, units + 1, rows).astype(np.int32)


@given(drawn=drawn_rows())
def test_viterbi_finds_the_best_legal_sequence_the_lowest_of_equals(drawn):
    scheme, log_probs_BUK, lengths_B = drawn
    got_BU = decoding(scheme)(log_probs_BUK, lengths_B).numpy()
    for got_U, log_probs_UK, length in zip(got_BU, log_probs_BUK, lengths_B, strict=True):
        assert got_U[:length].tolist() == brute_force(log_probs_UK, length, scheme)
        assert (got_U[length:] == -1).all()


@functools.cache
def searching(scheme: str):
    """The search over whole rows, traced once for all shapes."""
    spec = (
        tf.TensorSpec([None, None, len(TAG_SETS[scheme])], tf.float64),
        tf.TensorSpec([None], tf.int32),
    )
    return tf.function(
        lambda scores_UBK, lengths: best_paths(
            scores_UBK, lengths, Transitions.that_are_allowed(allowed(scheme)[1])
        ),
        input_signature=spec,
    )


def search_rows(log_probs_BUK: np.ndarray, lengths_B: np.ndarray, scheme: str) -> np.ndarray:
    first, _, last = allowed(scheme)
    scores_BUK = np.maximum(np.nan_to_num(log_probs_BUK.astype(np.float64), nan=FLOOR), FLOOR)
    scores_BUK[:, 0, ~first] = -np.inf
    scores_BUK[
        np.arange(len(lengths_B))[:, None], lengths_B[:, None] - 1, np.flatnonzero(~last)
    ] = -np.inf
    return searching(scheme)(scores_BUK.transpose(1, 0, 2), lengths_B).numpy().T


@given(drawn=drawn_rows())
def test_the_search_over_whole_rows_finds_it_too_whatever_stands_beyond_the_length(drawn):
    scheme, log_probs_BUK, lengths_B = drawn
    lengths_B = np.maximum(lengths_B, 1)
    log_probs_BUK = np.pad(log_probs_BUK, [(0, 0), (0, 2), (0, 0)])
    beyond_BU = np.arange(log_probs_BUK.shape[1]) >= lengths_B[:, None]
    log_probs_BUK[beyond_BU] = np.where(
        np.arange(log_probs_BUK.shape[2]) == 2, 0, -np.inf
    )  # all for an I that would follow
    for got_U, log_probs_UK, length in zip(
        search_rows(log_probs_BUK, lengths_B, scheme), log_probs_BUK, lengths_B, strict=True
    ):
        assert got_U[:length].tolist() == brute_force(log_probs_UK, length, scheme)


@pytest.mark.parametrize("scheme", ["BIOES", "IOB2"])
@pytest.mark.parametrize("sharpness", [0.1, 1.0, 5.0])
def test_joining_stretches_finds_what_a_search_over_whole_rows_finds(scheme, sharpness):
    log_probs_BUK = draw_log_probs(7, 12, 120, len(TAG_SETS[scheme]), sharpness)
    lengths_B = np.random.default_rng(7).integers(1, 121, 12).astype(np.int32)
    got_BU = decoding(scheme)(log_probs_BUK, lengths_B).numpy()
    for got_U, want_U, length in zip(
        got_BU, search_rows(log_probs_BUK, lengths_B, scheme), lengths_B, strict=True
    ):
        np.testing.assert_array_equal(got_U[:length], want_U[:length])
        assert is_legal(got_U[:length], scheme)


def draw_log_probs(seed: int, rows: int, units: int, tags: int, sharpness: float) -> np.ndarray:
    logits = (
        np.random.default_rng(seed).normal(0, sharpness, (rows, units, tags)).astype(np.float32)
    )
    return tf.nn.log_softmax(logits).numpy()


def test_a_long_illegal_run_is_joined_in_few_rounds():
    """One unit after the other would take 40 million steps.

    Only after 9,000 is a B paid for by the I that follow it.
    """
    units = 12_000
    log_probs_BUK = np.tile(
        np.log(np.array([0.4965, 1e-16, 0.4985, 1e-16, 1e-16], np.float32)), (1, units, 1)
    )
    log_probs_BUK[0, 0] = np.log([0.9, 1e-20, 0.09, 0.005, 0.005])
    assert decoding("IOB2")(log_probs_BUK, [units])[0].numpy().tolist() == [
        0,
        1,
        *[2] * (units - 2),
    ]


def test_neither_padding_nor_neighbours_change_a_row():
    log_probs_BUK = draw_log_probs(3, 6, 20, 5, 1.0)
    lengths_B = np.array([20, 3, 0, 11, 1, 7])
    together_BU = decoding("BIOES")(log_probs_BUK, lengths_B).numpy()
    log_probs_BUK[np.arange(20) >= lengths_B[:, None]] = np.nan
    np.testing.assert_array_equal(decoding("BIOES")(log_probs_BUK, lengths_B), together_BU)
    for row, length in enumerate(lengths_B):
        alone_BU = decoding("BIOES")(log_probs_BUK[row : row + 1, :length], [length])
        np.testing.assert_array_equal(alone_BU[0], together_BU[row, :length])


@pytest.mark.parametrize("poison", [-np.inf, np.nan])
@pytest.mark.parametrize("scheme", sorted(TAG_SETS))
def test_never_an_illegal_sequence_even_where_every_legal_one_is_impossible(scheme, poison):
    first = allowed(scheme)[0]
    log_probs_BUK = np.full((1, 40, len(first)), poison, np.float32)
    illegal = 1 if scheme == "BIOES" else 2  # all I: the only possible tag
    log_probs_BUK[..., illegal] = 0.0
    assert is_legal(decoding(scheme)(log_probs_BUK, [40])[0].numpy(), scheme)


FLOATS = [0.0, -0.5, -1.0, -1e-30, -1e6, -1e7, 1.0, 1e30, np.inf, -np.inf, np.nan, 1e-45]


@functools.cache
def decoding_thresholds(scheme: str, threshold: float):
    """A Decoder of the label set that models have, traced once for all shapes."""
    labels = LabelSet(("PER", "creative-work", "LOC"), scheme)
    decoder = Decoder(
        labels.tags,
        labels.allowed_first,
        labels.allowed_next,
        labels.allowed_last,
        threshold=threshold,
    )
    signature = [tf.TensorSpec([None, len(labels)]), tf.TensorSpec([None], tf.int32)]
    return labels, tf.function(
        lambda log_probs_MK, lengths_B: decoder(log_probs_MK, lengths_B), signature
    )


@settings(max_examples=50)
@given(
    st.sampled_from(["IOB2", "BIOES"]),
    st.sampled_from([0.0, 0.5]),
    st.lists(st.integers(0, 20), max_size=5),
    st.data(),
)
def test_whatever_the_numbers_the_tags_are_legal_and_spell_the_spans(
    scheme, threshold, lengths, data
):
    labels, decode = decoding_thresholds(scheme, threshold)
    values = data.draw(
        st.lists(st.sampled_from(FLOATS) | st.floats(width=32), min_size=1, max_size=8)
    )
    log_probs_MK = np.random.default_rng(data.draw(st.integers(0, 2**31))).choice(
        np.array(values, np.float32), (sum(lengths), len(labels))
    )
    decoded = decode(log_probs_MK, np.array(lengths, np.int32))
    rows = np.split(decoded.tags.numpy(), np.cumsum(lengths)[:-1]) if lengths else []
    for row, tags_U in enumerate(rows):
        spans, repairs = read_spans([labels.tag(tag) for tag in tags_U], scheme)
        assert repairs == []
        first, last, kind, score = (
            column[row, : decoded.spans.count[row]].numpy().tolist() for column in decoded.spans[:4]
        )
        assert [
            (begin, end + 1, labels.types[which])
            for begin, end, which in zip(first, last, kind, strict=True)
        ] == spans
        assert all(probability >= threshold for probability in score)


def test_greedy_takes_the_best_tag_of_each_unit():
    log_probs_MK = np.array(
        [[-1, -2, -0.5], [np.nan, -2, -1], [-1, -1, -np.inf], [0, -1, -1]], np.float32
    )
    assert greedy(log_probs_MK).numpy().tolist() == [2, 2, 0, 0]


@given(
    st.sampled_from(sorted(TAG_SETS)),
    st.lists(st.lists(st.integers(0, 4), max_size=8), min_size=1, max_size=4),
    st.integers(0, 99),
)
def test_spans_are_seqevals_entities_and_scores_their_mean_probability(scheme, rows, seed):
    tags = TAG_SETS[scheme]
    rows = [[min(tag, len(tags) - 1) for tag in row] for row in rows]
    log_probs_BUK = draw_log_probs(seed, len(rows), 8, len(tags), 1.0)
    lengths_B = np.array([len(row) for row in rows], np.int32)
    types, read = reading(scheme)
    got = read(
        np.array([tag for row in rows for tag in row], np.int32),
        in_one_line(log_probs_BUK, lengths_B),
        lengths_B,
    )
    assert got.entity_first.shape == (len(rows), max(got.count.numpy()))
    for row, length, tag_U, log_probs_UK in zip(
        range(len(rows)), got.count.numpy(), rows, log_probs_BUK, strict=True
    ):
        want = get_entities([tags[tag] for tag in tag_U])
        first, last, type_, score = (column[row].numpy() for column in got[:4])
        found = zip(type_[:length], first[:length], last[:length], strict=True)
        assert [(types[kind], int(begin), int(end)) for kind, begin, end in found] == want
        chosen = [
            np.mean([np.exp(log_probs_UK[unit, tag_U[unit]]) for unit in range(begin, end + 1)])
            for _, begin, end in want
        ]
        np.testing.assert_allclose(score[:length], chosen, rtol=1e-5)
        assert (first[length:] == -1).all()
        assert (last[length:] == -1).all()
        assert (type_[length:] == -1).all()
        assert (score[length:] == 0).all()


@functools.cache
def reading(scheme: str):
    rules = mark_rules(TAG_SETS[scheme])
    spec = (
        tf.TensorSpec([None], tf.int32),
        tf.TensorSpec([None, len(TAG_SETS[scheme])]),
        tf.TensorSpec([None], tf.int32),
    )

    @tf.function(input_signature=spec)
    def read(tags_M, log_probs_MK, lengths_B):
        row_M = tf.repeat(tf.range(tf.size(lengths_B)), lengths_B)
        return pad_by_row(
            read_entities(tags_M, log_probs_MK, row_M, rules)[1], row_M, lengths_B, None
        )

    return rules.types, read


def in_one_line(log_probs_BUK: np.ndarray, lengths_B: np.ndarray) -> np.ndarray:
    """The rows without their padding: [M, K]."""
    return log_probs_BUK[np.arange(log_probs_BUK.shape[1]) < lengths_B[:, None]]


def test_the_order_of_types_can_be_given():
    decoder = Decoder(TAG_SETS["IOB2"], *allowed("IOB2"), types=["LOC", "PER"])
    log_probs_MK = np.log(np.full((1, 5), 0.1, np.float32) + 0.5 * np.eye(5, dtype=np.float32)[1:2])
    decoded = decoder(log_probs_MK, tf.constant([1]))
    assert decoded.spans.entity_type.numpy().tolist() == [[1]]
    assert decoded.spans.entity_score.numpy().tolist() == [[pytest.approx(0.6)]]


def test_a_probability_of_nan_scores_0():
    _, got = read_entities(
        tf.constant([1, 2]),
        tf.fill((2, 5), np.float32(np.nan)),
        tf.constant([0, 0]),
        mark_rules(TAG_SETS["IOB2"]),
    )
    assert got.score.numpy().tolist() == [0.0]


@pytest.mark.parametrize("threshold", [0.6, {"LOC": 0.6}, {"PER": 0.6, "LOC": 0.2}])
def test_entities_below_their_threshold_are_none_and_their_units_outside(threshold):
    log_probs_BUK, lengths_B = (
        draw_log_probs(4, 5, 30, 5, 1.5),
        np.array([30, 7, 0, 19, 1], np.int32),
    )
    log_probs_MK = in_one_line(log_probs_BUK, lengths_B)
    every = Decoder(TAG_SETS["IOB2"], *allowed("IOB2"))(log_probs_MK, tf.constant(lengths_B))
    got = Decoder(TAG_SETS["IOB2"], *allowed("IOB2"), threshold=threshold)(
        log_probs_MK, tf.constant(lengths_B)
    )
    least = [
        threshold.get(name, 0.0) if isinstance(threshold, dict) else threshold
        for name in ("PER", "LOC")
    ]
    tags_M, start = every.tags.numpy().copy(), np.cumsum(lengths_B) - lengths_B
    for row in range(5):
        entities = list(
            zip(
                *(column.numpy()[row, : every.spans.count[row]] for column in every.spans[:4]),
                strict=True,
            )
        )
        kept = [entity for entity in entities if entity[3] >= least[entity[2]]]
        for first, last, *_ in set(entities) - set(kept):
            tags_M[start[row] + first : start[row] + last + 1] = 0
        assert (
            list(zip(*(column.numpy()[row, : len(kept)] for column in got.spans[:4]), strict=True))
            == kept
        )
        assert got.spans.count[row] == len(kept)
    assert 0 < sum(got.spans.count.numpy()) < sum(every.spans.count.numpy())
    assert got.tags.numpy().tolist() == tags_M.tolist()


def test_a_limit_on_entities_cuts_the_answer_but_not_the_count():
    log_probs_BUK, lengths_B = draw_log_probs(4, 3, 30, 5, 1.5), np.array([30, 2, 25], np.int32)
    line = in_one_line(log_probs_BUK, lengths_B), tf.constant(lengths_B)
    every, limited = (
        Decoder(TAG_SETS["IOB2"], *allowed("IOB2"), max_entities=limit)(*line).spans
        for limit in (None, 3)
    )
    assert limited.count.numpy().tolist() == every.count.numpy().tolist()
    for got, want in zip(limited[:4], every[:4], strict=True):
        np.testing.assert_array_equal(got, want[:, :3])


def test_a_threshold_for_an_unknown_type_is_refused():
    with pytest.raises(ConfigError, match=r"threshold: expected types of PER, LOC, got ORG"):
        Decoder(TAG_SETS["IOB2"], *allowed("IOB2"), threshold={"ORG": 0.5})


@pytest.mark.parametrize("method", ["viterbi", "greedy"])
def test_in_a_saved_model_with_unknown_sizes(tmp_path, method):
    decoder = Decoder(TAG_SETS["BIOES"], *allowed("BIOES"), method=method)
    signature = [tf.TensorSpec([None, 5]), tf.TensorSpec([None], tf.int32)]
    tf.saved_model.save(
        decoder,
        str(tmp_path),
        signatures={"decode": tf.function(lambda x, n: flat(decoder(x, n)), signature)},
    )
    decode = tf.saved_model.load(str(tmp_path)).signatures["decode"]
    for rows, units in ((3, 17), (1, 1), (2, 0), (0, 4)):
        lengths_B = tf.constant(np.minimum(np.arange(rows) * 9, units), tf.int32)
        log_probs_MK = tf.constant(
            in_one_line(draw_log_probs(5, rows, units, 5, 1.0), lengths_B.numpy())
        )
        got = decode(x=log_probs_MK, n=lengths_B)
        for name, want in flat(decoder(log_probs_MK, lengths_B)).items():
            np.testing.assert_allclose(got[name], want, rtol=1e-6)


def flat(decoded) -> dict[str, tf.Tensor]:
    return {"tags": decoded.tags, **decoded.spans._asdict()}


def test_refuses_an_unknown_method():
    with pytest.raises(ConfigError, match="'beam'"):
        Decoder(TAG_SETS["IO"], *allowed("IO"), method="beam")
