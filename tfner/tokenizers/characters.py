"""Tabulate what BERT's text cleaning does to each code point, read off Hugging Face's own code.

The result is a table that the graph gathers from. Every code point has one int32 entry:

    bits 0-3    its class, one of those named below
    bits 4-6    of EXPANDED: how many code points come out
    bits 8-28   the code point that comes out XOR the code point itself;
                of EXPANDED: where the result begins in `expansions`
    bit  31     set for RARE classes, so that the least entry of a batch tells whether it needs more
                than a look-up

Differences, not code points, are stored so that the many blocks of unchanged characters are one.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from tfner.tokenizers.combining import combining_classes

# Letters join into pre-tokens; UNDERSCORE to CJK are pre-tokens of their own, told apart for the
# word rule; SPACE separates them.
LETTER, DIGIT, UNDERSCORE, FULL_STOP, HYPHEN, APOSTROPHE = range(6)
SIGIL, PUNCTUATION, COMMA, SEPARATOR, CJK, SPACE = range(6, 12)
# Rare: EXPANDED becomes several letters. A KEPT_MARK may change order with its neighbours. A
# STRIPPED_MARK is an accent: nothing comes out, but it belongs to the character before it. A
# DELETED character belongs to nothing.
EXPANDED, KEPT_MARK, STRIPPED_MARK, DELETED = range(12, 16)
CLASS_MASK = 15
COUNT_SHIFT, COUNT_MASK = 4, 7
VALUE_SHIFT, VALUE_MASK = 8, (1 << 21) - 1
RARE = -(1 << 31)
BLOCK_SHIFT = 6
BLOCK_MASK = (1 << BLOCK_SHIFT) - 1

# Characters that the word rule treats in a way of their own: those of SEPARATOR separate words even
# where no space stands.
SEPARATORS = (
    ';!?"()[]{}<>«»“”„‟‹›…¡¿،؛؟।॥‼⁇⁈⁉、。〈〉《》「」『』【】〔〕〖〗〘〙〚〛〝〞〟'
    "！＂（），：；？［］｛｝｟｠｡｢｣､"
)
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

# Hiragana and Katakana: their blocks, phonetic extensions, and those of half width.
KANA = np.r_[0x3041:0x3100, 0x31F0:0x3200, 0xFF66:0xFFA0, 0x1AFF0:0x1B170]

CODE_POINTS = 0x110000
PLANE = 0x10000
# Planes that Unicode has put single characters in. The others are unassigned or for private use
# throughout, but for the two noncharacters at their ends, so the first code point speaks for its
# plane; the test that compares every code point would notice.
MIXED_PLANES = (0, 1, 2, 3, 14)
UNIFORM_PLANES = tuple(plane for plane in range(17) if plane not in MIXED_PLANES)
SURROGATES = range(0xD800, 0xE000)
DELIMITER = ord("0")  # nothing else decomposes to, or is lowered to, a zero


@dataclass(frozen=True)
class CharacterTable:
    """Hold a two-level table of entries.

    The entry of c is `blocks[index[c >> BLOCK_SHIFT] + (c & BLOCK_MASK)]`. `index` holds offsets
    into `blocks`, `expansions` code points; all int32.
    """

    index: np.ndarray
    blocks: np.ndarray
    expansions: np.ndarray


@functools.lru_cache(maxsize=8)
def character_table(
    *,
    lowercase: bool,
    strip_accents: bool,
    tokenize_chinese_chars: bool,
    clean_text: bool,
    kana_alone: bool = False,
) -> CharacterTable:
    """Build the table for one setting of BERT's normalizer; a repeated call returns the same table.

    With `kana_alone` Hiragana and Katakana are CJK characters too, which they are not for BERT.

    >>> table = character_table(
    ...     lowercase=True, strip_accents=True, tokenize_chinese_chars=True, clean_text=True
    ... )
    >>> code = ord("A")
    >>> entry = table.blocks[table.index[code >> BLOCK_SHIFT] + (code & BLOCK_MASK)]
    >>> int(entry & CLASS_MASK) == LETTER, chr(code ^ (entry >> VALUE_SHIFT))
    (True, 'a')
    """
    code_points = probed_code_points()
    normalizer = BertNormalizer(clean_text, tokenize_chinese_chars, strip_accents, lowercase)
    results = normalize_each(normalizer, code_points)
    is_empty = results.lengths == 0
    vanished = np.flatnonzero(is_empty)
    keeps_accents = BertNormalizer(clean_text, tokenize_chinese_chars, False, lowercase)
    vanished_codes = code_points[vanished]
    unstripped = normalize_each(keeps_accents, vanished_codes)
    is_accent = unstripped.lengths > 0
    accents = vanished[is_accent]
    movable_codes = combining_classes()[0] if strip_accents else ()
    movable = np.flatnonzero(np.isin(code_points, movable_codes))
    classes = classify(code_points, results, accents=accents, movable=movable)
    if kana_alone:
        is_letter = classes == LETTER
        is_kana = np.isin(code_points, KANA)
        classes[is_letter & is_kana] = CJK
    entries, expansions = encode_entries(code_points, results, classes)
    filled = fill_planes(entries, code_points)
    return compress(filled, expansions)


def stand_alone(text: str) -> np.ndarray:
    """Tell which characters are units by themselves, of scripts without spaces; bool [N].

    >>> stand_alone("A北の!").tolist()
    [False, True, True, False]
    """
    code_N = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    if code_N.max(initial=0) < KANA[0]:
        return np.zeros(len(code_N), np.bool_)
    unchanged = {"lowercase": False, "strip_accents": False}
    rest = {"tokenize_chinese_chars": True, "clean_text": True, "kana_alone": True}
    table = character_table(**unchanged, **rest)
    offset_N = table.index[code_N >> BLOCK_SHIFT]
    entry_N = table.blocks[offset_N + (code_N & BLOCK_MASK)]
    return entry_N & CLASS_MASK == CJK


def probed_code_points() -> np.ndarray:
    """List what the normalizer is asked: mixed planes without surrogates, three of every other."""
    whole = np.arange(PLANE)
    probes = np.array([0, PLANE - 2, PLANE - 1])
    planes = [whole if plane in MIXED_PLANES else probes for plane in range(17)]
    code_points = np.concatenate([PLANE * plane + codes for plane, codes in enumerate(planes)])
    is_surrogate = np.isin(code_points, SURROGATES)
    return code_points[~is_surrogate]


@dataclass(frozen=True)
class Normalized:
    """Hold what each of many code points becomes.

    Result i is `values[starts[i] : starts[i] + lengths[i]]`; `cjk` was put between spaces.
    """

    values: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    cjk: np.ndarray

    @property
    def first(self) -> np.ndarray:
        """Give the first code point of each result; anything where the result is empty."""
        return self.values[self.starts]


def normalize_each(normalizer: BertNormalizer, code_points: np.ndarray) -> Normalized:
    """Normalize each code point by itself, all in one call, with a zero before and after each.

    >>> results = normalize_each(BertNormalizer(), np.array([ord("É"), 0x301]))
    >>> text_of(results.values), results.starts.tolist(), results.lengths.tolist()
    ('0e00', [1, 3], [1, 0])
    """
    text = text_of(delimited(code_points))
    normalized = normalizer.normalize_str(text)
    values = code_points_of(normalized)
    is_zero = values == DELIMITER
    zeros = np.flatnonzero(is_zero)
    itself = np.flatnonzero(code_points == DELIMITER) + 1  # the zero that is among those probed
    zeros = np.delete(zeros, itself)
    starts, lengths = zeros[:-1] + 1, np.diff(zeros) - 1
    first = values[starts]
    is_spaced = first == ord(" ")
    is_long = lengths > 2
    cjk = is_long & is_spaced
    return Normalized(values, starts + cjk, lengths - 2 * cjk, cjk)


def delimited(code_points: np.ndarray) -> np.ndarray:
    """Put a zero before, between and after the code points; [N] -> [2 N + 1].

    >>> text_of(delimited(np.array([97, 98])))
    '0a0b0'
    """
    result = np.full(2 * len(code_points) + 1, DELIMITER)
    result[1::2] = code_points
    return result


def text_of(code_points: np.ndarray) -> str:
    """Join code points into a text."""
    utf32 = code_points.astype("<u4")
    return utf32.tobytes().decode("utf-32-le")


def code_points_of(text: str) -> np.ndarray:
    """List the code points of a text; int64 [N]."""
    encoded = text.encode("utf-32-le")
    utf32 = np.frombuffer(encoded, "<u4")
    return utf32.astype(np.int64)


def classify(
    code_points: np.ndarray, results: Normalized, *, accents: np.ndarray, movable: np.ndarray
) -> np.ndarray:
    """Find the class of each probed code point.

    Args:
        accents: indices of those that are stripped.
        movable: indices of those that NFD may sort.
    """
    distinct, inverse = np.unique(results.first, return_inverse=True)
    distinct_classes = cut_by_pre_tokenizer(distinct)
    classes = distinct_classes[inverse]
    classes[movable] = KEPT_MARK
    for kind, members in MEMBERS.items():
        expected = LETTER if kind == DIGIT else PUNCTUATION
        is_member = np.isin(code_points, code_points_of(members))
        is_expected = classes == expected
        is_kind = is_expected & is_member
        classes[is_kind] = kind
    classes[results.cjk] = CJK
    is_several = results.lengths > 1
    classes[is_several] = EXPANDED
    is_empty = results.lengths == 0
    classes[is_empty] = DELETED
    classes[accents] = STRIPPED_MARK
    return classes


def cut_by_pre_tokenizer(code_points: np.ndarray) -> np.ndarray:
    """Class code points as BertPreTokenizer cuts them out of a line of zeros.

    >>> classes = cut_by_pre_tokenizer(np.array([ord("a"), ord("!"), ord(" ")]))
    >>> classes.tolist() == [LETTER, PUNCTUATION, SPACE]
    True
    """
    classes = np.full(len(code_points), SPACE)
    text = text_of(delimited(code_points))
    for _, (start, end) in BertPreTokenizer().pre_tokenize_str(text):
        alone = end - start == 1 and start % 2 == 1  # the i-th stands at 2 i + 1
        classes[start // 2 : end // 2] = PUNCTUATION if alone else LETTER
    return classes


def encode_entries(
    code_points: np.ndarray, results: Normalized, classes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Write the entries of the probed code points, and what they point into; int32 both."""
    is_expanded = classes == EXPANDED
    expanded = np.flatnonzero(is_expanded)
    lengths = results.lengths[expanded]
    is_ink = classes != SPACE
    is_single = results.lengths == 1
    is_kept = is_ink & is_single
    values = results.first ^ code_points
    values[~is_kept] = 0
    ends = np.cumsum(lengths)
    starts = ends - lengths
    values[expanded] = starts
    entries = classes | (values << VALUE_SHIFT)
    is_rare = classes > SPACE
    entries[is_rare] |= RARE
    counts = lengths << COUNT_SHIFT
    entries[expanded] |= counts
    # what is written at the k-th code point of all expansions stands `moves` further in the results
    found_at = results.starts[expanded]
    moves = found_at - starts
    source = np.arange(lengths.sum()) + np.repeat(moves, lengths)
    # one more, so that there is something to gather where nothing expands
    written = results.values[source]
    expansions = np.append(written, 0)
    return entries.astype(np.int32), expansions.astype(np.int32)


def fill_planes(entries: np.ndarray, code_points: np.ndarray) -> np.ndarray:
    """Give every code point an entry: int32 [probed] -> [CODE_POINTS].

    Uniform planes repeat their first. Surrogates, which no decoded text holds, stay letters.
    """
    result = np.zeros(CODE_POINTS, np.int32)
    result[code_points] = entries
    for plane in UNIFORM_PLANES:
        first = plane * PLANE
        result[first : first + PLANE - 2] = result[first]
    return result


def compress(entries: np.ndarray, expansions: np.ndarray) -> CharacterTable:
    """Store each distinct block once."""
    blocks = entries.reshape(-1, BLOCK_MASK + 1)
    opaque = blocks.view(f"V{blocks[0].nbytes}")  # as opaque bytes they compare whole
    _, first, inverse = np.unique(opaque, return_index=True, return_inverse=True)
    index = (inverse.ravel() << BLOCK_SHIFT).astype(np.int32)
    return CharacterTable(index, blocks[first].ravel(), expansions)
