"""The in-graph byte-level BPE against RobertaTokenizerFast and the tokenizer inside it.

Ids of given words are equal for every string. RobertaTokenizerFast itself finds special pieces,
such as `<mask>`, in a text, with the white space before `<mask>`; `tiny_bytes.hugging_face` does
not.
"""

from __future__ import annotations

import random
import time
import unicodedata

import pytest
import tensorflow as tf
import tiny_bytes
from bert_oracle import CODE_POINTS, ours, tokenize
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_pieces import SENTENCES
from transformers import RobertaTokenizerFast

from tfner.tokenizers.byte_pair import BytePairTokenizer

TEXTS = [
    *SENTENCES.splitlines(),
    "The O'Brien's U.S. e-mail costs 1,234.50 €; yes--no... (@anna #oslo) don't we'll",
    "",
    " \t\n",
    "</s> <s> <mask> <pad><unk>x",
    "\u200b a\u200bb \x00 c\x00d \u200e \ufeff a\x0b'sb",
    "Ｆｕｌｌ ｗｉｄｔｈ ﬁ ½ ㍿ ㌔ İ",
]
NAMES = ("cls", "sep", "pad", "mask")


@pytest.fixture(scope="module", params=["tiny", pytest.param("gpt-2", marks=pytest.mark.slow)])
def folder(request):
    """Give a checkpoint folder: the tiny one, and one with GPT-2's merges, which npm has."""
    return tiny_bytes.checkpoint() if request.param == "tiny" else tiny_bytes.gpt2()


@pytest.fixture(scope="module")
def tokenizer(folder):
    return BytePairTokenizer.from_checkpoint(folder)


@pytest.fixture(scope="module")
def oracle(folder):
    return tiny_bytes.hugging_face(folder)


@pytest.fixture(scope="module")
def ids_of_words(tokenizer):
    """Give a function of words to their ids, of which none is another's neighbour."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def cut(words):
        splits = tf.range(tf.size(words, tf.int64) + 1)
        rows = tf.RaggedTensor.from_row_splits(words, splits)
        return tokenizer.tokenize_words(rows).ids

    return lambda words: cut(tf.constant([word.encode() for word in words])).to_list()


def draw_words(count: int, seed: int) -> list[str]:
    """Random strings of many scripts, white space, numbers, clitics, special pieces and letters."""
    rng = random.Random(seed)
    ranges = [(1, 0x600), (1, 0x600), (0x600, 0x3400), (0x4E00, 0x4F00), (0xAC00, 0xAC80)]
    ranges += [(0xE000, 0xE010), (0xF900, 0x10000), (0x1D7CE, 0x1D800), (0x1F300, 0x1F700)]
    ranges += [(0x20000, 0x20010), (0xE0000, 0xE01F0)]
    pool = [chr(code) for low, high in ranges for code in range(low, high)]
    pool += list("abcdefghijklmnopqrstuvwxyzABC 0123.,'-[]\t\n\u00a0") * 100
    pool += [*tiny_bytes.SPECIAL, "[SEP]", "'s", "'ll", "'re", "'T", "  ", "a's"] * 60
    return ["".join(rng.choices(pool, k=rng.randint(0, 12))) for _ in range(count)]


def differences(found: list, wanted: list, words: list[str]) -> list[str]:
    """Describe the words whose ids differ."""
    triples = zip(words, found, wanted, strict=True)
    return [f"{word!a}: {ours} {theirs}" for word, ours, theirs in triples if ours != theirs]


def alone_and_between(code_points: list[int]) -> list[str]:
    """Make words of each code point, alone and between letters."""
    return [chr(code) for code in code_points] + [f"a{chr(code)}b" for code in code_points]


# --- ids ------------------------------------------------------------------------------------------


def test_code_points_have_the_ids_of_hugging_face(ids_of_words, oracle):
    """Letters, numbers, white space and others of every script; the next test has all."""
    assigned = [code for code in CODE_POINTS if unicodedata.category(chr(code)) not in ("Cn", "Co")]
    letters = [code for code in assigned if not 0x3400 <= code < 0xD7A4 and code < 0x20000]
    words = alone_and_between([*letters[::11], *assigned[::197]])
    found = ids_of_words(words)
    assert differences(found, tiny_bytes.hugging_face_ids(oracle, words), words)[:5] == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_code_point_has_the_ids_of_hugging_face(ids_of_words, oracle):
    for begin in range(0, len(CODE_POINTS), 200_000):
        words = alone_and_between(CODE_POINTS[begin : begin + 200_000])
        found = ids_of_words(words)
        assert differences(found, tiny_bytes.hugging_face_ids(oracle, words), words)[:5] == []


def test_random_words_have_the_ids_of_hugging_face(ids_of_words, oracle):
    words = draw_words(20_000, seed=1)
    found = ids_of_words(words)
    assert differences(found, tiny_bytes.hugging_face_ids(oracle, words), words)[:5] == []


def test_long_words_have_the_ids_of_hugging_face_in_few_turns(ids_of_words, oracle):
    rng = random.Random(2)
    words = ["=" * 5_001, "a" * 5_000, "ab" * 3_000, "the" * 2_000, "ก็" * 2_000, "\0" * 999]
    words += ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=20_000))]
    begin = time.monotonic()
    found = ids_of_words(words)
    seconds = time.monotonic() - begin
    assert differences(found, tiny_bytes.hugging_face_ids(oracle, words), words) == []
    assert seconds < 20  # a turn of the loop for each letter would take minutes


def test_given_words_have_what_robertas_tokenizer_gives_for_words(folder, tokenizer):
    sentences = [line.split() for line in SENTENCES.splitlines()]
    files = {"vocab_file": str(folder / "vocab.json"), "merges_file": str(folder / "merges.txt")}
    fast = RobertaTokenizerFast(**files, add_prefix_space=True)
    wanted = fast(sentences, is_split_into_words=True)
    tokens = tokenizer.tokenize_words(tf.ragged.constant(sentences))
    cls_id, sep_id = fast.cls_token_id, fast.sep_token_id
    assert [[cls_id, *row, sep_id] for row in tokens.ids.to_list()] == wanted["input_ids"]
    assert tokens.unit.to_list() == [wanted[row].word_ids[1:-1] for row in range(len(sentences))]
    ids = [getattr(fast, f"{name}_token_id") for name in NAMES]
    assert ids == [getattr(tokenizer, f"{name}_id") for name in NAMES]
    assert list(tokenizer.vocabulary) == fast.convert_ids_to_tokens(range(len(fast)))


def test_special_pieces_in_a_text_are_ordinary_text(tokenizer, ids_of_words):
    special = {getattr(tokenizer, f"{name}_id") for name in NAMES}
    rows = ids_of_words(draw_words(5_000, seed=3))
    rows += tokenizer.tokenize_text(tf.constant(["<s> </s><pad> x<mask>y <unk>"])).ids.to_list()
    assert not special.intersection(id for row in rows for id in row)
    assert tokenizer.unk_id is None


# --- units ----------------------------------------------------------------------------------------


def test_units_are_those_of_the_word_rule(tokenizer):
    texts = [text for text in TEXTS if not any("\u3041" <= letter <= "\u30ff" for letter in text)]
    wanted = ours(lowercase=False).tokenize_text(tf.constant(texts))
    found = tokenizer.tokenize_text(tf.constant(texts))
    for name in ("unit_start", "unit_end", "unit_start_byte", "unit_end_byte"):
        assert getattr(found, name).to_list() == getattr(wanted, name).to_list(), name


def test_units_of_raw_text_have_the_pieces_that_they_have_as_given_words(tokenizer, oracle):
    texts = [*TEXTS, *draw_words(2_000, seed=4)]
    tokens = tokenizer.tokenize_text(tf.constant([text.encode() for text in texts]))
    spans = zip(tokens.unit_start.to_list(), tokens.unit_end.to_list(), strict=True)
    words = [
        [text[start:end] for start, end in zip(*row, strict=True)]
        for text, row in zip(texts, spans, strict=True)
    ]
    flat = tf.constant([word.encode() for row in words for word in row])
    rows = tf.RaggedTensor.from_row_lengths(flat, list(map(len, words)))
    as_words = tokenizer.tokenize_words(rows)
    for name in ("ids", "unit", "first_of_unit", "first_of_pretoken"):
        assert getattr(tokens, name).to_list() == getattr(as_words, name).to_list(), name
    plain = {"is_pretokenized": True, "add_special_tokens": False}
    encodings = oracle.encode_batch(words, **plain)
    assert tokens.ids.to_list() == [encoding.ids for encoding in encodings]
    assert tokens.unit.to_list() == [encoding.word_ids for encoding in encodings]


def test_every_piece_has_the_span_of_its_unit_and_every_unit_a_piece(tokenizer):
    tokens = tokenizer.tokenize_text(tf.constant(TEXTS))
    starts, ends = tokens.unit_start.to_list(), tokens.unit_end.to_list()
    for row, units in enumerate(tokens.unit.to_list()):
        assert sorted(set(units)) == list(range(len(starts[row])))
        assert tokens.start.to_list()[row] == [starts[row][unit] for unit in units]
        assert tokens.end.to_list()[row] == [ends[row][unit] for unit in units]
        firsts = [unit not in units[:index] for index, unit in enumerate(units)]
        assert tokens.first_of_unit.to_list()[row] == firsts


def test_pretokens_are_gpt_2s(tokenizer):
    tokens = tokenizer.tokenize_words(tf.ragged.constant([["U.S.", "don't", "a1", "a b"]]))
    pretokens: list[list[str]] = [[], [], [], []]
    row = zip(tokens.ids[0], tokens.unit[0], tokens.first_of_pretoken[0], strict=True)
    for id, unit, first in row:
        piece = tokenizer.vocabulary[id]
        if first:
            pretokens[unit].append(piece)
        else:
            pretokens[unit][-1] += piece
    assert pretokens == [["ĠU", ".", "S", "."], ["Ġdon", "'t"], ["Ġa", "1"], ["Ġa", "Ġb"]]


def test_bytes_and_characters_name_the_same_units(tokenizer):
    tokens = tokenizer.tokenize_text(tf.constant(TEXTS))
    names = "unit_start", "unit_end", "unit_start_byte", "unit_end_byte"
    rows = [getattr(tokens, name).to_list() for name in names]
    for row, text in enumerate(TEXTS):
        for start, end, start_byte, end_byte in zip(*(part[row] for part in rows), strict=True):
            assert text[start:end].encode() == text.encode()[start_byte:end_byte]


def test_an_empty_word_has_no_piece_and_others_keep_their_numbers(tokenizer):
    words = tokenizer.tokenize_words(tf.ragged.constant([["a", "", " ", "b"], [], [""]]))
    assert set(words.unit.to_list()[0]) == {0, 2, 3}
    assert words.ids.row_lengths().numpy().tolist()[1:] == [0, 0]
    assert words.unit_start.to_list() == [[0, 2, 3, 5], [], [0]]
    assert words.unit_end.to_list() == [[1, 2, 4, 6], [], [0]]


def test_no_texts_and_no_words(tokenizer):
    none = tf.zeros([0], tf.string)
    assert tokenizer.tokenize_text(none).ids.to_list() == []
    rows = tf.RaggedTensor.from_row_splits(none, [0])
    assert tokenizer.tokenize_words(rows).unit_start.to_list() == []


@settings(max_examples=20)
@given(
    st.lists(
        st.binary(max_size=12)
        | st.text(max_size=8).map(lambda text: text.encode("utf-8", "ignore")),
        max_size=4,
    )
)
def test_any_bytes_give_units_inside_what_was_sent(texts):
    tokens = tokenize(tiny_bytes.tokenizer(), texts)
    starts, ends = tokens.unit_start_byte.to_list(), tokens.unit_end_byte.to_list()
    for text, begin, end in zip(texts, starts, ends, strict=True):
        borders = [border for span in zip(begin, end, strict=True) for border in span]
        assert borders == sorted(borders)
        assert not borders or 0 <= borders[0] < borders[-1] <= len(text)


def test_words_of_any_bytes_are_units_of_as_many(tokenizer):
    words = [b"\xff", b"", b"a\xc3", b"\xed\xa0\x80b", b"\xf0\x9f\x98 x", "é".encode()]
    rows = tf.RaggedTensor.from_row_lengths(tf.constant(words), [1] * len(words))
    tokens = tokenizer.tokenize_words(rows)
    assert tokens.unit_end_byte.to_list() == [[len(word)] for word in words]
    assert [len(row) > 0 for row in tokens.ids.to_list()] == [True, False, True, True, True, True]


def test_members_have_the_types_of_the_protocol(tokenizer):
    wanted = ours(lowercase=False).tokenize_text(tf.constant(["a b"]))
    words = tf.ragged.constant([["a", "b"]])
    for found in tokenizer.tokenize_text(tf.constant(["a b"])), tokenizer.tokenize_words(words):
        for ours_, theirs in zip(found, wanted, strict=True):
            assert (ours_.dtype, ours_.row_splits.dtype) == (theirs.dtype, theirs.row_splits.dtype)
