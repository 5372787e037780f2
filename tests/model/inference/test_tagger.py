"""What the tagger says of a text is its own.

Not its neighbours', its padding's, its slice's or its window's.
"""

from __future__ import annotations

import functools

import numpy as np
import pytest
import tensorflow as tf
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st

from tfner.data.windows import cut_windows

words = st.sampled_from(
    [*tiny.WORDS, "annason", "U.S.", "東京", "[SEP]", "\x00", "?!", "zyzzyva-osloburg"]
)
texts = st.lists(words, max_size=40).map(" ".join)


@functools.cache
def _function(options: tuple):
    tagger = tiny.tagger(**dict(options))
    tokenizer = tiny.tokenizer()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def function(text_B):
        tokens = tokenizer.tokenize_text(text_B)
        return tagger.tag(tokens), tokens.unit_start.row_lengths()

    return function


def tag(batch: list[str], **options) -> list[tuple]:
    """For each text: units, tags, probabilities and entities without their padding."""
    tagged, _ = _function(tuple(sorted(options.items())))(tf.constant(batch, tf.string))
    rows = []
    for row in range(len(batch)):
        count = tagged.spans.count[row]
        spans = [member[row, :count].numpy() for member in tagged.spans[:4]]
        rows.append((*(member[row].numpy() for member in tagged[:3]), *spans))
    return rows


def assert_same(rows, others):
    for row, other in zip(rows, others, strict=True):
        for ours, theirs in zip(row, other, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


@settings(max_examples=12)
@given(st.lists(texts, min_size=1, max_size=5), st.randoms())
def test_neighbours_order_and_padding_change_nothing(batch, random):
    together = tag(batch)
    order = random.sample(range(len(batch)), len(batch))
    assert_same([together[number] for number in order], tag([batch[number] for number in order]))
    assert_same(together, [tag([text])[0] for text in batch])


@settings(max_examples=12)
@given(st.lists(texts, min_size=1, max_size=5))
def test_slices_change_nothing(batch):
    assert_same(tag(batch), tag(batch, max_pieces_per_pass=64))


@settings(max_examples=12)
@given(
    st.lists(
        st.lists(st.sampled_from(tiny.WORDS), max_size=30).map(" ".join), min_size=1, max_size=5
    )
)
def test_a_text_that_fits_is_the_same_whatever_the_limit(batch):
    assert_same(tag(batch), tag(batch, max_length=128))


def slow_log_probabilities(text: str, max_length: int, overlap: int) -> np.ndarray:
    """Each window by itself through the model; each first piece from the window that owns it."""
    tagger, tokenizer = tiny.tagger(), tiny.tokenizer()
    tokens = tokenizer.tokenize_text(tf.constant([text]))
    ids, first = tokens.ids[0].numpy(), tokens.first_of_unit[0].numpy()
    found = {}
    windows = cut_windows(tf.constant([len(ids)]), max_length - 2, overlap)
    for _, start, end, own_start, own_end in zip(
        *(member.numpy() for member in windows), strict=True
    ):
        window = np.array([[tokenizer.cls_id, *ids[start:end], tokenizer.sep_id]], np.int32)
        logits = tagger._classify({"input_ids": window, "attention_mask": np.ones_like(window)})[0]
        log_probabilities = tf.nn.log_softmax(logits).numpy()
        for piece in range(own_start, own_end):
            if first[piece]:
                assert piece not in found
                found[piece] = log_probabilities[1 + piece - start]
    return np.array([found[piece] for piece in np.flatnonzero(first)])


@settings(max_examples=10)
@given(
    st.lists(st.sampled_from([*tiny.WORDS, "annason", "zyzzyva"]), min_size=20, max_size=90).map(
        " ".join
    )
)
def test_each_unit_of_a_long_text_has_the_distribution_of_the_window_that_owns_it(text):
    tokens = tiny.tokenizer().tokenize_text(tf.constant(["", text, "anna"]))
    found = tiny.tagger().unit_log_probabilities(tokens).numpy()
    np.testing.assert_allclose(np.exp(found).sum(-1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(
        found[:-1], slow_log_probabilities(text, 32, 8), rtol=1e-4, atol=1e-4
    )


def test_the_random_model_gives_every_tag():
    rows = tag(
        [" ".join(np.random.default_rng(seed).permutation(tiny.WORDS)) for seed in range(20)]
    )
    assert {int(number) for row in rows for number in row[1]} == set(range(len(tiny.LABELS)))
    assert {int(number) for row in rows for number in row[5]} == {0, 1, 2}


def test_tags_are_legal_and_probabilities_are_those_of_the_tags():
    text = " ".join(tiny.WORDS)
    ((units, tags, probabilities, *_),) = tag([text])
    assert units.tolist() == list(range(len(tiny.WORDS)))
    assert tiny.LABELS.allowed_first[tags[0]]
    assert tiny.LABELS.allowed_next[tags[:-1], tags[1:]].all()
    slow = np.exp(slow_log_probabilities(text, 32, 8))
    np.testing.assert_allclose(probabilities, slow[np.arange(len(tags)), tags], rtol=1e-4)


@pytest.mark.parametrize("batch", [[], [""], ["", " ", "\x00\n"]])
def test_nothing_to_tag(batch):
    (tagged, units) = _function(())(tf.constant(batch, tf.string))
    assert (
        tagged.unit.to_list()
        == tagged.tag.to_list()
        == tagged.probability.to_list()
        == [[]] * len(batch)
    )
    assert [member.shape for member in tagged.spans] == [(len(batch), 0)] * 4 + [(len(batch),)]
    assert units.numpy().tolist() == [0] * len(batch)


def test_words_without_a_piece_are_absent():
    words = tf.ragged.constant([["\x00", "anna", "", "met"], ["\x00"]])
    tagged = tiny.tagger().tag(tiny.tokenizer().tokenize_words(words))
    assert tagged.unit.to_list() == [[1, 3], []]


def test_slices_hold_windows_of_like_length_and_no_more_pieces_than_allowed():
    tagger = tiny.tagger(max_length=128, max_pieces_per_pass=1024)
    lengths = tf.constant(
        sorted([128] * 9 + [90] * 3 + [40] * 30 + [8] * 70 + [3] * 5, reverse=True)
    )
    start, slices = 0, []
    while start < len(lengths):
        width, end = (int(value) for value in tagger.plan.next_batch(lengths, tf.constant(start)))
        slices.append((start, end, width, int(lengths[end - 1])))
        assert int(lengths[start]) <= width <= 128
        assert (end - start) * width <= 1024
        start = end
    assert [(end - start, width) for start, end, width, _ in slices] == [
        (8, 128),
        (4, 128),
        (25, 40),
        (12, 40),
        (68, 8),
    ]
    assert sum(width * (end - start) for start, end, width, _ in slices) < 1.25 * int(
        tf.reduce_sum(lengths)
    )


def test_shapes_are_traced_once():
    own = {
        "max_pieces_per_pass": 4000
    }  # a tagger that no other test has traced in a graph of its own
    for batch in (["anna"], ["anna met"] * 3, [], [" ".join(tiny.WORDS) * 3]):
        tag(batch, **own)
    assert _function(tuple(own.items())).experimental_get_tracing_count() == 1
    assert tiny.tagger(**own).encode.experimental_get_tracing_count() == 1


def test_what_stands_behind_the_length_changes_nothing():
    tagger, random = tiny.tagger(), np.random.default_rng(2)
    ids = random.integers(5, 200, (3, 12)).astype(np.int32)
    lengths = np.array([12, 5, 1], np.int32)
    other = np.where(
        np.arange(12) < lengths[:, None], ids, random.integers(-5, 9999, ids.shape)
    ).astype(np.int32)
    inside = np.arange(12) < lengths[:, None]
    np.testing.assert_array_equal(
        tagger.encode(ids, lengths, inside)[inside], tagger.encode(other, lengths, inside)[inside]
    )
    np.testing.assert_allclose(
        tagger.encode(ids[1:2, :5], lengths[1:2], inside[1:2, :5])[0],
        tagger.encode(ids, lengths, inside)[1, :5],
        atol=1e-5,
    )


def test_the_tagger_follows_the_weights():
    model = tiny.classifier()
    tagger = tiny.tagger_over(model, tiny.LABELS)
    before = tag_words(tagger)
    model.head.kernel.assign(-model.head.kernel)
    assert tag_words(tagger) != before


def tag_words(tagger) -> list[int]:
    return (
        tagger.tag(tiny.tokenizer().tokenize_text(tf.constant([" ".join(tiny.WORDS)])))
        .tag[0]
        .numpy()
        .tolist()
    )
