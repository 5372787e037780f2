"""The in-graph SentencePiece tokenizer against SentencePiece itself and XLMRobertaTokenizerFast.

Words are cut before and after each character of a script without spaces, which raw text has as a
unit, and such a character has no mark of its own before it. Ids of what is between equal
SentencePiece's for every string. Hugging Face's tokenizer cleans some strings in another
way than SentencePiece, and there alone ids differ from its own:

- It cleans grapheme by grapheme. Of a grapheme of several code points and less than six bytes
  whose begin is replaced, it drops the rest: `™` and an accent become `TM`, `e` and two accents
  become `ê`.
- It strips U+0085 from the end of a word.
- It finds special pieces, such as `<mask>`, in a text; `tiny_pieces.hugging_face` does not.
- Where the best two cuts of a word are the same pieces in another order, as `..` and `.` are of
  `…`, their scores are equal, and rounding decides: SentencePiece adds in 32 bits, it in 64.
"""

from __future__ import annotations

import json
import random
import unicodedata
from collections.abc import Callable

import pytest
import regex
import tensorflow as tf
import tiny_pieces
from bert_oracle import CODE_POINTS, ours, tokenize
from hypothesis import given
from hypothesis import strategies as st
from transformers import CamembertTokenizerFast, XLMRobertaTokenizerFast

from tfner.tokenizers import sentencepiece_model
from tfner.tokenizers.sentencepiece import SentencePieceTokenizer
from tfner.tokenizers.sentencepiece_model import PieceLayout

NEXT_LINE = "\x85"
HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df"
RARE_HAN = "\U0002a700-\U0002b73f\U0002b740-\U0002b81f\U0002b920-\U0002ceaf\U0002f800-\U0002fa1f"
KANA = "\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9f\U0001aff0-\U0001b16f"
ALONE = rf"[{HAN}{RARE_HAN}]|(?=\P{{P}})[{KANA}]"
TEXTS = [
    *tiny_pieces.SENTENCES.splitlines(),
    "The O'Brien's U.S. e-mail costs 1,234.50 €; yes--no... (@anna #oslo)",
    "",
    " \t\n",
    "a\u2581b \u2581 c \u2581\u2581d",
    "</s> <s> <mask> <pad><unk>x",
    "\u200b a\u200bb \x00 c\x00d \u200e \ufeff",
    "Ｆｕｌｌ ｗｉｄｔｈ ﬁ ½ ㍿ ㌔ İ",
]
WITH_SPACES = [line for line in tiny_pieces.SENTENCES.splitlines() if not regex.search(ALONE, line)]


@pytest.fixture(scope="module", params=["tiny", "real"])
def folder(request):
    """Give a checkpoint folder: the tiny one, and the real one where there is one."""
    if request.param == "tiny":
        return tiny_pieces.checkpoint()
    return request.getfixturevalue("multilingual_dir")


@pytest.fixture(scope="module")
def tokenizer(folder):
    return SentencePieceTokenizer.from_checkpoint(folder)


def ids_of_words(tokenizer, words: list[str]) -> list[list[int]]:
    """Ids of words, of which none is another's neighbour."""
    encoded = tf.constant([word.encode() for word in words])
    rows = tf.RaggedTensor.from_row_lengths(encoded, [1] * len(words))
    return tokenizer.tokenize_words(rows).ids.to_list()


def by_segments(ids_of: Callable, mark: int, words: list[str]) -> list[list[int]]:
    """Put together what an oracle gives for the segments of each word."""
    cut = [segments(word) for word in words]
    rows = iter(ids_of([segment for row in cut for segment in row]))

    def ids(segment: str) -> list[int]:
        first, *rest = next(rows) or [None]
        is_bare = first == mark and rest and regex.match(ALONE, segment)
        return rest if is_bare or first is None else [first, *rest]

    return [[id for segment in row for id in ids(segment)] for row in cut]


def segments(word: str) -> list[str]:
    """Cut a word as its characters would be units of raw text: Chinese ones and kana alone."""
    return [segment for segment in regex.split(f"({ALONE})", word) if segment]


def sentencepiece_ids(folder, words: list[str]) -> list[list[int]]:
    """Give what SentencePiece gives, numbered as XLM-R numbers."""
    processor = tiny_pieces.processor(folder)

    def ids_of(words: list[str]) -> list[list[int]]:
        return [[number + 1 if number else 3 for number in row] for row in processor.encode(words)]

    return by_segments(ids_of, processor.piece_to_id("▁") + 1, words)


def hugging_face_ids(oracle, words: list[str]) -> list[list[int]]:
    def ids_of(words: list[str]) -> list[list[int]]:
        rows = [[word] for word in words]
        found = oracle.encode_batch(rows, is_pretokenized=True, add_special_tokens=False)
        return [encoding.ids for encoding in found]

    return by_segments(ids_of, oracle.token_to_id("▁"), words)


def draw_words(count: int, seed: int) -> list[str]:
    """Random strings of many scripts, marks, symbols, special pieces and ordinary letters."""
    rng = random.Random(seed)
    ranges = [(1, 0x600), (1, 0x600), (1, 0x600), (0x600, 0x3400), (0x4E00, 0x4F00)]
    ranges += [(0xAC00, 0xAC80), (0xE000, 0xE010), (0xF900, 0x10000), (0x1D100, 0x1D200)]
    ranges += [(0x1F300, 0x1F700), (0x20000, 0x20010), (0xE0000, 0xE01F0)]
    pool = [chr(code) for low, high in ranges for code in range(low, high)]
    pool += [chr(code) for code in CODE_POINTS if unicodedata.combining(chr(code))]
    pool += list("abcABC .,'-[]") * 300
    pool += [*tiny_pieces.SPECIAL, "[SEP]", "\u200d", "\ufe0f", "각", "\u2581"] * 50
    return ["".join(rng.choices(pool, k=rng.randint(0, 12))) for _ in range(count)]


def differences(found: list, wanted: list, words: list[str]) -> list[str]:
    """Describe the words whose ids differ."""
    triples = zip(words, found, wanted, strict=True)
    return [f"{word!a}: {ours} {theirs}" for word, ours, theirs in triples if ours != theirs]


def is_one_grapheme_each(word: str) -> bool:
    return all(len(grapheme) == 1 for grapheme in regex.findall(r"\X", word))


def alone_and_between(code_points: list[int]) -> list[str]:
    """Make words of each code point, alone and between letters; but not the next line alone, which
    Hugging Face strips from the end.
    """
    alone = [chr(code) for code in code_points if chr(code) != NEXT_LINE]
    return alone + [f"a{chr(code)}b" for code in code_points]


def differ_in_more_than_order(found: list, wanted: list, words: list[str]) -> list[str]:
    """Describe the words whose ids differ in more than the order of the same pieces."""
    return differences(list(map(sorted, found)), list(map(sorted, wanted)), words)


# --- ids ------------------------------------------------------------------------------------------


def test_code_points_have_the_ids_of_hugging_face(folder, tokenizer):
    """Those that Unicode has assigned; the next test has all."""
    assigned = [code for code in CODE_POINTS if unicodedata.category(chr(code)) not in ("Cn", "Co")]
    letters = [code for code in assigned if not 0x4E00 <= code < 0xD7A4 and code < 0x20000]
    words = alone_and_between([*letters, *assigned[::29]])
    found = ids_of_words(tokenizer, words)
    theirs = hugging_face_ids(tiny_pieces.hugging_face(folder), words)
    assert differ_in_more_than_order(found, theirs, words)[:5] == []
    assert len(differences(found, theirs, words)) <= 2  # both are three full stops


@pytest.mark.slow
def test_every_code_point_has_the_ids_of_hugging_face(folder, tokenizer):
    words = alone_and_between(CODE_POINTS)
    found = ids_of_words(tokenizer, words)
    theirs = hugging_face_ids(tiny_pieces.hugging_face(folder), words)
    assert differ_in_more_than_order(found, theirs, words)[:5] == []
    assert len(differences(found, theirs, words)) <= 2  # both are three full stops


def test_random_words_have_the_ids_of_sentencepiece(folder, tokenizer):
    words = draw_words(20_000, seed=1)
    found = ids_of_words(tokenizer, words)
    assert differences(found, sentencepiece_ids(folder, words), words)[:5] == []


def test_random_words_have_the_ids_of_hugging_face_but_where_it_drops_marks(folder, tokenizer):
    words = draw_words(20_000, seed=2)
    words = [regex.sub(f"{NEXT_LINE}+(?={ALONE}|$)", "", word) for word in words]
    oracle = tiny_pieces.hugging_face(folder)
    itself = tiny_pieces.processor(folder)

    def is_cleaned_alike(word: str) -> bool:
        return all(map(is_segment_cleaned_alike, segments(word)))

    def is_segment_cleaned_alike(word: str) -> bool:
        theirs = oracle.normalizer.normalize_str(word).replace("▁", " ")
        return theirs.strip(" ") == itself.normalize(word).replace("▁", " ").strip(" ")

    plain = [word for word in words if is_one_grapheme_each(word)]
    assert len(plain) > 5_000
    assert all(map(is_cleaned_alike, plain))
    alike = [word for word in words if is_cleaned_alike(word)]
    assert 0.9 < len(alike) / len(words) < 1.0
    found = ids_of_words(tokenizer, alike)
    theirs = hugging_face_ids(oracle, alike)
    assert differ_in_more_than_order(found, theirs, alike)[:5] == []
    assert len(differences(found, theirs, alike)) < 10


def test_the_documented_differences_are_there(folder, tokenizer):
    oracle = tiny_pieces.hugging_face(folder)
    words = ["™\u0301x", "e\u0302\u0301", f"a{NEXT_LINE}"]
    found = ids_of_words(tokenizer, words)
    theirs = hugging_face_ids(oracle, words)
    assert found == sentencepiece_ids(folder, words)
    assert [ours == other for ours, other in zip(found, theirs, strict=True)] == [False] * 3


def test_given_words_have_what_hugging_face_gives_for_words(folder, tokenizer):
    sentences = [line.split() for line in WITH_SPACES]
    fast = XLMRobertaTokenizerFast(vocab_file=str(folder / tiny_pieces.MODEL_FILE))
    wanted = fast(sentences, is_split_into_words=True)
    tokens = tokenizer.tokenize_words(tf.ragged.constant(sentences))
    cls_id, sep_id = fast.cls_token_id, fast.sep_token_id
    assert [[cls_id, *row, sep_id] for row in tokens.ids.to_list()] == wanted["input_ids"]
    assert tokens.unit.to_list() == [wanted[row].word_ids[1:-1] for row in range(len(sentences))]
    ids = [getattr(fast, f"{name}_token_id") for name in ("cls", "sep", "pad", "unk", "mask")]
    assert ids == [
        getattr(tokenizer, f"{name}_id") for name in ("cls", "sep", "pad", "unk", "mask")
    ]
    assert list(tokenizer.vocabulary) == fast.convert_ids_to_tokens(range(len(fast)))


def test_special_pieces_in_a_text_are_ordinary_text(folder, tokenizer):
    special = {tokenizer.cls_id, tokenizer.sep_id, tokenizer.pad_id, tokenizer.mask_id}
    rows = ids_of_words(tokenizer, draw_words(5_000, seed=3))
    rows += tokenizer.tokenize_text(tf.constant(["<s> </s><pad> x<mask>y <unk>"])).ids.to_list()
    assert not special.intersection(id for row in rows for id in row)


# --- units ----------------------------------------------------------------------------------------


def test_units_are_those_of_the_word_rule(folder, tokenizer):
    texts = [text for text in TEXTS if "\u2581" not in text and not regex.search(ALONE, text)]
    wanted = ours(lowercase=False).tokenize_text(tf.constant(texts))
    found = tokenizer.tokenize_text(tf.constant(texts))
    for name in ("unit_start", "unit_end", "unit_start_byte", "unit_end_byte"):
        assert getattr(found, name).to_list() == getattr(wanted, name).to_list(), name


def test_characters_of_scripts_without_spaces_are_units_and_have_no_mark(tokenizer):
    text = "東京タワーでKai（3月）は、"
    tokens = tokenizer.tokenize_text(tf.constant([text]))
    spans = zip(tokens.unit_start[0], tokens.unit_end[0], strict=True)
    units = [text[int(start) : int(end)] for start, end in spans]
    assert units == [*"東京タワーで", "Kai", *"（3月）は、"]
    pieces = [tokenizer.vocabulary[number] for number in tokens.ids[0]]
    of_units = list(zip(tokens.unit[0].numpy().tolist(), pieces, strict=True))
    for number, unit in enumerate(units):
        first = next(piece for of, piece in of_units if of == number)
        is_marked = first.startswith("▁")
        assert is_marked != bool(regex.match(ALONE, unit)) or (is_marked and len(first) > 1)


def test_words_of_such_scripts_are_cut_into_characters_with_their_spans(tokenizer):
    words = tf.ragged.constant([["a", "東京Kai", "", "で"]])
    tokens = tokenizer.tokenize_words(words)
    found = [tokens.unit, tokens.start, tokens.end, tokens.first_of_unit, tokens.first_of_pretoken]
    rows = sorted(set(zip(*(row.to_list()[0] for row in found), strict=True)))
    firsts = [row for row in rows if row[-1]]
    assert firsts == [
        (0, 0, 1, True, True),
        (1, 2, 3, True, True),
        (1, 3, 4, False, True),
        (1, 4, 7, False, True),
        (3, 9, 10, True, True),
    ]
    assert tokens.unit_start.to_list() == [[0, 2, 8, 9]]
    assert tokens.unit_end.to_list() == [[1, 7, 8, 10]]


def test_units_of_raw_text_have_the_pieces_that_they_have_as_given_words(folder, tokenizer):
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


def test_every_piece_has_the_span_of_its_unit_and_every_unit_a_piece(tokenizer):
    tokens = tokenizer.tokenize_text(tf.constant(TEXTS))
    starts, ends = tokens.unit_start.to_list(), tokens.unit_end.to_list()
    for row, units in enumerate(tokens.unit.to_list()):
        assert sorted(set(units)) == list(range(len(starts[row])))
        assert tokens.start.to_list()[row] == [starts[row][unit] for unit in units]
        assert tokens.end.to_list()[row] == [ends[row][unit] for unit in units]
        firsts = [unit not in units[:index] for index, unit in enumerate(units)]
        assert tokens.first_of_unit.to_list()[row] == firsts


def test_bytes_and_characters_name_the_same_units(tokenizer):
    tokens = tokenizer.tokenize_text(tf.constant(TEXTS))
    for row, text in enumerate(TEXTS):
        names = "unit_start", "unit_end", "unit_start_byte", "unit_end_byte"
        spans = zip(*(getattr(tokens, name).to_list()[row] for name in names), strict=True)
        for start, end, start_byte, end_byte in spans:
            assert text[start:end].encode() == text.encode()[start_byte:end_byte]


def test_what_is_cleaned_away_is_no_unit_of_a_text_and_a_word_without_piece(tokenizer):
    text = tokenizer.tokenize_text(tf.constant(["a \u2581 b", "\u2581"]))
    assert text.unit_start.to_list() == [[0, 4], []]
    assert text.unit.to_list()[0] == [0] * (len(text.unit[0]) - 1) + [1]
    words = tokenizer.tokenize_words(tf.ragged.constant([["a", "\u2581", "", "b"], ["\u2581"]]))
    assert words.ids.to_list() == text.ids.to_list()
    assert set(words.unit.to_list()[0]) == {0, 3}
    assert words.unit_start.to_list() == [[0, 2, 4, 5], [0]]
    assert words.unit_end.to_list() == [[1, 3, 4, 6], [1]]
    assert words.unit_start_byte.to_list() == [[0, 2, 6, 7], [0]]
    assert words.unit_end_byte.to_list() == [[1, 5, 6, 8], [3]]


def test_neighbours_change_no_piece(tokenizer):
    words = TEXTS[0].split()
    together = tokenizer.tokenize_words(tf.ragged.constant([words])).ids.to_list()[0]
    assert together == [id for row in ids_of_words(tokenizer, words) for id in row]


@given(
    st.lists(
        st.binary(max_size=12)
        | st.text(max_size=8).map(lambda text: text.encode("utf-8", "ignore")),
        max_size=4,
    )
)
def test_any_bytes_give_units_inside_what_was_sent(texts):
    tokens = tokenize(tiny_pieces.tokenizer(), texts)
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
    texts = tokenizer.tokenize_text(tf.constant(words))
    assert [len(row) > 0 for row in texts.ids.to_list()] == [False, False, True, True, True, True]


def test_members_have_the_types_of_the_protocol(tokenizer):
    wanted = ours(lowercase=False).tokenize_text(tf.constant(["a b"]))
    words = tf.ragged.constant([["a", "b"]])
    for found in tokenizer.tokenize_text(tf.constant(["a b"])), tokenizer.tokenize_words(words):
        for ours_, theirs in zip(found, wanted, strict=True):
            assert (ours_.dtype, ours_.row_splits.dtype) == (theirs.dtype, theirs.row_splits.dtype)


# --- other families -------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["class", "model"])
def test_camembert_by_its_class_or_by_its_model_alone(tmp_path, by):
    kind, model = ("CamembertTokenizer", "bert") if by == "class" else ("", "camembert")
    folder = tiny_pieces.write_pieces(tmp_path, tokenizer_class=kind)
    config = {"model_type": model, "vocab_size": tiny_pieces.pieces() + 3}
    (folder / "config.json").write_text(json.dumps(config))
    tokenizer = SentencePieceTokenizer.from_checkpoint(folder)
    fast = CamembertTokenizerFast(vocab_file=str(folder / tiny_pieces.MODEL_FILE))
    assert list(tokenizer.vocabulary) == fast.convert_ids_to_tokens(range(len(fast)))
    special = fast.cls_token_id, fast.sep_token_id, fast.pad_token_id, fast.unk_token_id
    assert (tokenizer.cls_id, tokenizer.sep_id, tokenizer.pad_id, tokenizer.unk_id) == special
    sentences = [line.split() for line in [*WITH_SPACES, "\u16a0 a\u16a0"]]
    wanted = fast(sentences, is_split_into_words=True)["input_ids"]
    assert any(3 in row for row in wanted)
    tokens = tokenizer.tokenize_words(tf.ragged.constant(sentences))
    found = [[tokenizer.cls_id, *row, tokenizer.sep_id] for row in tokens.ids.to_list()]
    assert found == wanted
    assert tokenizer.fingerprint() != tiny_pieces.tokenizer().fingerprint()


def test_a_family_is_an_entry_of_a_table(monkeypatch, tmp_path):
    layout = PieceLayout(before=("<pad>", "<unk>", "<s>", "</s>", "<unused>"), shift=2)
    monkeypatch.setitem(sentencepiece_model.LAYOUTS, "StrangeTokenizer", layout)
    folder = tiny_pieces.write_pieces(tmp_path, tokenizer_class="StrangeTokenizer")
    tokenizer = SentencePieceTokenizer.from_checkpoint(folder)
    assert tokenizer.vocabulary[:5] == layout.before
    words = tiny_pieces.SENTENCES.split()
    known = tiny_pieces.tokenizer()
    wanted = [[known.vocabulary[id] for id in row] for row in ids_of_words(known, words)]
    found = [[tokenizer.vocabulary[id] for id in row] for row in ids_of_words(tokenizer, words)]
    assert found == wanted
