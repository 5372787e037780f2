"""The tokenizer's text path in graph, for any bytes.

Pieces as BertTokenizerFast gives them, units as the slow word rule does.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import tensorflow as tf
from bert_oracle import hugging_face, ours, tokenize, vocabulary, write_vocabulary
from slow_units import reference_units

from tfner.tokenizers.characters import (
    BLOCK_MASK,
    BLOCK_SHIFT,
    CLASS_MASK,
    KEPT_MARK,
    character_table,
)

# One character at least of every class that the graph tells apart, and of every way in which text
# is odd.
ALPHABET = (
    "aAbSsdlrvexHg019_.-,'’@#;!?\"()[]{}«»“”…¡、。「」！ "
    "\t\n\r\0\xa0\u3000\u2028\x85€+=<>|^~`$%&*:/\\中東京\u4e00\U00020000가각ㄱ"
    "éÉßſﬁ½İıŒДдГאבגहि์\u0301\u0302\u0323\u0315\u0345\u0f73\u0f71\u302e\u1dfa\u200d\u200e\ufe0f\u202e\ufffd\ue000\U000e0001\U0001f600😀"
    "👩🏽\U0001d15e\U0001d165ª²ﷺ\U0001fb93"
)
SPECIAL = ("[SEP]", "[PAD]", "[CLS]", "[UNK]", "##ing")
SNIPPETS = (
    *SPECIAL,
    "U.S.",
    "O'Neil's",
    "'ll",
    "..",
    "--",
    "1,000",
    "@a_b",
    "#1",
    "a" * 101,
    "각" * 34,
    "the",
)
NOTES = frozenset(
    chr(code) for code in (*range(0x1D15E, 0x1D165), *range(0x1D1BB, 0x1D1C1))
)  # see test_tokenizer
SEPARATOR = b"\n\n"
MOST_TEXTS = 8

WORDS = (*ALPHABET, *SNIPPETS)
INVALID = (
    b"ab \xff cd",
    b"a\xe4b",
    b"\xc3",
    b"x \xed\xa0\x80 y",
    b"caf\xc3\xa9 \xfe\xfe caf\xc3",
    b"\xf0\x9f\x98 a",
)
CODES = ((0x61, 0x301, 0x1F600), (0x10FFFF, 0xD800, 0xAC01))
SEEDS = [
    *(
        b"\0" + text.encode()
        for text in (
            "The abc, e.g. 'U.S.' é中",
            *SNIPPETS,
            "x\n\ny",
            "\u0301a\u200e \u0301",
            "각e\u0301\u302e\n\n",
        )
    ),
    *(bytes([1, *range(start, start + 16)]) for start in range(0, len(ALPHABET), 12)),
    *(bytes([2]) + b"".join(code.to_bytes(3, "little") for code in codes) for codes in CODES),
    *(b"\0" + sent for sent in INVALID),
]


def text_of(data: bytes) -> bytes:
    """An input's first byte says how the rest spells text.

    As it is, each byte a place in ALPHABET, or three bytes a code point.
    """
    how, rest = data[0] % 3 if data else 0, data[1:]
    if how == 0:
        return rest
    if how == 1:
        return "".join(ALPHABET[byte % len(ALPHABET)] for byte in rest).encode()
    codes = [
        int.from_bytes(rest[place : place + 3], "little") % 0x110000
        for place in range(0, len(rest) - 2, 3)
    ]
    return "".join(map(chr, codes)).encode("utf-8", "surrogatepass")


def texts_of(data: bytes) -> list[bytes]:
    return text_of(data).split(SEPARATOR, MOST_TEXTS - 1)


@functools.cache
def oracle():
    with tempfile.TemporaryDirectory() as place:
        return hugging_face(write_vocabulary(Path(place), vocabulary()))


def text(data: bytes) -> None:
    """Texts side by side in one batch.

    Ids, offsets, units, and the units' places in bytes, which hold for invalid UTF-8 too.
    """
    sent = texts_of(data)
    decoded = [one.decode("utf-8", "replace") for one in sent]
    ids, starts, ends, *_, unit_starts, unit_ends, first_bytes, last_bytes = map(
        rows_of, tokenize(ours(lowercase=True), sent)
    )
    expected = oracle()._tokenizer.encode_batch(decoded, add_special_tokens=False)
    for row, (one, characters) in enumerate(zip(sent, decoded, strict=True)):
        check(ids[row] == expected[row].ids, (characters, ids[row], expected[row].ids))
        pieces = list(zip(starts[row], ends[row], strict=True))
        check(
            bool(NOTES & set(characters)) or pieces == expected[row].offsets,
            (characters, pieces, expected[row].offsets),
        )
        units = list(zip(unit_starts[row], unit_ends[row], strict=True))
        check_units(characters, units)
        places = zip(first_bytes[row], last_bytes[row], strict=True)
        spelled = [one[first:last].decode("utf-8", "replace") for first, last in places]
        check(spelled == [characters[start:end] for start, end in units], (one, spelled))


def check_units(characters: str, units: list[tuple[int, int]]) -> None:
    """Units stand one after the other.

    Where no mark changes places with its neighbours they are those of the slow rule.
    """
    borders = [0, *(border for unit in units for border in unit), len(characters)]
    check(
        borders == sorted(borders) and all(start < end for start, end in units), (characters, units)
    )
    if not any(class_of(ord(character)) == KEPT_MARK for character in characters):
        expected = reference_units(characters)
        check(units == expected, (characters, units, expected))


def rows_of(values: tf.RaggedTensor) -> list[list[int]]:
    flat, splits = values.values.numpy().tolist(), values.row_splits.numpy().tolist()
    return [flat[begin:end] for begin, end in pairwise(splits)]


def check(holds: bool, what: object) -> None:
    assert holds, what


def words(data: bytes) -> None:
    """Given words, one row a text: each has the pieces that it has alone, in a place of its own."""
    rows = [[word.decode("utf-8", "replace") for word in one.split(b" ")] for one in texts_of(data)]
    ids, starts, ends, units, *_, unit_starts, unit_ends, _, _ = map(rows_of, tokenize_words(rows))
    for number, row in enumerate(rows):
        expected = oracle()._tokenizer.encode(row, is_pretokenized=True, add_special_tokens=False)
        check(ids[number] == expected.ids, (row, ids[number], expected.ids))
        check(units[number] == expected.word_ids, (row, units[number]))
        origins = [unit_starts[number][unit] for unit in units[number]]
        found = [
            (start - origin, end - origin)
            for start, end, origin in zip(starts[number], ends[number], origins, strict=True)
        ]
        check(bool(NOTES & set("".join(row))) or found == expected.offsets, (row, found))
        places = zip(unit_starts[number], unit_ends[number], strict=True)
        check([" ".join(row)[start:end] for start, end in places] == row, row)


def tokenize_words(rows: list[list[str]]):
    flat = tf.constant([word.encode() for row in rows for word in row], tf.string)
    return compiled_words()(
        tf.RaggedTensor.from_row_lengths(flat, tf.constant([len(row) for row in rows], tf.int64))
    )


@functools.cache
def compiled_words():
    return tf.function(
        ours(lowercase=True).tokenize_words,
        input_signature=[tf.RaggedTensorSpec([None, None], tf.string)],
    )


@functools.cache
def classes() -> tuple[list[int], list[int]]:
    table = character_table(
        lowercase=True, strip_accents=True, tokenize_chinese_chars=True, clean_text=True
    )
    return table.index.tolist(), (table.blocks & CLASS_MASK).tolist()


def class_of(code: int) -> int:
    index, blocks = classes()
    return blocks[index[code >> BLOCK_SHIFT] + (code & BLOCK_MASK)]


class ClassGuide:
    """Make known to the fuzzer which neighbourhoods of three classes a text has.

    The graph's branches are out of its sight. One function, instrumented by itself, stands for each
    neighbourhood, and is called where that occurs.
    """

    def __init__(self, instrument: Callable[[Callable[[], None]], Callable[[], None]]):
        self._calls = [instrument(eval("lambda: None")) for _ in range((CLASS_MASK + 1) ** 3)]

    def __call__(self, data: bytes) -> None:
        for one in texts_of(data):
            before = last = 0
            for character in one.decode("utf-8", "replace"):
                kind = class_of(ord(character))
                self._calls[(before * (CLASS_MASK + 1) + last) * (CLASS_MASK + 1) + kind]()
                before, last = last, kind
