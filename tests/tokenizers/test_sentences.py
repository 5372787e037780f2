"""Sentences of raw text begin where a reader would say, and the same in any batch."""

from __future__ import annotations

import re

import pytest
import tensorflow as tf
import tiny
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tfner.tokenizers.sentence_marks import ENDS, WIDE_ENDS
from tfner.tokenizers.sentences import (
    ABBREVIATIONS,
    BRACKETS,
    CLOSERS,
    OPENERS,
    cut_sentences,
    sentence_begins,
)
from tfner.tokenizers.unit_tokens import UnitFinder, UnitPieces

finder = UnitFinder()

# Where each sentence begins stands a bar.
TEXTS = [
    "Mara left. |Bo stayed.",
    "Did she? |Yes! |He ran… |Then he fell.",
    "Mara left . |Bo stayed .",
    'He said "Go." |Then (she went.) |Nobody saw.',
    'Mara left. |"Bo stayed," he said. |(So he did.)',
    "In the U.S. Bo met J. Moss. |They left.",
    "Dr. Moss met Mrs. Lund. |Prof. Ek came.",
    "Acme Inc. Paris is no bank. |Bo runs it.",
    "Am 3. Oktober nach Art. 5 GG. |Ludwig XIV. Schloss.",
    "See p. 5 and No. 712. |It was in 1999. |The end.",
    "He had no. |Bo had one of 12. Mara had none.",
    "well... maybe. then yes. |Or no?! |So.",
    "e.g. this. www.acme.com is up. |Www.acme.com and v1.2.3 too.",
    "Wow!!! |What?! |Hi.",
    "今日は。|東京へ。|明日",
    "「はい。」と言った。|明日！|「さあ」",
    "A title\n\n|the text",
    "A title\r\n\r\n|the text",
    "A title\r\r|the text",
    "A title\r\nthe text",
    "She met Tomas\n\fBerg and left",
    "She met Tomas \f\nBerg and left",
    "She met Tomas\n\n\f|Berg and left",
    "She met Tomas\n\f\n|Berg and left",
    "She met Tomas \f\f |Berg and left",
    "She met Tomas \x85\x85 |Berg and left",
    "Dear Mara\u2028|We met Bo\u2029|Yours truly, and with love\u2028Bo",
    "Dear Mara \f |We met Bo \v |Yours\r|Lund and Moss, in their house",
    "The road runs from the town to New\nYork, and on to the house that Mr\nSmith has.\n|So do I",
    "Dear Bo\n|We met in Oslo last night and walked to the river.\n|Yours\n|Mara",
    "river, which runs to the sea, and\nthe road along it",
    "one\ntwo",
    "Mara\nLund",
    "",
    "   \n\n ",
    "\n\nMara left.\n\n\n|Bo",
    '. |Mara. |"',
    '"',
    "Ω left. |Ωμέγα stayed. έμεινε",
    "``Go left.'' |Then Bo came.",
    "He said (that she (Mara) left.)) |Then Bo came.",
    "He left. ``then ((he did. |(( Bo did.",
    "He left . . . |Bo came . . . |Now !",
    "Wow ! ! ! |Bo came ? ? |No",
    "(He left . ) |Bo",
    "Warner Bros. Pictures on Main Ave. North.",
    f"{'long' * 9}. |{'Word' * 9}. {'word' * 9}",
]


def flat_text(marked: str) -> str:
    return marked.replace("|", "")


def bars(text: str, begins: list[bool], starts: list[int]) -> str:
    """Put a bar before each sentence but the first."""
    positions = [start for start, is_begin in zip(starts, begins, strict=True) if is_begin][1:]
    for position in reversed(positions):
        text = f"{text[:position]}|{text[position:]}"
    return text


def tokenize(texts: list[str]):
    """Find the units of texts by the rule that all tokenizers follow; each has one piece."""

    def cut(code_N, splits):
        units = tf.size(splits) - 1
        return UnitPieces(tf.range(units), tf.range(units + 1), tf.fill([units], True))

    text_B = tf.constant([text.encode() for text in texts], tf.string)
    return text_B, finder.tokenize_text(text_B, cut)


def find_bars(texts: list[str]) -> list[str]:
    text_B, tokens = tokenize(texts)
    rows = sentence_begins(text_B, tokens).to_list()
    starts = tokens.unit_start.to_list()
    return list(map(bars, texts, rows, starts))


@pytest.mark.parametrize("marked", TEXTS)
def test_sentences_begin_where_a_reader_would_say(marked):
    assert find_bars([flat_text(marked)]) == [marked]


def test_other_texts_of_a_batch_change_nothing():
    assert find_bars(list(map(flat_text, TEXTS))) == TEXTS


def line_ends(gap: str) -> int:
    lines = "\n\r\v\x85\u2028\u2029"
    gap = re.sub(f"(?<=[{lines}])\f|\f(?=[{lines}])", "", gap)
    return len(re.findall(f"\r\n|[{lines}\f]", gap))


def slow_begins(text: str, spans: list[tuple[int, int]]) -> list[bool]:
    """The rule, read off its description unit by unit."""

    def is_run_of(marks: str, number: int) -> bool:
        unit = text[slice(*spans[number])]
        return unit[0] in marks and unit[0] == unit[-1]

    def goes_on(number: int, anchor: int | None) -> bool:
        behind = number
        while behind < len(spans) and is_run_of(OPENERS, behind):
            behind += 1
        behind = number if behind == len(spans) else behind
        after = text[slice(*spans[behind])]
        if after[0].islower():
            return True
        if anchor is None or text[slice(*spans[anchor])] != ".":
            return False
        if anchor == 0 or spans[anchor - 1][1] != spans[anchor][0]:
            return False
        word = text[slice(*spans[anchor - 1])]
        known = word.lower() in ABBREVIATIONS.split("|")
        number_like = re.fullmatch(r"[0-9]{1,2}|[IVXLC]+", word)
        short = len(word) <= 4 and word.isalpha() and after[0] in "0123456789"
        return bool(known or number_like or short)

    def is_end(number: int) -> bool:
        return text[spans[number][0]] in ENDS

    def closes(number: int) -> bool:
        return is_run_of(CLOSERS, number)

    def touches(number: int) -> bool:
        return spans[number - 1][1] == spans[number][0]

    def had_room(number: int) -> bool:
        lines = [[]]
        line_of = {}
        for each, (start, _) in enumerate(spans):
            if each and line_ends(text[spans[each - 1][1] : start]):
                lines.append([])
            lines[-1].append(each)
            line_of[each] = len(lines) - 1
        length = [spans[line[-1]][1] - spans[line[0]][0] for line in lines]
        end = number
        while end + 1 < len(spans) and touches(end + 1):
            end += 1
        word = spans[end][1] - spans[number][0]
        return length[line_of[number] - 1] + 1 + word <= max(length)

    begins = []
    for number, (start, _) in enumerate(spans):
        if number == 0:
            begins.append(True)
            continue
        gap = text[spans[number - 1][1] : start]
        anchor = number - 1
        while anchor > 0 and (is_run_of(BRACKETS, anchor) or (closes(anchor) and touches(anchor))):
            anchor -= 1
        parted = bool(gap) or (text[spans[number - 1][0]] in WIDE_ENDS and not closes(number))
        belongs_before = is_end(number) or text[start] in BRACKETS
        ended = is_end(anchor) and parted and not belongs_before
        if line_ends(gap) > 1:
            begins.append(True)
        elif ended or (line_ends(gap) and had_room(number)):
            begins.append(not goes_on(number, anchor))
        else:
            begins.append(False)
    return begins


words = st.sampled_from(
    [
        "Mara",
        "left",
        "Dr",
        "U.S.",
        "3",
        "XIV",
        "art",
        "東京",
        "e-mail",
        "Å",
        "ß",
        "''",
        "``",
        "))",
        *".!?…。\"'()「」,",
    ]
)
gaps = st.sampled_from(
    ["", "", " ", " ", "\n", "\n\n", " \n ", "\r", "\r\n", " \f", "\n\f", "\f\n", "\u2028"]
)
texts = st.lists(st.tuples(words, gaps).map("".join), max_size=14).map("".join)


@settings(max_examples=150)
@given(st.lists(texts, min_size=1, max_size=4))
@example(['. "', "left"])
@example(["", 'Dr. "Mara', "\n\nleft"])
def test_the_rule_is_what_its_description_says(batch):
    text_B, tokens = tokenize(batch)
    found = sentence_begins(text_B, tokens).to_list()
    for text, begins, starts, ends in zip(
        batch, found, tokens.unit_start.to_list(), tokens.unit_end.to_list(), strict=True
    ):
        assert begins == slow_begins(text, list(zip(starts, ends, strict=True)))


def test_pieces_are_cut_where_sentences_begin():
    texts = tf.constant(["annason left. Boris", " ", "oslo"])
    tokenizer = tiny.tokenizer()
    tokens = tokenizer.tokenize_text(texts)
    sentences = cut_sentences(texts, tokens)
    first, second = tokens.ids[0], tokens.ids[2]
    boris = int(tokenizer.vocabulary.index("boris"))
    assert sentences.ids.to_list() == [
        first[:-1].numpy().tolist(),
        [boris],
        second.numpy().tolist(),
    ]
    assert sentences.ids.values.numpy().tolist() == tokens.ids.values.numpy().tolist()
    assert sentences.first_of_unit.values.numpy().tolist() == (
        tokens.first_of_unit.values.numpy().tolist()
    )
    assert sentences.units.numpy().tolist() == [3, 1, 1]


def test_bytes_that_are_no_utf_8_are_read_as_any_others():
    text_B = tf.constant([b"Mara \xff. \xfe\xfe left. Bo", b"\xf0"])
    tokens = tiny.tokenizer().tokenize_text(text_B)
    begins = sentence_begins(text_B, tokens)
    assert begins.row_lengths().numpy().tolist() == tokens.unit_start.row_lengths().numpy().tolist()
    assert [row[:1] for row in begins.to_list()] == [
        [True] * bool(len(row)) for row in tokens.unit_start.to_list()
    ]


def test_no_sentence_of_a_long_text_copies_it():
    sentence = "Mara left the old house. "
    text_B, tokens = tokenize([sentence * 20_000])
    begins = sentence_begins(text_B, tokens).values.numpy()
    assert begins.sum() == 20_000
    function = tf.function(sentence_begins).get_concrete_function(text_B, tokens)
    # a string that is cut from a text copies it where TensorFlow holds the text's bytes
    assert "Substr" not in {operation.type for operation in function.graph.get_operations()}


def test_no_text_has_no_sentence():
    none = tf.constant([], tf.string)
    sentences = cut_sentences(none, tiny.tokenizer().tokenize_text(none))
    assert sentences.ids.to_list() == []
    assert sentences.units.numpy().tolist() == []
