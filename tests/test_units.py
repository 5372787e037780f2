"""The word rule against a slow, obvious version of it, and against the borders of gold entities in published corpora."""

from __future__ import annotations

import functools
import itertools
import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from bert_oracle import ours, tokenize
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from tfner.data.tokenizer import Tokens, WordPieceTokenizer

Span = tuple[int, int]
SEPARATORS = ',;!?"()[]{}<>«»“”„‟‹›…¡¿،؛؟।॥‼⁇⁈⁉、。〈〉《》「」『』【】〔〕〖〗〘〙〚〛〝〞〟！＂（），：；？［］｛｝｟｠｡｢｣､'
DIGITS = "0123456789"
CLITICS = {"s", "m", "d", "ll", "re", "ve"}
ALPHABET = "aabSsmdlrvet.,-'’@#_1 \u200e\u0301é中各각“”()!/&:\n\U0001f600…​"


# The slow, obvious version --------------------------------------------------------------------------------------------------------------


@functools.cache
def kind(character: str) -> str:
    """`letter`, `punctuation`, `cjk`, `space`, `accent` (stripped) or `deleted`."""
    result = BertNormalizer(lowercase=True).normalize_str(character)
    if not result:
        return "accent" if BertNormalizer(lowercase=True, strip_accents=False).normalize_str(character) else "deleted"
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
            yield [Pretoken(text[start:end], start, end, kind(text[start]) == "letter") for start, end in spans]
            spans = []
            if what == "cjk":
                yield [Pretoken(character, i, i + 1, True)]
        elif what == "letter" and spans and kind(text[spans[-1][0]]) == "letter":
            spans[-1] = (spans[-1][0], i + 1)
        elif what in ("letter", "punctuation"):
            spans.append((i, i + 1))


def ends_abbreviation(chunk: list[Pretoken], i: int) -> bool:
    """Whether a full stop belongs to the single letter before it: an initial, or the last letter of `U.S.`"""
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


def parts_of_segment(segment: list[Pretoken], stops: list[bool]) -> list[tuple[list[Pretoken], bool]]:
    """Cut what stands between separators: parts, and whether each is punctuation cut off. `stops` are full stops of abbreviations."""
    words = [i for i, pretoken in enumerate(segment) if pretoken.is_word]
    first, last = (words[0], words[-1]) if words else (len(segment), len(segment) - 1)
    clitic = last > 0 and segment[last].text.lower() in CLITICS and segment[last - 1].text in ("'", "’")
    begin, end = first, last + 1
    if words and ((first and segment[first - 1].text in "@#") or (clitic and first == last == 1)):
        begin -= 1
    if words and end < len(segment) and stops[end]:
        end += 1
    middle = [segment[begin:end]]
    if clitic and first < last - 1:
        middle = [segment[begin : last - 1], segment[last - 1 : end]]
    return [*(([p], True) for p in segment[:begin]), *((m, False) for m in middle if m), *(([p], True) for p in segment[end:])]


def parts(chunk: list[Pretoken]) -> Iterator[tuple[list[Pretoken], bool]]:
    separating = [separates(chunk, i) for i in range(len(chunk))]
    for cut_out, group in itertools.groupby(range(len(chunk)), key=separating.__getitem__):
        indices = list(group)
        segment = [chunk[i] for i in indices]
        yield from [([p], True) for p in segment] if cut_out else parts_of_segment(segment, [ends_abbreviation(chunk, i) for i in indices])


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


# Tests -----------------------------------------------------------------------------------------------------------------------------------


def units_of(tokens: Tokens) -> list[list[Span]]:
    rows = zip(tokens.unit_start.to_list(), tokens.unit_end.to_list(), strict=True)
    return [list(zip(starts, ends, strict=True)) for starts, ends in rows]


def cut(text: str) -> list[str]:
    return [text[start:end] for start, end in units_of(tokenize(ours(lowercase=True), [text]))[0]]


@given(st.lists(st.text(alphabet=st.sampled_from(ALPHABET), max_size=25), max_size=6))
@example(["\"W. Bush\" B.T.. U.S.A. (J. Doe) 1.5. 1,000 a,b x--y well...no '@a @_b #1 @! O'Neil's 's it's- ''d @'s rock'n'roll"])
@example(["U.S...", "a.", "-", "--", "a-", "_", "@", "1,", ",1", "中's", "'中", ".a.中.", "l\u200el", "a'l\u200el a'ſ"])
def test_units_are_those_of_the_slow_version(texts):
    assert units_of(tokenize(ours(lowercase=True), texts)) == [reference_units(text) for text in texts]


def test_units_of_many_random_texts_are_those_of_the_slow_version():
    rng = random.Random(5)
    bits = [*ALPHABET, *".,'-@#s_S1a" * 2, "'s", "'ll", "U.S.", "..", "--", "@a"]
    texts = ["".join(rng.choices(bits, k=rng.randint(0, 14))) for _ in range(6_000)]
    different = [
        (text, [text[a:b] for a, b in units])
        for text, units in zip(texts, units_of(tokenize(ours(lowercase=True), texts)), strict=True)
        if units != reference_units(text)
    ]
    assert different[:5] == []


@given(st.text(alphabet=st.sampled_from(ALPHABET), max_size=40))
def test_every_unit_begins_with_a_pretoken_and_has_a_piece(text):
    tokens = tokenize(ours(lowercase=True), [text])
    first, starts_pretoken = tokens.first_of_unit.flat_values.numpy(), tokens.first_of_pretoken.flat_values.numpy()
    assert first.sum() == tokens.unit_start.flat_values.shape[0]
    assert (starts_pretoken | ~first).all()
    for unit, start, end in zip(*(member.to_list()[0] for member in (tokens.unit, tokens.start, tokens.end)), strict=True):
        assert tokens.unit_start[0][unit] <= start < end <= tokens.unit_end[0][unit]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, world!", "Hello | , | world | !"),
        ("(the \"e-mail\")", "( | the | \" | e-mail | \" | )"),
        ("U.S. J. R. R. Tolkien, e.g. at 5.", "U.S. | J. | R. | R. | Tolkien | , | e.g. | at | 5 | ."),
        ("John's O'Brien isn't I'LL we’ve", "John | 's | O'Brien | isn't | I | 'LL | we | ’ve"),
        ("1,000.50 a,b 12:30", "1,000.50 | a | , | b | 12:30"),
        ("wait... well...no yes--no!!", "wait | ... | well | ... | no | yes | -- | no | !!"),
        ("@user #tag a@b.com http://t.co/x", "@user | #tag | a@b.com | http://t.co/x"),
        ("$5 5% -3", "$ | 5 | 5 | % | - | 3"),
        ("東京abc。", "東 | 京 | abc | 。"),
        ("cafe\u0301\u200d, \u200e", "cafe\u0301 | ,"),
    ],
)
def test_units_of_usual_text(text, expected):
    assert cut(text) == expected.split(" | ")


@pytest.mark.realdata
def test_units_hold_the_borders_of_gold_entities(data_dir, encoder_dir):
    tokenizer = WordPieceTokenizer.from_checkpoint(encoder_dir)
    shares = {name: border_share(tokenizer, list(documents)) for name, documents in gold(data_dir).items()}
    found, all_borders = map(sum, zip(*shares.values(), strict=True))
    report = ", ".join(f"{name} {100 * hits / borders:.2f}%" for name, (hits, borders) in shares.items())
    print(f"entity borders on unit borders: {report}; all {100 * found / all_borders:.2f}%")
    assert found >= 0.995 * all_borders, report
    assert all(hits >= 0.99 * borders for hits, borders in shares.values()), report


def border_share(tokenizer, documents: list[tuple[str, list[Span]]]) -> tuple[int, int]:
    """How many entity borders are unit borders, and how many there are."""
    hits = borders = 0
    for (_, entities), units in zip(documents, units_of(tokenize(tokenizer, [text for text, _ in documents])), strict=True):
        starts, ends = {start for start, _ in units}, {end for _, end in units}
        hits += sum((start in starts) + (end in ends) for start, end in entities)
        borders += 2 * len(entities)
    return hits, borders


def gold(folder: Path) -> dict[str, Iterable[tuple[str, list[Span]]]]:
    """The corpora that keep the original text."""
    return {
        "Danish": uner(folder / "uner_da_ddt"),
        "English": uner(folder / "uner_en_ewt"),
        "Chinese": uner(folder / "uner_zh_gsdsimp"),
        "diseases": brat(folder / "ncbi_disease" / "standoff" / "dev"),
        "novels": brat(folder / "litbank" / "brat"),
    }


def uner(folder: Path) -> Iterator[tuple[str, list[Span]]]:
    """Sentences of UNER: the text stands in a comment, the words follow with their tags."""
    for path in sorted(folder.glob("*.iob2")):
        for block in path.read_text(encoding="utf-8").split("\n\n"):
            lines = block.split("\n")
            texts = [line.removeprefix("# text = ") for line in lines if line.startswith("# text = ")]
            rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
            if texts:
                yield texts[0], word_entities(texts[0], [(row[1], row[2]) for row in rows if row[0].isdigit()])


def word_entities(text: str, words: list[tuple[str, str]]) -> list[Span]:
    entities: list[Span] = []
    position, inside = 0, False
    for word, tag in words:
        start = max(text.find(word, position), position)
        position = start + len(word)
        if tag != "O" and inside and not tag.startswith("B"):
            entities[-1] = (entities[-1][0], position)
        elif tag != "O":
            entities.append((start, position))
        inside = tag != "O"
    return entities


def brat(folder: Path) -> Iterator[tuple[str, list[Span]]]:
    for path in sorted(folder.glob("*.ann")):
        entities = [line.split("\t")[1].split(" ", 1)[1] for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("T")]
        spans = [tuple(map(int, fragment.split())) for entity in entities for fragment in entity.split(";")]
        yield path.with_suffix(".txt").read_text(encoding="utf-8"), spans
