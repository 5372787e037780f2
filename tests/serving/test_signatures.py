"""What an export answers: dense tensors with a row for each input, offsets that point into what was
sent, no op that a server lacks."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tiny
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tfner.data.batching.batch_by_size import encode_text
from tfner.documents import Document
from tfner.serving.export.signatures import bridging_tags
from tfner.tagging.schemes import read_spans

TEXTS = {
    "entity_start": tf.int32,
    "entity_end": tf.int32,
    "entity_start_byte": tf.int32,
    "entity_end_byte": tf.int32,
    "entity_label": tf.string,
    "entity_score": tf.float32,
    "entity_count": tf.int32,
}
WORDS = {"tag": tf.string, "score": tf.float32}


def ask_text(texts: list[bytes]) -> dict[str, np.ndarray]:
    answer = tiny.served().signatures["serving_default"](
        text=tf.constant(texts, tf.string, [len(texts)])
    )
    return {name: value.numpy() for name, value in answer.items()}


def ask_words(rows: list[list[str]], width: int | None = None) -> dict[str, np.ndarray]:
    width = max(map(len, rows), default=0) if width is None else width
    padded = [[word.encode() for word in row] + [b""] * (width - len(row)) for row in rows]
    answer = tiny.served().signatures["words"](
        words=tf.constant(padded, tf.string, [len(rows), width])
    )
    return {name: value.numpy() for name, value in answer.items()}


any_text = st.one_of(
    st.text(st.characters(exclude_categories=()), max_size=30),
    st.text("aé\u0301\u0300\u200d👩🏽\u202eאב\x00\ud800\udfff \n東.,-İßﬁ", max_size=30),
    st.lists(
        st.sampled_from(
            [*tiny.WORDS, "U.S.", "Åse", "e\u0301a", "👩🏽‍🚀", "שלום", "\x00", "[SEP]"]
        ),
        max_size=20,
    ).map(" ".join),
)


@settings(max_examples=40)
@given(st.lists(any_text, min_size=1, max_size=4))
@example(["", " ", "\x00", "\ud800", "a\x00", "\u0301"])
@example(
    ["Anna met Boris\x00\x00 in e\u0301\u0301 Oslo\u200d", "👩🏽‍🚀 Anna 👩🏽‍🚀 \u202eשלום עולם"]
)
def test_offsets_point_at_the_same_characters_in_code_points_and_bytes(texts):
    sent = [encode_text(text) for text in texts]
    answer = ask_text(sent)
    for row, (text, raw) in enumerate(zip(texts, sent, strict=True)):
        count, before = answer["entity_count"][row], 0
        for i in range(count):
            start, end = answer["entity_start"][row, i], answer["entity_end"][row, i]
            assert before <= start < end <= len(text)
            assert raw[
                answer["entity_start_byte"][row, i] : answer["entity_end_byte"][row, i]
            ] == encode_text(text[start:end])
            assert answer["entity_label"][row, i].decode() in tiny.LABELS.types
            assert 0 < answer["entity_score"][row, i] <= 1
            before = end
        for name, padding in {
            "entity_start": -1,
            "entity_end": -1,
            "entity_start_byte": -1,
            "entity_end_byte": -1,
        }.items():
            assert (answer[name][row, count:] == padding).all()
        assert (answer["entity_label"][row, count:] == b"").all()
        assert (answer["entity_score"][row, count:] == 0).all()


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=3))
@settings(max_examples=20)
def test_any_bytes_have_an_answer_within_them(texts):
    answer = ask_text(texts)
    for row, raw in enumerate(texts):
        count = answer["entity_count"][row]
        assert (
            answer["entity_start_byte"][row, :count] < answer["entity_end_byte"][row, :count]
        ).all()
        assert (answer["entity_end_byte"][row, :count] <= len(raw)).all()


@pytest.mark.parametrize(
    "texts",
    [[], [b""], [b" ", b"\x00\n\t"], [b"anna met boris in oslo"], [b"", b"anna met boris in oslo"]],
)
def test_text_answers_are_dense_with_a_row_for_each_text(texts):
    answer = ask_text(texts)
    width = max(answer["entity_count"], default=0)
    assert {name: value.shape for name, value in answer.items()} == {
        name: (len(texts),) if name == "entity_count" else (len(texts), width) for name in TEXTS
    }


@pytest.mark.parametrize(
    ("name", "outputs"),
    [("serving_default", TEXTS), ("words", WORDS), ("features", {"probabilities": tf.float32})],
)
def test_outputs_have_a_rank_and_a_type_that_a_server_takes(name, outputs):
    specs = tiny.served().signatures[name].structured_outputs
    assert {key: spec.dtype for key, spec in specs.items()} == outputs
    assert all(
        isinstance(spec, tf.TensorSpec) and spec.shape.rank >= 1 and spec.shape[0] is None
        for spec in specs.values()
    )
    inputs = tiny.served().signatures[name].structured_input_signature[1]
    assert all(spec.shape[0] is None for spec in inputs.values())


# --- words ----------------------------------------------------------------------------------------


word = st.sampled_from([*tiny.WORDS, "annason", "New York", "U.S.", "\x00", "", "\u200b", "東京"])
UNSEEN = ("", "\x00", "\u200b")


@settings(max_examples=30)
@given(st.lists(st.lists(word, max_size=15), min_size=1, max_size=4), st.integers(0, 5))
def test_each_row_of_words_is_its_own_whatever_the_padding(rows, more):
    width = max(map(len, rows)) + more
    together = ask_words(rows, width)
    for number, row in enumerate(rows):
        given_words = max((i + 1 for i, one in enumerate(row) if one), default=0)
        assert (together["tag"][number, given_words:] == b"").all()
        assert (together["score"][number, given_words:] == 0).all()
        alone = ask_words([row])
        assert (together["tag"][number, :given_words] == alone["tag"][0, :given_words]).all()
        np.testing.assert_allclose(
            together["score"][number, :given_words], alone["score"][0, :given_words], atol=1e-5
        )
        unseen = [one in UNSEEN for one in row[:given_words]]
        assert ((together["score"][number, :given_words] == 0) == unseen).all()


@settings(max_examples=30)
@given(
    st.lists(st.sampled_from(tiny.WORDS), min_size=1, max_size=15),
    st.lists(st.tuples(st.integers(0, 15), st.sampled_from(UNSEEN)), max_size=5),
)
def test_unseen_words_change_no_tag_and_stay_inside_an_entity(words, inserted):
    tags = [tag.decode() for tag in ask_words([words])["tag"][0]]
    mixed, wanted = list(words), list(tags)
    for place, unseen in inserted:
        place = min(place, len(mixed) - 1)  # before the last word, which tells where the row ends
        mixed.insert(place, unseen)
        following = next((tag for tag in wanted[place:] if tag is not None), "O")
        wanted.insert(place, following if following[0] == "I" else "O")
    found = [tag.decode() for tag in ask_words([mixed])["tag"][0]]
    assert found == wanted
    assert read_spans(found, "IOB2")[1] == []


@pytest.mark.parametrize("rows", [[], [[]], [[], []], [["", ""], ["", ""]]])
def test_rows_without_words(rows):
    answer = ask_words(rows)
    assert (
        answer["tag"].shape == answer["score"].shape == (len(rows), max(map(len, rows), default=0))
    )
    assert (answer["tag"] == b"").all()
    assert (answer["score"] == 0).all()


def test_words_and_text_agree_where_their_units_do():
    text = " ".join(np.random.default_rng(4).permutation(tiny.WORDS))
    document = Document.from_words(text.split())
    by_text, by_words = tiny.loaded()(text), next(tiny.loaded().documents([document]))
    assert [entity.key for entity in by_text] == [entity.key for entity in by_words]
    np.testing.assert_allclose(
        [entity.score for entity in by_text], [entity.score for entity in by_words], atol=1e-5
    )


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("B-LOC", "I-LOC", "I-LOC"),
        ("I-PER", "I-PER", "I-PER"),
        ("B-LOC", "E-LOC", "I-LOC"),
        ("B-LOC", "I-PER", "O"),
        ("B-LOC", "B-LOC", "O"),
        ("E-LOC", "B-LOC", "O"),
        ("S-LOC", "E-LOC", "O"),
        ("O", "I-LOC", "O"),
    ],
)
def test_an_unseen_word_between_two_tags(before, after, expected):
    for labels in (tiny.LABELS, tiny.BIOES):
        if {before, after} <= set(labels.tags):
            assert (
                labels.tag(bridging_tags(labels)[labels.id(before), labels.id(after)]) == expected
            )


# --- features -------------------------------------------------------------------------------------


def ask_features(ids, length) -> np.ndarray:
    features = tiny.served().signatures["features"]
    return features(input_ids=tf.constant(ids, tf.int32), length=tf.constant(length, tf.int32))[
        "probabilities"
    ].numpy()


def test_features_ignore_what_stands_behind_the_length():
    random = np.random.default_rng(3)
    ids, length = random.integers(5, 200, (4, 10)), np.array([10, 4, 1, 0])
    inside = np.arange(10) < length[:, None]
    answer = ask_features(ids, length)
    np.testing.assert_allclose(answer.sum(-1), inside, rtol=1e-5)
    np.testing.assert_array_equal(
        answer, ask_features(np.where(inside, ids, random.integers(-9, 9999, ids.shape)), length)
    )
    np.testing.assert_allclose(answer[1:2, :4], ask_features(ids[1:2, :4], [4]), atol=1e-5)


def test_features_are_the_pieces_of_the_other_signatures():
    tokenizer = tiny.tokenizer()
    words = ["anna", "met", "annason", "in", "oslo"]
    tokens = tokenizer.tokenize_words(tf.ragged.constant([words]))
    ids = [[tokenizer.cls_id, *tokens.ids[0].numpy(), tokenizer.sep_id]]
    first = 1 + np.flatnonzero(tokens.first_of_unit[0].numpy())
    probabilities = ask_features(ids, [len(ids[0])])[0, first]
    answer = ask_words([words])
    ids_of_tags = [tiny.LABELS.id(tag.decode()) for tag in answer["tag"][0]]
    np.testing.assert_allclose(
        answer["score"][0], probabilities[np.arange(len(words)), ids_of_tags], atol=1e-5
    )


def test_live_signatures_trace_once_whatever_the_shapes():
    live = tiny.live()
    for batch in (["anna"], [], ["anna met boris"] * 3, [" ".join(tiny.WORDS) * 2]):
        live.batch(batch)
        live.tag_batch([text.split() for text in batch])
    signatures = tiny.live_signatures()
    assert signatures.text.experimental_get_tracing_count() == 1
    assert signatures.words.experimental_get_tracing_count() == 1
