"""The word rule again, slow and obvious: what `tfner.tokenizers.units` does in graph."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from typing import NamedTuple

from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

Span = tuple[int, int]
SEPARATORS = (
    ',;!?"()[]{}<>«»“”„‟‹›…¡¿،؛؟।॥‼⁇⁈⁉、。〈〉《》「」『』【】〔〕〖〗〘〙〚〛〝〞〟'
    "！＂（），：；？［］｛｝｟｠｡｢｣､"
)
DIGITS = "0123456789"
CLITICS = {"s", "m", "d", "ll", "re", "ve"}


@functools.lru_cache(maxsize=10_000)
def kind(character: str) -> str:
    """`letter`, `punctuation`, `cjk`, `space`, `accent` (stripped) or `deleted`."""
    result = BertNormalizer(lowercase=True).normalize_str(character)
    if not result:
        return (
            "accent"
            if BertNormalizer(lowercase=True, strip_accents=False).normalize_str(character)
            else "deleted"
        )
    if len(result) > 2 and result[0] == " ":
        return "cjk"
    cut = BertPreTokenizer().pre_tokenize_str(f"a{result}b")
    return {1: "letter", 2: "space", 3: "punctuation"}[len(cut)]


class Pretoken(NamedTuple):
    """A BERT pre-token as it stands in the text."""

    text: str
    start: int
    end: int
    is_letters: bool

    @property
    def is_word(self) -> bool:
        return self.is_letters or self.text == "_"

    @property
    def first(self) -> str:
        return self.text[0]


def chunks(text: str) -> Iterator[list[Pretoken]]:
    """The pre-tokens between two spaces; a CJK character is a chunk by itself."""
    spans: list[Span] = []
    for i, character in enumerate([*text, " "]):
        what = kind(character)
        if what in ("space", "cjk"):
            yield [
                Pretoken(text[start:end], start, end, kind(text[start]) == "letter")
                for start, end in spans
            ]
            spans = []
            if what == "cjk":
                yield [Pretoken(character, i, i + 1, True)]
        elif what == "letter" and spans and kind(text[spans[-1][0]]) == "letter":
            spans[-1] = (spans[-1][0], i + 1)
        elif what in ("letter", "punctuation"):
            spans.append((i, i + 1))


def ends_abbreviation(chunk: list[Pretoken], i: int) -> bool:
    """Whether a full stop belongs to the letter before it: an initial, or the last of `U.S.`"""
    if i == 0 or chunk[i].text != ".":
        return False
    letter = chunk[i - 1]
    opens = i == 1 or chunk[i - 2].text in "." + SEPARATORS
    return opens and letter.is_letters and len(letter.text) == 1 and letter.text not in DIGITS


def separates(chunk: list[Pretoken], i: int) -> bool:
    """Whether a pre-token is cut out wherever it stands."""
    neighbours = [chunk[j].first for j in (i - 1, i + 1) if 0 <= j < len(chunk)]
    if chunk[i].text == "," and len(neighbours) == 2 and set(neighbours) <= set(DIGITS):
        return False
    if chunk[i].text in ".-":
        return chunk[i].text in neighbours and not ends_abbreviation(chunk, i)
    return chunk[i].text in SEPARATORS


def parts_of_segment(
    segment: list[Pretoken], stops: list[bool]
) -> list[tuple[list[Pretoken], bool]]:
    """Cut what stands between separators: pieces of it, and whether each is punctuation cut off.

    `stops` are full stops of abbreviations.
    """
    words = [i for i, pretoken in enumerate(segment) if pretoken.is_word]
    first, last = (words[0], words[-1]) if words else (len(segment), len(segment) - 1)
    clitic = (
        last > 0 and segment[last].text.lower() in CLITICS and segment[last - 1].text in ("'", "’")
    )
    begin, end = first, last + 1
    if words and ((first and segment[first - 1].text in "@#") or (clitic and first == last == 1)):
        begin -= 1
    if words and end < len(segment) and stops[end]:
        end += 1
    middle = [segment[begin:end]]
    if clitic and first < last - 1:
        middle = [segment[begin : last - 1], segment[last - 1 : end]]
    return [
        *(([p], True) for p in segment[:begin]),
        *((m, False) for m in middle if m),
        *(([p], True) for p in segment[end:]),
    ]


def parts(chunk: list[Pretoken]) -> Iterator[tuple[list[Pretoken], bool]]:
    separating = [separates(chunk, i) for i in range(len(chunk))]
    for cut_out, group in itertools.groupby(range(len(chunk)), key=separating.__getitem__):
        indices = list(group)
        segment = [chunk[i] for i in indices]
        yield from (
            [([p], True) for p in segment]
            if cut_out
            else parts_of_segment(segment, [ends_abbreviation(chunk, i) for i in indices])
        )


def reference_units(text: str) -> list[Span]:
    """The spans of the units of a text."""
    units: list[list[Pretoken]] = []
    for chunk in chunks(text):
        repeated = None  # the character of the punctuation that was cut off last
        for pretokens, cut_off in parts(chunk):
            if cut_off and pretokens[0].text == repeated:
                units[-1] += pretokens
            else:
                units.append(list(pretokens))
            repeated = pretokens[0].text if cut_off else None
    return [(unit[0].start, end_with_accents(text, unit[-1].end)) for unit in units]


def end_with_accents(text: str, end: int) -> int:
    while end < len(text) and kind(text[end]) == "accent":
        end += 1
    return end
