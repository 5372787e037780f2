"""What BERT's text cleaning does to each code point, read off the Hugging Face normalizer and pre-tokenizer themselves.

The result is a table that the graph can gather from. Every code point has one int32 entry:

    bits 0-1   kind of what comes out: LETTER, SPACE, PUNCTUATION (a pre-token of its own) or CJK (likewise)
    bits 2-4   how many code points come out; 0 for white space and for what is deleted
    bit  5     MARK: a combining mark that is deleted, so it belongs to the character before it
    bits 8-31  if one comes out: its distance from the code point itself; if several: where they begin in `expansions`

Distances, not code points, are stored so that the many blocks of unchanged characters are one block.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

LETTER, SPACE, PUNCTUATION, CJK = range(4)
KIND_MASK = 3
COUNT_SHIFT, COUNT_MASK = 2, 7
MARK_BIT = 1 << 5
VALUE_SHIFT = 8
BLOCK_SHIFT = 6
BLOCK_MASK = (1 << BLOCK_SHIFT) - 1

CODE_POINTS = 0x110000
PLANE = 0x10000
# Planes that Unicode has put single characters in. The others are unassigned or for private use throughout, but for the two
# noncharacters at their ends, so the first code point speaks for its plane; the test that compares every code point would notice.
MIXED_PLANES = (0, 1, 2, 3, 14)
UNIFORM_PLANES = tuple(plane for plane in range(17) if plane not in MIXED_PLANES)
SEPARATOR = ord("0")  # nothing else decomposes to, or is lowered to, a zero


@dataclass(frozen=True)
class CharacterTable:
    """Two-level table: the entry of c is `blocks[index[c >> BLOCK_SHIFT] + (c & BLOCK_MASK)]`; all int32.

    `index` holds places in `blocks` (already multiplied by the block size), `expansions` code points.
    """

    index: np.ndarray
    blocks: np.ndarray
    expansions: np.ndarray

    @property
    def nbytes(self) -> int:
        """Bytes of the three arrays."""
        return self.index.nbytes + self.blocks.nbytes + self.expansions.nbytes

    def entry(self, code_point: int) -> int:
        """The packed entry of one code point."""
        return int(self.blocks[self.index[code_point >> BLOCK_SHIFT] + (code_point & BLOCK_MASK)])


@functools.lru_cache(maxsize=8)
def character_table(*, lowercase: bool, strip_accents: bool, tokenize_chinese_chars: bool, clean_text: bool) -> CharacterTable:
    """Build the table for one setting of BERT's normalizer; a repeated call returns the same table."""

    def normalizer(strip: bool) -> BertNormalizer:
        return BertNormalizer(
            lowercase=lowercase, strip_accents=strip, handle_chinese_chars=tokenize_chinese_chars, clean_text=clean_text
        )

    code_points = probed_code_points()
    results = normalize_each(normalizer(strip_accents), code_points)
    unstripped = normalize_each(normalizer(False), code_points) if strip_accents else results
    entries, expansions = pack(code_points, results, marks=(results.lengths == 0) & (unstripped.lengths > 0))
    return compress(spread(entries, code_points), expansions)


def probed_code_points() -> np.ndarray:
    """The code points that are put to the normalizer: whole mixed planes without surrogates, three of every other plane."""
    mixed = [np.arange(plane * PLANE, (plane + 1) * PLANE) for plane in MIXED_PLANES]
    uniform = [plane * PLANE + np.array([0, PLANE - 2, PLANE - 1]) for plane in UNIFORM_PLANES]
    code_points = np.concatenate(mixed + uniform)
    return np.sort(code_points[(code_points < 0xD800) | (code_points > 0xDFFF)])


@dataclass(frozen=True)
class Normalized:
    """The results of many code points on end: result i is `values[starts[i] : starts[i] + lengths[i]]`."""

    values: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray


def normalize_each(normalizer: BertNormalizer, code_points: np.ndarray) -> Normalized:
    """Normalize each code point by itself, all in one call, with a zero before and after each."""
    values = decode(normalizer.normalize_str(encode(separated(code_points))))
    separators = np.flatnonzero(values == SEPARATOR)
    own_zero = int(np.flatnonzero(code_points == SEPARATOR)[0]) + 1  # the zero itself is among those probed
    separators = np.delete(separators, own_zero)
    return Normalized(values, separators[:-1] + 1, np.diff(separators) - 1)


def separated(code_points: np.ndarray) -> np.ndarray:
    """(n,) -> (2n + 1,): a zero before, between and after the code points."""
    result = np.full(2 * len(code_points) + 1, SEPARATOR, np.uint32)
    result[1::2] = code_points
    return result


def encode(code_points: np.ndarray) -> str:
    return code_points.astype("<u4").tobytes().decode("utf-32-le")


def decode(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le"), "<u4").astype(np.int64)


def kinds_by_pre_tokenizer(code_points: np.ndarray) -> np.ndarray:
    """LETTER, SPACE or PUNCTUATION for each code point, as BertPreTokenizer cuts them out of a row of zeros."""
    kinds = np.full(len(code_points), SPACE)
    for _, (start, end) in BertPreTokenizer().pre_tokenize_str(encode(separated(code_points))):
        covered = slice(start // 2, end // 2)  # probe i stands at 2 i + 1
        kinds[covered] = PUNCTUATION if end - start == 1 and start % 2 else LETTER
    return kinds


def pack(code_points: np.ndarray, results: Normalized, marks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Entries of the probed code points, and the table of expansions that they point into."""
    starts, lengths, cjk = strip_padding(results)
    first = results.values[np.minimum(starts, len(results.values) - 1)]
    distinct, inverse = np.unique(first, return_inverse=True)
    kinds = np.where(cjk, CJK, kinds_by_pre_tokenizer(distinct)[inverse])
    kinds = np.where(lengths > 0, kinds, LETTER)
    lengths = np.where(kinds == SPACE, 0, lengths)
    several = lengths > 1
    places = np.cumsum(np.where(several, lengths, 0)) - np.where(several, lengths, 0)
    expansions = np.concatenate([[0], *(results.values[s : s + n] for s, n in zip(starts[several], lengths[several], strict=True))])
    values = np.where(several, places + 1, np.where(lengths == 1, first - code_points, 0))
    entries = kinds | (lengths << COUNT_SHIFT) | np.where(marks, MARK_BIT, 0) | (values << VALUE_SHIFT)
    return entries.astype(np.int32), expansions.astype(np.int32)


def strip_padding(results: Normalized) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Starts and lengths without the two spaces that the normalizer puts around a CJK character, and which those are."""
    cjk = (results.lengths > 2) & (results.values[results.starts] == ord(" "))
    return results.starts + cjk, results.lengths - 2 * cjk, cjk


def spread(entries: np.ndarray, code_points: np.ndarray) -> np.ndarray:
    """(probed,) -> (CODE_POINTS,): uniform planes repeat their first entry; surrogates, which no text holds, are deleted."""
    result = np.zeros(CODE_POINTS, np.int32)
    result[code_points] = entries
    for plane in UNIFORM_PLANES:
        result[plane * PLANE : (plane + 1) * PLANE - 2] = result[plane * PLANE]
    return result


def compress(entries: np.ndarray, expansions: np.ndarray) -> CharacterTable:
    """Store each distinct block once."""
    blocks, inverse = np.unique(entries.reshape(-1, BLOCK_MASK + 1), axis=0, return_inverse=True)
    return CharacterTable((inverse.reshape(-1) << BLOCK_SHIFT).astype(np.int32), blocks.reshape(-1), expansions)
