"""What BERT's text cleaning does to each code point, read off the Hugging Face normalizer and pre-tokenizer themselves.

The result is a table that the graph gathers from. Every code point has one int32 entry:

    bits 0-3    its class, one of those named below
    bits 4-6    of EXPANDED: how many code points come out
    bits 8-28   the code point that comes out XOR the code point itself; of EXPANDED: where the result begins in `expansions`
    bit  31     set for RARE classes, so that the least entry of a batch tells whether it needs more than a look-up

Differences, not code points, are stored so that the many blocks of unchanged characters are one block.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from tfner.tokenizers.combining import combining_classes

# Letters join into pre-tokens; UNDERSCORE to CJK are pre-tokens of their own, told apart for the word rule; SPACE parts them.
(
    LETTER,
    DIGIT,
    UNDERSCORE,
    FULL_STOP,
    HYPHEN,
    APOSTROPHE,
    SIGIL,
    PUNCTUATION,
    COMMA,
    SEPARATOR,
    CJK,
    SPACE,
) = range(12)
# Rare: EXPANDED becomes several letters. A KEPT_MARK may change places with its neighbours. A LOST_MARK is an accent that is stripped:
# nothing comes out, but it belongs to the character before it. A DELETED character belongs to nothing.
EXPANDED, KEPT_MARK, LOST_MARK, DELETED = range(12, 16)
CLASS_MASK = 15
COUNT_SHIFT, COUNT_MASK = 4, 7
VALUE_SHIFT, VALUE_MASK = 8, (1 << 21) - 1
RARE = -(1 << 31)
BLOCK_SHIFT = 6
BLOCK_MASK = (1 << BLOCK_SHIFT) - 1

# Characters that the word rule treats in a way of their own: those of SEPARATOR part words even where no space stands.
SEPARATORS = ';!?"()[]{}<>«»“”„‟‹›…¡¿،؛؟।॥‼⁇⁈⁉、。〈〉《》「」『』【】〔〕〖〗〘〙〚〛〝〞〟！＂（），：；？［］｛｝｟｠｡｢｣､'

MEMBERS = {
    DIGIT: "0123456789",
    UNDERSCORE: "_",
    FULL_STOP: ".",
    HYPHEN: "-",
    APOSTROPHE: "'’",
    SIGIL: "@#",
    COMMA: ",",
    SEPARATOR: SEPARATORS,
}

CODE_POINTS = 0x110000
PLANE = 0x10000
# Planes that Unicode has put single characters in. The others are unassigned or for private use throughout, but for the two
# noncharacters at their ends, so the first code point speaks for its plane; the test that compares every code point would notice.
MIXED_PLANES = (0, 1, 2, 3, 14)
UNIFORM_PLANES = tuple(plane for plane in range(17) if plane not in MIXED_PLANES)
SURROGATES = range(0xD800, 0xE000)
DELIMITER = ord("0")  # nothing else decomposes to, or is lowered to, a zero


@dataclass(frozen=True)
class CharacterTable:
    """Two-level table, int32: the entry of c is `blocks[index[c >> BLOCK_SHIFT] + (c & BLOCK_MASK)]`.

    `index` holds places in `blocks`, `expansions` code points.
    """

    index: np.ndarray
    blocks: np.ndarray
    expansions: np.ndarray

    @property
    def nbytes(self) -> int:
        """Bytes of the three arrays."""
        return self.index.nbytes + self.blocks.nbytes + self.expansions.nbytes


@functools.lru_cache(maxsize=8)
def character_table(
    *, lowercase: bool, strip_accents: bool, tokenize_chinese_chars: bool, clean_text: bool
) -> CharacterTable:
    """Build the table for one setting of BERT's normalizer; a repeated call returns the same table."""

    code_points = probed_code_points()
    results = normalize_each(
        BertNormalizer(clean_text, tokenize_chinese_chars, strip_accents, lowercase), code_points
    )
    vanished = np.flatnonzero(results.lengths == 0)
    unstripped = normalize_each(
        BertNormalizer(clean_text, tokenize_chinese_chars, False, lowercase), code_points[vanished]
    )
    accents = vanished[unstripped.lengths > 0]
    movable = np.flatnonzero(np.isin(code_points, combining_classes()[0] if strip_accents else ()))
    classes = classify(code_points, results, accents=accents, movable=movable)
    entries, expansions = pack(code_points, results, classes)
    return compress(spread(entries, code_points), expansions)


def probed_code_points() -> np.ndarray:
    """The code points that are put to the normalizer: whole mixed planes without surrogates, three of every other plane."""
    mixed = [np.arange(plane * PLANE, (plane + 1) * PLANE) for plane in MIXED_PLANES]
    uniform = [plane * PLANE + np.array([0, PLANE - 2, PLANE - 1]) for plane in UNIFORM_PLANES]
    code_points = np.sort(np.concatenate(mixed + uniform))
    return code_points[(code_points < SURROGATES.start) | (code_points >= SURROGATES.stop)]


@dataclass(frozen=True)
class Normalized:
    """What each of many code points becomes: result i is `values[starts[i] : starts[i] + lengths[i]]`; `cjk` was put between spaces."""

    values: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    cjk: np.ndarray

    @property
    def first(self) -> np.ndarray:
        """The first code point of each result; anything where the result is empty."""
        return self.values[self.starts]


def normalize_each(normalizer: BertNormalizer, code_points: np.ndarray) -> Normalized:
    """Normalize each code point by itself, all in one call, with a zero before and after each."""
    values = decode(normalizer.normalize_str(encode(delimited(code_points))))
    zeros = np.flatnonzero(values == DELIMITER)
    zeros = np.delete(
        zeros, np.flatnonzero(code_points == DELIMITER) + 1
    )  # the zero that is itself among those probed
    starts, lengths = zeros[:-1] + 1, np.diff(zeros) - 1
    cjk = (lengths > 2) & (values[starts] == ord(" "))
    return Normalized(values, starts + cjk, lengths - 2 * cjk, cjk)


def delimited(code_points: np.ndarray) -> np.ndarray:
    """(n,) -> (2n + 1,): a zero before, between and after the code points."""
    result = np.full(2 * len(code_points) + 1, DELIMITER)
    result[1::2] = code_points
    return result


def encode(code_points: np.ndarray) -> str:
    return code_points.astype("<u4").tobytes().decode("utf-32-le")


def decode(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le"), "<u4").astype(np.int64)


def classify(
    code_points: np.ndarray, results: Normalized, *, accents: np.ndarray, movable: np.ndarray
) -> np.ndarray:
    """The class of each probed code point; `accents` are the places of those that are stripped, `movable` of those NFD may sort."""
    distinct, inverse = np.unique(results.first, return_inverse=True)
    classes = cut_by_pre_tokenizer(distinct)[inverse]
    classes[movable] = KEPT_MARK
    for kind, members in MEMBERS.items():
        expected = LETTER if kind == DIGIT else PUNCTUATION
        classes[(classes == expected) & np.isin(code_points, decode(members))] = kind
    classes[results.cjk] = CJK
    classes[results.lengths > 1] = EXPANDED
    classes[results.lengths == 0] = DELETED
    classes[accents] = LOST_MARK
    return classes


def cut_by_pre_tokenizer(code_points: np.ndarray) -> np.ndarray:
    """LETTER, SPACE or PUNCTUATION for each code point, as BertPreTokenizer cuts them out of a row of zeros."""
    classes = np.full(len(code_points), SPACE)
    for _, (start, end) in BertPreTokenizer().pre_tokenize_str(encode(delimited(code_points))):
        alone = end - start == 1 and start % 2 == 1  # the i-th stands at 2 i + 1
        classes[start // 2 : end // 2] = PUNCTUATION if alone else LETTER
    return classes


def pack(
    code_points: np.ndarray, results: Normalized, classes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Entries of the probed code points, int32, and the expansions that they point into."""
    expanded = np.flatnonzero(classes == EXPANDED)
    lengths = results.lengths[expanded]
    kept = (classes != SPACE) & (results.lengths == 1)
    values = np.where(kept, results.first ^ code_points, 0)
    values[expanded] = np.cumsum(lengths) - lengths
    entries = classes | (values << VALUE_SHIFT) | np.where(classes > SPACE, RARE, 0)
    entries[expanded] |= lengths << COUNT_SHIFT
    places = [
        results.values[start : start + length]
        for start, length in zip(results.starts[expanded], lengths, strict=True)
    ]
    return entries.astype(np.int32), np.concatenate([*places, [0]]).astype(
        np.int32
    )  # one more, so that there is something to gather


def spread(entries: np.ndarray, code_points: np.ndarray) -> np.ndarray:
    """(probed,) -> (CODE_POINTS,): uniform planes repeat their first entry. Surrogates, which no decoded text holds, stay letters."""
    result = np.zeros(CODE_POINTS, np.int32)
    result[code_points] = entries
    for plane in UNIFORM_PLANES:
        result[plane * PLANE : (plane + 1) * PLANE - 2] = result[plane * PLANE]
    return result


def compress(entries: np.ndarray, expansions: np.ndarray) -> CharacterTable:
    """Store each distinct block once."""
    rows = entries.reshape(-1, BLOCK_MASK + 1)
    _, first, inverse = np.unique(
        rows.view(f"V{rows.itemsize * rows.shape[1]}"), return_index=True, return_inverse=True
    )
    return CharacterTable(
        (inverse.reshape(-1) << BLOCK_SHIFT).astype(np.int32), rows[first].reshape(-1), expansions
    )
