"""The in-graph tokenizer against BertTokenizerFast: every code point, and odd texts."""

from __future__ import annotations

import functools
import random
import unicodedata

import numpy as np
import pytest
import tensorflow as tf
from bert_oracle import (
    CODE_POINTS,
    compiled,
    differences,
    hugging_face,
    ours,
    tokenize,
    vocabulary,
    write_vocabulary,
)
from hypothesis import given
from hypothesis import strategies as st
from transformers import BertTokenizerFast

from tfner.tokenizers.combining import combining_classes
from tfner.tokenizers.wordpiece import Tokens, WordPieceTokenizer

SETTINGS = {
    "uncased": {"lowercase": True},
    "cased": {"lowercase": False},
    "uncased, accents kept": {"lowercase": True, "strip_accents": False},
    "cased, accents stripped": {"lowercase": False, "strip_accents": True},
    "cased, CJK left": {"lowercase": False, "tokenize_chinese_chars": False},
}
# Precomposed musical notes: the stem that one decomposes into moves behind a following mark of a
# lower combining class, and Hugging Face then counts the mark's offset as the stem's. The one known
# difference, in offsets alone.
NOTES = [chr(code) for code in (*range(0x1D15E, 0x1D165), *range(0x1D1BB, 0x1D1C1))]
ODD = ["", " ", "\t\n ", "\0", "a\0b", "\u200e", "a\u200eb \u200e", "\ufffd"]
ODD += ["[CLS] [SEP][PAD]a[UNK]b", "Straße ﬁn … ½", "İ I\u0307"]
LONG = [character * count for character in ("a", "Г", "é", "e\u0301", "😀") for count in (100, 101)]
LONG += ["각" * 33, "각" * 34, "x " + "é" * 101 + " y", "중" * 50, "中" * 150]


@pytest.fixture(scope="module", params=SETTINGS)
def pair(request, tmp_path_factory):
    """Our tokenizer and Hugging Face's with the same settings."""
    settings = SETTINGS[request.param]
    folder = write_vocabulary(tmp_path_factory.mktemp("checkpoint"), vocabulary())
    renamed = {
        "do_lower_case" if name == "lowercase" else name: value for name, value in settings.items()
    }
    return ours(**settings), hugging_face(folder, **renamed)


def packed(code_points: list[int], size: int = 512) -> list[str]:
    """Texts in which each code point stands between two letters."""
    words = [f"a{chr(code)}b" for code in code_points]
    return [" ".join(words[i : i + size]) for i in range(0, len(words), size)]


def draw_texts(count: int, seed: int) -> list[str]:
    """Random strings of many scripts, marks, symbols, deleted or private characters, words."""
    rng = random.Random(seed)
    ranges = [(1, 0x600), (1, 0x600), (1, 0x600), (0x600, 0x3400), (0x4E00, 0x4F00)]
    ranges += [(0xAC00, 0xAC80), (0xE000, 0xE010), (0xF900, 0x10000), (0x1D100, 0x1D200)]
    ranges += [(0x1F300, 0x1F700), (0x20000, 0x20010), (0xE0000, 0xE01F0)]
    pool = [chr(code) for low, high in ranges for code in range(low, high)]
    pool += [chr(code) for code in combining_classes()[0]] * 2
    pool += list("abcABC .,'-[]") * 300
    pool += ["[SEP]", "\u200d", "\ufe0f", "각"] * 50
    pool = [text for text in pool if text not in NOTES]
    return ["".join(rng.choices(pool, k=rng.randint(0, 30))) for _ in range(count)]


def test_every_code_point_is_tokenized_as_by_hugging_face(pair):
    tokenizer, oracle = pair
    overridden = (
        tokenizer.settings.strip_accents is not None
        or not tokenizer.settings.tokenize_chinese_chars
    )
    code_points = [code for code in CODE_POINTS if code < 0x20000] if overridden else CODE_POINTS
    assert differences(tokenizer, oracle, packed(code_points))[:5] == []


def test_random_texts_are_tokenized_as_by_hugging_face(pair):
    tokenizer, oracle = pair
    assert differences(tokenizer, oracle, draw_texts(20_000, seed=1))[:5] == []


def test_odd_and_long_texts_are_tokenized_as_by_hugging_face(pair):
    tokenizer, oracle = pair
    assert differences(tokenizer, oracle, ODD + LONG) == []


def test_plain_batches_take_the_short_path_to_the_same_result(pair):
    tokenizer, oracle = pair
    rng = random.Random(2)
    texts = [
        "".join(rng.choices("abcXYZ äéß中文.,'-@#(e.g. U.S.)[SEP]   ", k=rng.randint(0, 40)))
        for _ in range(500)
    ]
    assert differences(tokenizer, oracle, texts) == []
    mixed = tokenize(tokenizer, [*texts, "rare: \u200e각e\u0301\u302e"])
    for plain, with_rare in zip(tokenize(tokenizer, texts), mixed, strict=True):
        assert plain.to_list() == with_rare.to_list()[:-1]


def test_marks_in_any_order_keep_hugging_faces_ids_and_offsets(tmp_path):
    oracle = hugging_face(write_vocabulary(tmp_path, vocabulary()))
    marks = [chr(code) for code in combining_classes()[0]]
    kept = [mark for mark in marks if oracle._tokenizer.normalizer.normalize_str(mark)]
    assert len(kept) > 50
    rng = random.Random(3)
    texts = [f"a{x}{y}" for x in kept for y in rng.sample(marks, 60)] + [
        f"a{y}{x}" for x in kept for y in rng.sample(marks, 60)
    ]
    texts += [
        "é" + "".join(rng.choices([*marks, "\u200d", "\u0f73", "ế", " "], k=6))
        for _ in range(5_000)
    ]
    assert differences(ours(lowercase=True), oracle, texts)[:5] == []


def test_the_one_known_difference_is_the_end_offset_of_musical_notes(tmp_path):
    oracle = hugging_face(write_vocabulary(tmp_path, vocabulary()))
    marks = dict(zip(*(array.tolist() for array in combining_classes()), strict=True))
    texts = [f"{note}{chr(mark)}" for note in NOTES for mark in marks]
    different = {text.split(":")[0] for text in differences(ours(lowercase=True), oracle, texts)}
    stem = unicodedata.combining("\U0001d165")
    lost = [text for text in texts if not oracle._tokenizer.normalizer.normalize_str(text[1])]
    expected = {ascii(text) for text in lost if marks[ord(text[1])] < stem}
    assert different == expected
    ids = [
        encoding.ids for encoding in oracle._tokenizer.encode_batch(texts, add_special_tokens=False)
    ]
    assert tokenize(ours(lowercase=True), texts).ids.to_list() == ids


@given(
    st.lists(
        st.binary(max_size=12)
        | st.text(max_size=8).map(lambda text: text.encode("utf-8", "ignore")),
        max_size=4,
    )
)
def test_any_bytes_give_spans_inside_what_was_sent(texts):
    tokens = tokenize(ours(lowercase=True), texts)
    spans = zip(texts, *(member.to_list() for member in tokens[6:]), strict=True)
    for sent, starts, ends, start_bytes, end_bytes in spans:
        assert all(
            0 <= start < end <= len(sent) for start, end in zip(start_bytes, end_bytes, strict=True)
        )
        assert all(end <= start for end, start in zip(end_bytes, start_bytes[1:], strict=False))
        assert all(end <= start for end, start in zip(ends, starts[1:], strict=False))


def test_invalid_utf8_is_read_as_replacement_characters(pair):
    tokenizer, oracle = pair
    sent = [
        b"ab \xff cd",
        b"a\xe4b",
        b"\xc3",
        b"x \xed\xa0\x80 y",
        b"caf\xc3\xa9 \xfe\xfe caf\xc3",
        b"\xf0\x9f\x98 a",
    ]
    decoded = [text.decode("utf-8", "replace") for text in sent]
    assert differences(tokenizer, oracle, decoded, sent) == []
    tokens = tokenize(tokenizer, sent)
    units = [
        [s[a:b] for a, b in zip(*rows, strict=True)]
        for s, *rows in zip(sent, tokens[8].to_list(), tokens[9].to_list(), strict=True)
    ]
    assert units[0] == [b"ab", b"cd"]
    assert units[1] == [b"a\xe4b"]
    assert units[4] == [b"caf\xc3\xa9", b"caf"]


@given(
    st.lists(
        st.text(alphabet=st.sampled_from("aé中각e\u0301\u200e .,'\U0001f600ﬁ"), max_size=20),
        max_size=4,
    )
)
def test_byte_spans_and_character_spans_agree(texts):
    tokens = tokenize(ours(lowercase=True), texts)
    for text, *spans in zip(texts, *(member.to_list() for member in tokens[6:]), strict=True):
        for start, end, start_byte, end_byte in zip(*spans, strict=True):
            assert text.encode()[start_byte:end_byte].decode() == text[start:end]


@given(
    st.lists(
        st.lists(
            st.text(alphabet=st.sampled_from("abT中é각\u200e\u0301 .'-[]"), max_size=6), max_size=5
        ),
        max_size=4,
    )
)
def test_words_are_tokenized_as_by_hugging_face(oracle, rows):
    flat = tf.constant([word for row in rows for word in row], tf.string)
    tokens = compiled_words()(
        tf.RaggedTensor.from_row_lengths(flat, tf.constant([len(row) for row in rows], tf.int64))
    )
    for row, words in enumerate(rows):
        assert tokens.unit_start[row].shape == tokens.unit_end[row].shape == (len(words),)
        joined = " ".join(words)
        spans = list(
            zip(tokens.unit_start.to_list()[row], tokens.unit_end.to_list()[row], strict=True)
        )
        assert [joined[start:end] for start, end in spans] == words
        check_words(oracle, tokens, row, words)


@functools.cache
def compiled_words():
    return tf.function(
        ours(lowercase=True).tokenize_words,
        input_signature=[tf.RaggedTensorSpec([None, None], tf.string)],
    )


@pytest.fixture(scope="module")
def oracle(tmp_path_factory):
    return hugging_face(write_vocabulary(tmp_path_factory.mktemp("oracle"), vocabulary()))


def check_words(oracle, tokens: Tokens, row: int, words: list[str]) -> None:
    """Ids, word ids and offsets of one row."""
    ids, start, end, unit, first = (member.to_list()[row] for member in tokens[:5])
    if not words:
        assert ids == []
        return
    expected = oracle(
        words, is_split_into_words=True, add_special_tokens=False, return_offsets_mapping=True
    )
    assert ids == expected["input_ids"]
    assert unit == expected.word_ids()
    origin = tokens.unit_start.to_list()[row]
    assert [
        (s - origin[u], e - origin[u]) for s, e, u in zip(start, end, unit, strict=True)
    ] == expected["offset_mapping"]
    assert first == [i == 0 or unit[i] != unit[i - 1] for i in range(len(unit))]


@pytest.mark.encoder
def test_a_published_checkpoint_is_tokenized_as_by_hugging_face(encoder_dir):
    tokenizer = WordPieceTokenizer.from_checkpoint(encoder_dir)
    oracle = BertTokenizerFast.from_pretrained(encoder_dir, split_special_tokens=True)
    oracle._tokenizer.no_truncation()
    oracle._tokenizer.no_padding()
    texts = [
        *packed([code for code in CODE_POINTS if code < 0x20000]),
        *draw_texts(5_000, seed=4),
        *ODD,
        *LONG,
    ]
    assert differences(tokenizer, oracle, texts)[:5] == []
    assert [tokenizer.cls_id, tokenizer.sep_id, tokenizer.pad_id] == [
        oracle.cls_token_id,
        oracle.sep_token_id,
        oracle.pad_token_id,
    ]
    assert [tokenizer.unk_id, tokenizer.mask_id] == [oracle.unk_token_id, oracle.mask_token_id]


def test_texts_and_words_give_the_same_pieces_eagerly_and_in_a_graph():
    tokenizer = ours(lowercase=True)
    texts = tf.constant(["The abc, e\u0301 U.S.", "", "\u200e x"])
    words = tf.ragged.constant([["The", "abc", ","], [], ["\u200e", "x y"]])
    for eager, graph in (
        (tokenizer.tokenize_text(texts), compiled(tokenizer)(texts)),
        (tokenizer.tokenize_words(words), tf.function(tokenizer.tokenize_words)(words)),
    ):
        for name, one, other in zip(Tokens._fields, eager, graph, strict=True):
            assert one.to_list() == other.to_list(), name
            assert one.dtype == (tf.bool if name.startswith("first_") else tf.int32), name


def test_one_graph_serves_every_number_of_texts():
    function = compiled(ours(lowercase=True))
    for count in (0, 1, 2, 7):
        tokens = function(tf.fill([count], "ab c"))
        assert tokens.ids.shape[0] in (count, None)
        assert tokens.unit_end.to_list() == [[2, 4]] * count
    assert function.experimental_get_tracing_count() == 1


def test_pieces_know_their_unit_and_pretoken():
    tokens = ours(lowercase=True).tokenize_words(
        tf.ragged.constant([["a-b", "\u200e", "abc"], ["", "zz"]])
    )
    assert tokens.unit.to_list() == [[0, 0, 0, 2], [1, 1]]
    assert tokens.first_of_unit.to_list() == [[True, False, False, True], [True, False]]
    assert tokens.first_of_pretoken.to_list() == [[True, True, True, True], [True, False]]
    assert tokens.unit_start.to_list() == [[0, 4, 6], [0, 1]]
    assert tokens.unit_start_byte.to_list() == [[0, 4, 8], [0, 1]]
    assert tokens.unit_end_byte.to_list() == [[3, 7, 11], [0, 3]]


def test_one_text_may_be_long():
    tokenizer = ours(lowercase=True)
    line = "The abc, e.g. 'U.S.' é中 "
    whole = tokenize(tokenizer, [line * 20_000])
    once = tokenize(tokenizer, [line])
    count = once.ids.flat_values.shape[0]
    assert np.array_equal(whole.ids.flat_values, np.tile(once.ids.flat_values, 20_000))
    shifts = np.repeat(np.arange(20_000) * len(line), count)
    assert np.array_equal(whole.start.flat_values, np.tile(once.start.flat_values, 20_000) + shifts)
