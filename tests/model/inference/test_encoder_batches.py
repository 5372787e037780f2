"""The encoder in slices: bounded, in few shapes, and never another answer."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tiny
from hypothesis import given
from hypothesis import strategies as st

from tfner.model.inference.encoder_batches import BatchPlan

TEXTS = [
    "anna met boris in oslo",
    "",
    "the river",
    " ".join(tiny.WORDS) * 2,
    "東京 paris",
    *["volta"] * 20,
]


@given(
    lengths=st.lists(st.integers(1, 128), min_size=1, max_size=200),
    widths=st.one_of(
        st.none(), st.lists(st.integers(4, 600), min_size=1, max_size=6, unique=True).map(sorted)
    ),
    max_pieces_per_pass=st.integers(100, 3000),
)
def test_every_window_is_in_one_slice_that_holds_it_and_is_bounded(
    lengths, widths, max_pieces_per_pass
):
    plan = BatchPlan(128, widths, max_pieces_per_pass)
    lengths_N = tf.constant(sorted(lengths, reverse=True))
    start = 0
    while start < len(lengths):
        width, end = (int(value) for value in plan.next_batch(lengths_N, tf.constant(start)))
        assert width in plan.widths
        assert end > start
        assert int(lengths_N[start]) <= width <= 128
        assert (end - start) * width <= max(max_pieces_per_pass, width)
        start = end
    assert start == len(lengths)


def test_widths_end_at_the_models_limit():
    assert BatchPlan(100, (32, 64, 128, 256), 8192).widths == [32, 64, 100]
    assert BatchPlan(20, None, 8192).widths == [8, 16, 20]


def answers(**options) -> list[np.ndarray]:
    tagger = tiny.tagger(**options)
    tagged = tf.function(
        lambda texts: tagger.tag(tagger.tokenizer.tokenize_text(texts)), autograph=False
    )(tf.constant(TEXTS))
    return [
        tagged.tag.values.numpy(),
        tagged.probability.values.numpy(),
        *(member.numpy() for member in tagged.spans),
    ]


@pytest.mark.parametrize(
    "options",
    [
        {"widths": (8, 16)},
        {"widths": (32, 64)},
        {"max_pieces_per_pass": 40},
        {"widths": (16,), "compiled": True},
    ],
    ids=str,
)
def test_neither_table_nor_slices_nor_compilation_change_an_answer(options):
    for got, want in zip(answers(**options), answers(), strict=True):
        np.testing.assert_allclose(got, want, atol=1e-4)


def rows(count: int, width: int) -> tuple[tf.Tensor, tf.Tensor]:
    random = np.random.default_rng(count)
    ids = random.integers(5, len(tiny.vocabulary()), (count, width)).astype(np.int32)
    return tf.constant(ids), tf.constant(random.integers(1, width + 1, count), tf.int32)


@pytest.mark.parametrize("options", [{}, {"widths": (16,), "compiled": True}], ids=str)
def test_rows_that_are_padded_already_go_in_slices_too(options):
    tagger = tiny.tagger(max_pieces_per_pass=100, **options)
    encode = tf.function(tagger.piece_log_probabilities, reduce_retracing=True, autograph=False)
    ids_NT, lengths_N = rows(17, 30)
    inside = np.arange(30) < lengths_N.numpy()[:, None]
    got, want = encode(ids_NT, lengths_N), tagger.encode(ids_NT, lengths_N, inside)
    np.testing.assert_allclose(got.numpy()[inside], want.numpy()[inside], atol=1e-4)
    for count, width in ((0, 12), (3, 0)):
        assert encode(*(value[:count] for value in (ids_NT[:, :width], lengths_N * 0))).shape[
            :2
        ] == (count, width)


def test_rows_that_are_too_wide_are_refused_by_name():
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="input_ids: expected at most 32 pieces a row"
    ):
        tiny.tagger().piece_log_probabilities(*rows(2, 33))


def test_a_compiler_sees_the_table_alone():
    tagger = tiny.tagger(widths=(16,), compiled=True, max_pieces_per_pass=512)
    assert tagger.compiled_shapes() == [(1, 16), (1, 32), (8, 16), (8, 32), (32, 16), (16, 32)]
