"""CoNLL-U with tags in MISC and CoNLL-U Plus say the same as a column file of word and tag."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfner.corpus.ledger import Ledger
from tfner.documents import Document
from tfner.exceptions import DataError
from tfner.formats import read_documents
from tfner.formats.reading import read_unmarked
from tfner.formats.settings import ReadSettings
from tfner.tagging.schemes import write_tags

TEXT = "Mara left New York."
WORDS = ["Mara", "left", "New", "York", "."]
TAGS = ["B-PER", "O", "B-LOC", "I-LOC", "O"]


def read(path: Path, content: str, **settings) -> tuple[list[Document], Ledger]:
    path.write_text(content, encoding="utf-8", newline="")
    ledger = Ledger()
    return list(read_documents(path, ReadSettings(**settings), ledger)), ledger


def conllu(words: list[str], misc: list[str]) -> str:
    rows = zip(words, misc, strict=True)
    lines = [
        f"{n}\t{word}\t_\tX\t_\t_\t0\tdep\t_\t{more}" for n, (word, more) in enumerate(rows, 1)
    ]
    return "\n".join(lines) + "\n"


def named(*names: str) -> str:
    """Read a sentence below a line that names columns; those that are no words are empty."""
    lines = [f"# global.columns = {' '.join(names)}", "# sent_id = s1", f"# text = {TEXT}"]
    for number, (word, tag) in enumerate(zip(WORDS, TAGS, strict=True), start=1):
        cells = {"ID": str(number), "FORM": word, "NER": "_" if tag == "O" else tag, "NE": tag}
        lines.append("\t".join(cells.get(name, "_") for name in names))
    return "\n".join(lines) + "\n"


HEAD = f"# sent_id = s1\n# text = {TEXT}\n"
SPACED = [f"NER={tag}" for tag in TAGS[:3]] + ["NER=I-LOC|SpaceAfter=No", "NER=O"]
SAME = {
    "NER in MISC": HEAD + conllu(WORDS, SPACED),
    "Stanza's ner": HEAD + conllu(WORDS, [f"start_char=0|end_char=4|ner={tag}" for tag in TAGS]),
    "entities alone": HEAD
    + conllu(WORDS, ["_" if tag == "O" else f"SpaceAfter=Yes|NER={tag}" for tag in TAGS]),
    "remarks without a blank": "#x\n" + HEAD + conllu(WORDS, SPACED),
    "CRLF": (HEAD + conllu(WORDS, SPACED)).replace("\n", "\r\n"),
    "tags in another column": HEAD + conllu(WORDS, TAGS),
    "CoNLL-U Plus": named("ID", "FORM", "UPOS", "NER"),
    "CoNLL-U Plus, tags first": named("ID", "NE", "UPOS", "FORM"),
    "CoNLL-U Plus without numbers": named("FORM", "NER"),
    "a column file of this name": HEAD
    + "".join(f"{n}\t{w}\t{t}\n" for n, (w, t) in enumerate(zip(WORDS, TAGS, strict=True), 1)),
}


@pytest.mark.parametrize("name", SAME)
def test_the_same_sentence_in_many_files(tmp_path, name):
    (document,), ledger = read(tmp_path / "a.conllu", SAME[name], strict=True)
    assert (document.text, document.word_texts(), document.id) == (TEXT, WORDS, "s1")
    found = [(entity.text, entity.label) for entity in document.entities]
    assert found == [("Mara", "PER"), ("New York", "LOC")]
    assert ledger.counts == {}
    (unmarked,) = read_unmarked(tmp_path / "a.conllu", ReadSettings())
    assert (unmarked.text, unmarked.words, unmarked.entities) == (TEXT, document.words, ())


def test_conllu_plus_is_recognized_whatever_its_name(tmp_path):
    for name in ("a.conll", "a.tsv", "a.data"):
        assert len(read(tmp_path / name, SAME["CoNLL-U Plus"])[0][0].entities) == 2


def test_words_of_several_syntactic_ones_and_elided_ones_are_left_out(tmp_path):
    content = conllu(["de", "le"], ["NER=O", "NER=B-X"])
    both = "1-2\tdu\t" + "\t".join("_" * 8) + "\n"
    elided = "2.1\tx\t" + "\t".join("_" * 8) + "\n"
    (document,), _ = read(tmp_path / "a.conllu", both + content + elided)
    assert document.word_texts() == ["de", "le"]
    assert [entity.text for entity in document.entities] == ["le"]


def test_columns_are_chosen_by_name_and_by_number(tmp_path):
    content = HEAD + conllu(WORDS, TAGS).replace("\tX\t_", "\tB-POS\t_")
    for column in ("UPOS", "upos", 3, "-7"):
        (document,), _ = read(tmp_path / "a.conllu", content, tag_column=column)
        assert {entity.label for entity in document.entities} == {"POS"}
    (document,), _ = read(tmp_path / "a.conllu", content, token_column="LEMMA")
    assert document.word_texts() == ["_"] * 5


@pytest.mark.parametrize(
    ("content", "settings", "message"),
    [
        (
            conllu(WORDS, ["_"] * 5),
            {},
            ": expected NER=TAG in column MISC or a column of tags, found neither in ID, FORM, "
            "LEMMA, UPOS, XPOS, FEATS, HEAD, DEPREL, DEPS, MISC; set tag_column",
        ),
        (
            named("ID", "FORM", "UPOS"),
            {},
            ": expected NER=TAG in column MISC or a column of tags, found neither in ID, FORM, "
            "UPOS; set tag_column",
        ),
        (
            conllu(WORDS, SPACED),
            {"tag_column": "NER"},
            ": tag_column is 'NER', but the columns are 'ID', 'FORM', 'LEMMA', 'UPOS', 'XPOS', "
            "'FEATS', 'HEAD', 'DEPREL', 'DEPS', 'MISC'",
        ),
        (
            conllu(WORDS, SPACED),
            {"token_column": 10},
            ": token_column is 10, but most lines have 10 columns",
        ),
        (
            conllu(WORDS, ["NER=B-PER", "NER=x", "_", "_", "_"]),
            {},
            ":2: expected O or a tag such as B-PER in column MISC, got 'x'; set tag_column if the "
            "tags stand in another",
        ),
        (
            conllu(WORDS, SPACED) + "6\n",
            {},
            ":6: expected a token in column 1, got 1 columns: '6'",
        ),
        (
            conllu(WORDS, ["NER=I-PER", *SPACED[1:]]),
            {"strict": True, "scheme": "IOB2"},
            ":1: expected legal IOB2 tags, got I-PER at the beginning",
        ),
    ],
)
def test_bad_files(tmp_path, content, settings, message):
    with pytest.raises(DataError) as caught:
        read(tmp_path / "a.conllu", content, **settings)
    assert str(caught.value) == f"{tmp_path}/a.conllu{message}"


WORD = st.text(st.characters(exclude_categories=("Cs", "Z", "C")), min_size=1, max_size=4).filter(
    lambda word: not word.startswith("\ufeff")
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("conllu")


@given(st.lists(st.lists(WORD, min_size=1, max_size=5), min_size=1, max_size=3), st.data())
def test_misc_says_what_a_column_says(folder, sentences, data):
    spans = [[(0, data.draw(st.integers(1, len(words))), "X")] for words in sentences]
    tagged = [write_tags(marks, len(words)) for marks, words in zip(spans, sentences, strict=True)]
    plain = "\n".join(
        "".join(f"{word}\t{tag}\n" for word, tag in zip(words, tags, strict=True))
        for words, tags in zip(sentences, tagged, strict=True)
    )
    in_misc = "\n".join(
        conllu(words, [f"A=1|NER={tag}|B=2" for tag in tags])
        for words, tags in zip(sentences, tagged, strict=True)
    )
    expected, _ = read(folder / "a.iob2", plain, scheme="IOB2", separator="tab", format="columns")
    found, _ = read(folder / "a.conllu", in_misc, scheme="IOB2")
    assert [(one.text, one.entities, one.words) for one in found] == [
        (one.text, one.entities, one.words) for one in expected
    ]
