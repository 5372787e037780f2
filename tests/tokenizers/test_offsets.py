"""Offsets in code points and in bytes are of the same characters, whatever the text.

A text's answer is its own, whatever the batch.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf
import tiny
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tfner.data.batching.batch_by_size import SURROGATE, encode_text
from tfner.documents import Entity

ACCENTS = "\u0301\u0323\u0308"
# marks, expansions, compositions
HARD = ["e\u0301\u0323a", "\u0308", "A\u030a\u0301se", "각", "ṩ", "ﬁ", "İi", "ẞß", "\u0130\u0307"]
HARD += ["👩🏽‍🚀", "👨‍👩‍👧‍👦", "🇳🇴🇸🇪🇫", "✊🏿", "❤️‍🔥", "\u200d", "1️⃣"]  # joiners, skin tones, flags
HARD += ["שָׁלוֹם", "مُحَمَّد", "\u202eanna\u202c", "\u2067אבג oslo\u2069"]  # from right to left
HARD += ["東京都大阪市", "한국어", "ภาษาไทย", "नमस्ते", "𠜎𠮷"]  # no spaces, several bytes
HARD += ["\x00", "\ufeff", "\u00ad", "\u2028", "\ufffd", "\ufffe", "\U0010ffff"]
HARD += ["𝄞", "x" * 120, "[SEP]", "U.S.", "..."]
pieces = st.sampled_from([*tiny.WORDS, *HARD]) | st.text(max_size=3)
any_text = st.builds(
    str.join, st.sampled_from([" ", "", ", ", "\u3000"]), st.lists(pieces, max_size=12)
) | st.text(max_size=20)
CUT_OFF = [b"\xc3", b"\xe4\xb8", b"\xf0\x9f\x98"]
BROKEN = [*CUT_OFF, b"\xed\xa0\x80", b"\xc0", b"\x80", b"\xff", b"a", b" ", b"oslo"]
encoded_words = st.sampled_from([word.encode() for word in (*tiny.WORDS, *HARD)])
bytes_pieces = st.lists(st.binary(max_size=5) | encoded_words, max_size=10)
joined_bytes = st.builds(bytes.join, st.sampled_from([b" ", b""]), bytes_pieces)
any_bytes = st.lists(st.sampled_from(BROKEN)).map(b"".join) | joined_bytes


class Found(NamedTuple):
    """An entity as the text signature tells it."""

    start: int
    end: int
    start_byte: int
    end_byte: int
    label: bytes
    score: float


def find(texts: Sequence[bytes]) -> list[list[Found]]:
    """The entities of each text, padding cut off."""
    answer = tiny.live()._ask_texts(list(texts))
    columns = [answer[f"entity_{name}"].tolist() for name in Found._fields]
    return [
        [Found(*row) for row in zip(*rows, strict=True)][:count]
        for count, *rows in zip(answer["entity_count"], *columns, strict=True)
    ]


def assert_places(
    raw: bytes, text: str, found: Sequence[Found], entities: Sequence[Entity]
) -> None:
    """Every place in `raw` is the same in `text`, entities are not empty and follow each other."""
    keys = [(one.start, one.end, one.label.decode()) for one in found]
    assert keys == [entity.key for entity in entities]
    for one, entity in zip(found, entities, strict=True):
        assert 0 <= one.start < one.end <= len(text)
        own = raw[one.start_byte : one.end_byte].decode()
        assert own == SURROGATE.sub("\ufffd", text[one.start : one.end])
        assert text[one.start : one.end] == entity.text
    for first, second in pairwise(found):
        assert first.end <= second.start
        assert first.end_byte <= second.start_byte


@settings(max_examples=80)
@given(st.lists(any_text, max_size=4))
@example([" ".join([*tiny.WORDS, *HARD] * 2)])
def test_code_points_and_bytes_name_the_same_characters(texts):
    sent = [text.encode() for text in texts]
    for raw, text, found, entities in zip(
        sent, texts, find(sent), tiny.live().batch(texts), strict=True
    ):
        assert_places(raw, text, found, entities)


@pytest.mark.parametrize("hard", HARD, ids=ascii)
def test_what_stands_around_and_between_words_moves_no_place(hard):
    """So that each of them is met whatever Hypothesis draws, with entities behind it."""
    texts = [
        f"{hard} anna met boris in oslo",
        f"anna met {hard}boris{hard} in oslo {hard} paris",
        f"{hard}{hard}",
    ]
    sent = [text.encode() for text in texts]
    answers = find(sent)
    assert any(one.start_byte > len(hard.encode()) for one in answers[0])
    for raw, text, found, entities in zip(
        sent, texts, answers, tiny.live().batch(texts), strict=True
    ):
        assert_places(raw, text, found, entities)


@given(
    st.lists(
        st.sampled_from([*tiny.WORDS, *ACCENTS, *ACCENTS, " ", " ", "\u200d", ",", "é"]),
        max_size=30,
    ).map("".join)
)
def test_no_entity_parts_an_accent_from_its_letter(text):
    for one in find([text.encode()])[0]:
        assert text[one.start] not in ACCENTS
        assert text[one.end : one.end + 1] not in {*ACCENTS}


# --- texts that are no UTF-8 ---------------------------------------------------------------------


@given(
    st.lists(
        st.sampled_from(
            ["\ud83d", "\ude00", "\ud83d\ude00", "\udfff", "😀", " ", "é", *tiny.WORDS]
        ),
        max_size=20,
    )
)
@example(
    ["\ud83d\ude00", " ", "anna", " ", "\ud83d", " ", "boris", "\ude00", "\ud83d", " ", "oslo"]
)
def test_surrogates_escaped_in_json(parts):
    """A pair is one code point; a lone one is read as U+FFFD and given back as it came."""
    text = json.loads(json.dumps("".join(parts)))
    raw = encode_text(text)
    assert len(raw.decode()) == len(text)
    assert_places(raw, text, *find([raw]), tiny.live()(text))


@settings(max_examples=150)
@given(st.lists(any_bytes, min_size=1, max_size=4))
def test_invalid_utf8_is_placed_as_python_decodes_it(texts):
    """Bytes are one U+FFFD for each longest beginning of a character (Unicode, chapter 3.9)."""
    for raw, found in zip(texts, find(texts), strict=True):
        text, before = raw.decode(errors="replace"), 0
        for one in found:
            assert before <= one.start_byte < one.end_byte <= len(raw)
            assert one.start == len(raw[: one.start_byte].decode(errors="replace"))
            assert (
                raw[one.start_byte : one.end_byte].decode(errors="replace")
                == text[one.start : one.end]
            )
            before = one.end_byte


# --- batches -------------------------------------------------------------------------------------


def cut(rows: Sequence, cuts: set[int]) -> list[Sequence]:
    """Parts of a sequence, some empty if it is short."""
    return [
        rows[start:end]
        for start, end in pairwise([0, *sorted(min(at, len(rows)) for at in cuts), len(rows)])
    ]


def assert_close(one: Sequence[float], other: Sequence[float]) -> None:
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)


cuts = st.sets(st.integers(0, 6), max_size=4)
LONG = " ".join(tiny.WORDS * 2)


@settings(max_examples=60)
@given(st.lists(any_text | st.just(LONG) | st.just(""), max_size=6), cuts)
def test_a_batch_of_texts_is_its_parts(texts, cuts):
    sent = [encode_text(text) for text in texts]
    together = find(sent)
    apart = [row for part in cut(sent, cuts) for row in find(part)]
    assert [[one[:-1] for one in row] for row in together] == [
        [one[:-1] for one in row] for row in apart
    ]
    assert_close(
        [one.score for row in together for one in row], [one.score for row in apart for one in row]
    )


def tag(rows: Sequence[Sequence[str]]) -> list[tuple[list[str], list[float]]]:
    return tiny.live().tag_batch(rows)


words = st.lists(st.sampled_from([*tiny.WORDS, *HARD, ""]), max_size=12) | st.just(tiny.WORDS)


@settings(max_examples=60)
@given(st.lists(words, max_size=6), cuts)
def test_a_batch_of_words_is_its_parts(rows, cuts):
    together = tag(rows)
    apart = [row for part in cut(rows, cuts) for row in tag(part)]
    assert [tags for tags, _ in together] == [tags for tags, _ in apart]
    for (_, one), (_, other) in zip(together, apart, strict=True):
        assert_close(one, other)


WIDEST = 24  # pieces; the tiny model takes 32


def probabilities(ids: np.ndarray, length: np.ndarray) -> list[np.ndarray]:
    """Of each row the probabilities within its length; behind it they are 0."""
    signature = tiny.live()._ask_texts.__self__.owner.features
    answer = signature(input_ids=tf.constant(ids, tf.int32), length=tf.constant(length, tf.int32))[
        "probabilities"
    ].numpy()
    behind = np.arange(ids.shape[1]) >= np.asarray(length)[:, None]
    assert (answer[behind] == 0).all()
    return [row[:size] for row, size in zip(answer, length, strict=True)]


@st.composite
def requests(draw) -> tuple[np.ndarray, np.ndarray]:
    """Input ids [B, T] with anything behind the length [B]."""
    width, rows = draw(st.integers(1, WIDEST)), draw(st.integers(1, 3))
    length = draw(st.lists(st.integers(0, width), min_size=rows, max_size=rows))
    random = np.random.default_rng(draw(st.integers(0, 99)))
    return random.integers(0, len(tiny.vocabulary()), (rows, width), np.int32), np.array(
        length, np.int32
    )


def pad_as_the_server_does(ids: np.ndarray, width: int) -> np.ndarray:
    """Widen a request's tensor with its own first element, as `pad_variable_length_inputs` does."""
    return np.pad(ids, [(0, 0), (0, width - ids.shape[1])], constant_values=ids[0, 0])


@settings(max_examples=60)
@given(st.lists(requests(), min_size=1, max_size=4), st.integers(0, 32 - WIDEST))
def test_features_that_the_server_batches_and_pads_are_those_of_each_request(asked, more):
    width = max(ids.shape[1] for ids, _ in asked) + more
    batch = np.concatenate([pad_as_the_server_does(ids, width) for ids, _ in asked])
    together = probabilities(batch, np.concatenate([length for _, length in asked]))
    apart = [row for ids, length in asked for row in probabilities(ids, length)]
    for one, other in zip(together, apart, strict=True):
        assert_close(one, other)
