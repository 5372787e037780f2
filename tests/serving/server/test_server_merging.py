"""Merging requests: outputs that nobody here has heard of are cut like those of today's exports."""

from __future__ import annotations

import numpy as np
import pytest
import server_fakes as fakes
from hypothesis import given
from hypothesis import strategies as st

from tfner.serving.server.request_merger import SENTENCES, TEXTS, merger_of, occupied_widths
from tfner.serving.server.signature import ServedSignature, TensorSpec

PLANE = (-1, -1)
MORE_OUTPUTS = {
    "entity_rank": TensorSpec("int32", PLANE),
    "entity_linked": TensorSpec("string", PLANE),
    "entity_box": TensorSpec("float", (-1, -1, 2)),
    "text_language": TensorSpec("string", (-1,)),
    "text_topics": TensorSpec("float", (-1, 3)),
    "letters": TensorSpec("int32", PLANE),  # as wide as the longest text, not as its entities
}
WORDS = st.sampled_from(["Anna", "Bo", "met", "a"])
TEXT_GROUPS = st.lists(st.lists(st.lists(WORDS, max_size=5).map(" ".join), max_size=3), min_size=1)


def extended(signature, outputs):
    return ServedSignature(signature.inputs, {**signature.outputs, **outputs})


def answer_more(inputs):
    """The fake's answer and further outputs, some padded like entities, some not at all."""
    answer = fakes.answer_texts(inputs)
    starts = answer["entity_start"]
    texts = inputs["text"].tolist()
    present = starts >= 0
    letters = np.full((len(texts), max(map(len, texts), default=0)), -1, np.int32)
    for row, text in zip(letters, texts, strict=True):
        row[: len(text)] = list(text)
    return answer | {
        "entity_rank": np.where(present, starts % 2, -1),
        "entity_linked": np.where(present, answer["entity_label"], b""),
        "entity_box": np.stack([present * 0.5, present * 0.0], -1),
        "text_language": np.array([text[:1] for text in texts], object),
        "text_topics": np.zeros((len(texts), 3), np.float32),  # no padding, though all is 0
        "letters": letters,
    }


def strings(values):
    return np.array([value.encode() for value in values], object)


def assert_split_as_alone(merger, requests, answer):
    answers = merger.split(answer(merger.merge(requests)), requests)
    for own, request in zip(answers, requests, strict=True):
        alone = answer(request)
        assert own.keys() == alone.keys()
        for name, value in alone.items():
            assert own[name].shape == value.shape, name
            np.testing.assert_array_equal(own[name], value)


@given(TEXT_GROUPS)
def test_unknown_outputs_of_texts_are_given_back_as_if_asked_alone(groups):
    merger = merger_of(extended(fakes.SIGNATURES["serving_default"], MORE_OUTPUTS))
    requests = [{"text": strings(texts)} for texts in groups]
    assert_split_as_alone(merger, requests, answer_more)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), min_size=1, max_size=4))
def test_unknown_outputs_of_sentences_too(shapes):
    def answer(inputs):
        words = inputs["words"]
        lengths = np.array([[len(word) for word in row] for row in words.tolist()], np.float32)
        longest = lengths.reshape(words.shape)
        return fakes.answer_words(inputs) | {
            "length": longest,
            "sentence_id": np.arange(len(words)) * 0,
        }

    outputs = {"length": TensorSpec("float", PLANE), "sentence_id": TensorSpec("int64", (-1,))}
    merger = merger_of(extended(fakes.SIGNATURES["words"], outputs))
    requests = [{"words": np.full(shape, b"Anna", object)} for shape in shapes]
    assert_split_as_alone(merger, requests, answer)


def test_a_value_is_never_cut_where_another_axis_is_as_wide_as_the_sentences():
    """Two sentences of two and one words; the output beside them has two columns by chance."""
    outputs = {"tag": TensorSpec("string", PLANE), "vote": TensorSpec("int32", PLANE)}
    merger = merger_of(ServedSignature(SENTENCES, outputs))
    requests = [{"words": np.full((1, width), b"a", object)} for width in (2, 1)]
    answer = {"tag": np.array([[b"O", b"O"], [b"O", b""]]), "vote": np.array([[5, 6], [7, 8]])}
    _, second = merger.split(answer, requests)
    assert second["vote"].tolist() == [[7, 8]]


@pytest.mark.parametrize(
    "outputs",
    [
        {"score": TensorSpec("float", (-1,))},  # no list of anything for a text
        {"score": TensorSpec("float", PLANE), "mean": TensorSpec("float", ())},
        {"score": TensorSpec("float", PLANE), "all": TensorSpec("float", (7,))},
        {"score": TensorSpec("float", PLANE), "any": TensorSpec("float", None)},
    ],
)
def test_where_rows_may_not_be_apart_nothing_is_merged(outputs):
    assert merger_of(ServedSignature(TEXTS, outputs)) is None
    assert merger_of(ServedSignature(SENTENCES, outputs)) is None


def test_other_inputs_are_not_merged():
    outputs = {"entity_start": TensorSpec("int32", PLANE)}
    assert merger_of(ServedSignature(TEXTS, outputs)) is not None
    assert merger_of(ServedSignature({"sentence": TEXTS["text"]}, outputs)) is None
    assert merger_of(ServedSignature({"text": TensorSpec("int32", (-1,))}, outputs)) is None
    assert merger_of(ServedSignature(TEXTS | SENTENCES, outputs)) is None


def test_widths_count_a_column_in_which_any_tensor_has_a_value():
    scores = np.array([[0.0, 0.0, 0.0], [0.0, 0.5, 0.0]])
    boxes = np.zeros((2, 3, 2))
    boxes[0, 0, 1] = 0.5
    assert occupied_widths([scores]).tolist() == [0, 2]
    assert occupied_widths([scores, np.array([[-1, -1, 0], [5, -1, -1]])]).tolist() == [3, 2]
    assert occupied_widths([scores, boxes]).tolist() == [1, 2]
    assert occupied_widths([np.zeros((0, 3))]).tolist() == []
    assert occupied_widths([np.zeros((2, 0))]).tolist() == [0, 0]
