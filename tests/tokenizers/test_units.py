"""The word rule against a slow, obvious one, and against gold borders in published corpora."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from bert_oracle import ours, tokenize
from hypothesis import example, given
from hypothesis import strategies as st
from slow_units import Span, reference_units

from tfner.tokenizers.wordpiece import Tokens, WordPieceTokenizer

ALPHABET = "aabSsmdlrvet.,-'’@#_1 \u200e\u0301é中各각“”()!/&:\n\U0001f600…​"


def units_of(tokens: Tokens) -> list[list[Span]]:
    rows = zip(tokens.unit_start.to_list(), tokens.unit_end.to_list(), strict=True)
    return [list(zip(starts, ends, strict=True)) for starts, ends in rows]


def cut(text: str) -> list[str]:
    return [text[start:end] for start, end in units_of(tokenize(ours(lowercase=True), [text]))[0]]


@given(st.lists(st.text(alphabet=st.sampled_from(ALPHABET), max_size=25), max_size=6))
@example(
    [
        '"W. Bush" B.T.. U.S.A. (J. Doe) 1.5. 1,000 a,b x--y well...no \'@a @_b '
        "#1 @! O'Neil's 's it's- ''d @'s rock'n'roll"
    ]
)
@example(
    [
        "U.S...",
        "a.",
        "-",
        "--",
        "a-",
        "_",
        "@",
        "1,",
        ",1",
        "中's",
        "'中",
        ".a.中.",
        "l\u200el",
        "a'l\u200el a'ſ",
    ]
)
def test_units_are_those_of_the_slow_version(texts):
    assert units_of(tokenize(ours(lowercase=True), texts)) == [
        reference_units(text) for text in texts
    ]


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
    first, starts_pretoken = (
        tokens.first_of_unit.flat_values.numpy(),
        tokens.first_of_pretoken.flat_values.numpy(),
    )
    assert first.sum() == tokens.unit_start.flat_values.shape[0]
    assert (starts_pretoken | ~first).all()
    for unit, start, end in zip(
        *(member.to_list()[0] for member in (tokens.unit, tokens.start, tokens.end)), strict=True
    ):
        assert tokens.unit_start[0][unit] <= start < end <= tokens.unit_end[0][unit]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, world!", "Hello | , | world | !"),
        ('(the "e-mail")', '( | the | " | e-mail | " | )'),
        (
            "U.S. J. R. R. Tolkien, e.g. at 5.",
            "U.S. | J. | R. | R. | Tolkien | , | e.g. | at | 5 | .",
        ),
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
    shares = {
        name: border_share(tokenizer, list(documents)) for name, documents in gold(data_dir).items()
    }
    found, all_borders = map(sum, zip(*shares.values(), strict=True))
    report = ", ".join(
        f"{name} {100 * hits / borders:.2f}%" for name, (hits, borders) in shares.items()
    )
    print(f"entity borders on unit borders: {report}; all {100 * found / all_borders:.2f}%")
    assert found >= 0.995 * all_borders, report
    assert all(hits >= 0.99 * borders for hits, borders in shares.values()), report


def border_share(tokenizer, documents: list[tuple[str, list[Span]]]) -> tuple[int, int]:
    """How many entity borders are unit borders, and how many there are."""
    hits = borders = 0
    for (_, entities), units in zip(
        documents, units_of(tokenize(tokenizer, [text for text, _ in documents])), strict=True
    ):
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
            texts = [
                line.removeprefix("# text = ") for line in lines if line.startswith("# text = ")
            ]
            rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
            if texts:
                yield (
                    texts[0],
                    word_entities(texts[0], [(row[1], row[2]) for row in rows if row[0].isdigit()]),
                )


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
        entities = [
            line.split("\t")[1].split(" ", 1)[1]
            for line in path.read_text(encoding="utf-8").splitlines()
            if line.startswith("T")
        ]
        spans = [
            tuple(map(int, fragment.split()))
            for entity in entities
            for fragment in entity.split(";")
        ]
        yield path.with_suffix(".txt").read_text(encoding="utf-8"), spans
