"""Column files: what is written comes back.

And every oddity of published files is read as it was meant.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trimmed import trimmed

from tfner.corpus.ledger import Ledger
from tfner.documents import Document
from tfner.exceptions import DataError
from tfner.formats import read_documents
from tfner.formats.alignment import align_words
from tfner.formats.columns import stream_words
from tfner.formats.settings import ReadSettings
from tfner.tagging.schemes import write_tags

WORD = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\t\n"), max_size=4
).filter(lambda word: not word.startswith(("# ", "-DOCSTART-")) and not word.startswith("\ufeff"))
ODD_WORD = st.sampled_from(
    [
        "",
        "#",
        "#tag",
        "\xa0",
        "\x85",
        "\u2028",
        "\x96",
        "O",
        "B-X",
        "1",
        "\r",
        " ",
        "a b",
        "-",
        "\x1c",
    ]
)


def read(path: Path, content: str | bytes, **settings) -> tuple[list[Document], Ledger]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    ledger = Ledger()
    return list(read_documents(path, ReadSettings(**settings), ledger)), ledger


def fault(path: Path, content: str) -> str:
    try:
        read(path, content)
    except DataError as error:
        return str(error)
    return "none"


def words_and_entities(documents: list[Document]) -> list[tuple[list[str], list[tuple[str, str]]]]:
    return [
        (document.word_texts(), [(entity.text, entity.label) for entity in document.entities])
        for document in documents
    ]


@st.composite
def draw_sentence(
    draw, word: st.SearchStrategy[str] = WORD | ODD_WORD
) -> tuple[list[str], list[tuple[int, int, str]]]:
    words = draw(st.lists(word, min_size=1, max_size=6))
    spans, position = [], 0
    while position < len(words) and draw(st.booleans()):
        end = draw(st.integers(position + 1, len(words)))
        spans.append((position, end, draw(st.sampled_from(["PER", "creative-work", "人 名"]))))
        position = end + draw(st.integers(0, 2))
    return words, spans


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("columns") / "drawn.conll"


@given(
    sentences=st.lists(draw_sentence(), min_size=1, max_size=4),
    scheme=st.sampled_from(["IOB1", "IOB2", "BIOES", "BILOU"]),
    newline=st.sampled_from(["\n", "\r\n"]),
    numbered=st.booleans(),
)
def test_what_is_written_comes_back(file, sentences, scheme, newline, numbered):
    lines = []
    for words, spans in sentences:
        tags = write_tags(spans, len(words), scheme)
        for number, (word, tag) in enumerate(zip(words, tags, strict=True), start=1):
            lines.append(f"{number}\t{word}\t{tag}\t-\tremark" if numbered else f"{word}\t{tag}")
        lines.append("")
    documents, ledger = read(file, newline.join(lines))
    written = [
        Document.from_words(words, spans, id=document.id)
        for document, (words, spans) in zip(documents, sentences, strict=True)
    ]
    assert documents == [trimmed(document) for document in written]
    assert set(ledger.counts) <= {"trimmed_border", "vanished"}
    assert len(ledger.entries) == sum(
        1
        for document in written
        for entity in document.entities
        if trimmed(document.with_entities([entity])).entities != (entity,)
    )


@given(st.text(st.sampled_from("a#-1\t \n\rOBIX.\x85"), max_size=60))
def test_any_text_is_read_or_refused_with_its_place(file, content):
    assert fault(file, content).startswith((f"{file}:", "none"))


@given(st.lists(st.sampled_from(["a", "b", "ab", "", " ", "é"]), max_size=5), st.data())
def test_words_are_found_in_the_text_they_were_joined_to(words, data):
    gaps = data.draw(
        st.lists(
            st.sampled_from(["", " ", "\xa0 "]), min_size=len(words) + 1, max_size=len(words) + 1
        )
    )
    text = "".join(gap + word for gap, word in zip(gaps, [*words, ""], strict=True))
    spans = align_words(text, words)
    if spans is not None:  # a word that is itself a blank may have been taken for a gap before it
        assert [text[start:end] for start, end in spans] == words
        assert spans == sorted(spans)
    assert spans is not None or " " in words
    assert align_words(text + "x", words) is None


PARIS = [(["Paris", "fell"], [("Paris", "LOC")])]

SAME_SENTENCE = {
    "tab": "Paris\tB-LOC\nfell\tO\n",
    "blank": "Paris B-LOC\nfell O\n",
    "runs of blanks": "  Paris \t  B-LOC \nfell   O\n",
    "no newline at the end": "Paris\tB-LOC\nfell\tO",
    "byte order mark": "\ufeffParis\tB-LOC\nfell\tO\n",
    "CRLF": "Paris\tB-LOC\r\nfell\tO\r\n\r\n",
    "many blank lines": "\n\t\n \nParis\tB-LOC\nfell\tO\n\n\n \t \n",
    "IO": "Paris I-LOC\nfell O\n",
    "BIOES": "Paris S-LOC\nfell O\n",
    "BILOU": "Paris U-LOC\nfell O\n",
    "CoNLL-2003": "-DOCSTART- -X- -X- O\n\nParis NNP B-NP B-LOC\nfell VBD B-VP O\n",
    "numbered, a second layer": "#\thttp://x.org/a\t[2020-01-01]\t\n1\tParis\tB-LOC\tO\n2\tfell\tO\tB-LOC\n",
    "numbered from 0": "0\tParis\tB-LOC\n1\tfell\tO\n",
    "CoNLL-U ranges": "1-2\tParisfell\t_\t_\n1\tParis\tB-LOC\t-\n1.1\tx\tO\t-\n2\tfell\tO\t-\n",
    "comments": "# from a page\nParis\tB-LOC\n# file:\tpage 2\nfell\tO\n",
    "comment by name whose end looks like a tag": "# text = Vitamin B-12\nParis B-LOC\nfell O\n",
    "a remark at the end of a line": "Paris B-LOC\nfell O remark\n",
    "a TAB at the end of a line": "Paris\tB-LOC\nfell\tO\t\n",
    "space-separated document line in a TAB "
    "file": "-DOCSTART- -12- O O\n\nParis\tNE\tB-LOC\nfell\tVB\tO\n",
}


@pytest.mark.parametrize("name", SAME_SENTENCE)
def test_the_same_sentence_in_many_files(tmp_path, name):
    documents, ledger = read(tmp_path / "a.conll", SAME_SENTENCE[name])
    assert words_and_entities(documents) == PARIS
    assert ledger.counts == {}


@pytest.mark.parametrize(
    ("content", "settings"),
    [
        ("B-LOC\tParis\nO\tfell\n", {"token_column": 1, "tag_column": 0}),
        ("B-LOC x Paris\nO x fell\n", {"token_column": -1, "tag_column": -3}),
        ("1\tParis\tO\tB-LOC\n2\tfell\tO\tO\n", {"tag_column": 3}),
        ("x\tParis\tB-LOC\ny\tfell\tO\n", {"token_column": 1}),
        ("Paris\tB-LOC\nfell\tO\n", {"separator": "blanks"}),
        ("Paris\tB-LOC\nfell\tO\n".encode("utf-16"), {"encoding": "utf-16"}),
        ("Paris B-LOC\nfell O\n", {"format": "columns", "scheme": "IOB2", "strict": True}),
    ],
)
def test_the_same_sentence_as_the_settings_say(tmp_path, content, settings):
    assert (
        words_and_entities(
            read(tmp_path / "a.json", content, **{"format": "columns", **settings})[0]
        )
        == PARIS
    )


def test_words_that_look_like_something_else(tmp_path):
    content = "#\tO\n#tag\tB-X\n\tO\n \tO\n\xa0\tO\n\x85\tO\nO\tO\n"
    (document,), _ = read(tmp_path / "a.conll", content)
    assert document.word_texts() == ["#", "#tag", "", " ", "\xa0", "\x85", "O"]
    (document,), _ = read(tmp_path / "a.conll", "# O\n#tag B-X\n\xa0 O\n O\n")
    assert document.word_texts() == ["#", "#tag", "\xa0", ""]


def test_a_word_may_hold_the_separator(tmp_path):
    (document,), ledger = read(tmp_path / "a.conll", "New York B-LOC\n- - O\nfell O\nin O\n")
    assert words_and_entities([document]) == [
        (["New York", "- -", "fell", "in"], [("New York", "LOC")])
    ]
    (document,), _ = read(tmp_path / "a.conll", "New\tYork\tB-LOC\nfell\tO\nin\tO\n")
    assert document.word_texts()[0] == "New York"
    assert ledger.counts == {}


def test_lines_without_a_tag_are_counted(tmp_path):
    documents, ledger = read(tmp_path / "a.conll", "Paris B-LOC\nfell\n#tag\nin O\n1940\n")
    assert words_and_entities(documents) == [
        (["Paris", "fell", "#tag", "in", "1940"], [("Paris", "LOC")])
    ]
    assert ledger.entries == [
        ("untagged", f"{tmp_path}/a.conll:{line}", word)
        for line, word in [(2, "fell"), (3, "#tag"), (5, "1940")]
    ]


def test_tags_on_few_lines_are_not_missed(tmp_path):
    documents, ledger = read(tmp_path / "a.conll", "it\nwas\nParis\tB-LOC\nthat\nfell\n")
    assert documents[0].entities[0].text == "Paris"
    assert ledger.counts == {"untagged": 4}


def test_words_alone_are_read_without_complaint(tmp_path):
    documents, ledger = read(tmp_path / "a.txt", "It\nfell\n\n#again\n", strict=True)
    assert words_and_entities(documents) == [(["It", "fell"], []), (["#again"], [])]
    assert ledger.counts == {}


def test_illegal_tags_are_repaired_and_counted(tmp_path):
    content = "Paris\tI-LOC\nfell\tO\n\n" + "Rome\tB-LOC\nfell\tO\n\n" * 9
    documents, ledger = read(tmp_path / "a.conll", content)
    assert words_and_entities(documents)[0] == PARIS[0]
    assert ledger.entries == [("repaired", f"{tmp_path}/a.conll:1", "I-LOC at the beginning")]


def test_a_slip_in_a_hundred_tags_is_counted(tmp_path):
    content = "Paris B_LOC\nfell v\n" + "again O\nRome B-LOC\n" * 150
    documents, ledger = read(tmp_path / "a.conll", content)
    assert documents[0].entities[0].label == "LOC"
    assert ledger.entries == [
        ("repaired", f"{tmp_path}/a.conll:1", "B_LOC read as B-LOC"),
        ("untagged", f"{tmp_path}/a.conll:2", "fell: 'v' is no tag"),
    ]


def test_ids_groups_and_texts_come_from_the_comments(tmp_path):
    content = (
        "# newdoc id = d1\n# sent_id = s1\n# text = 同样 "
        "ok.\n1\t同\tO\n2\t样\tB-X\n3\tok\tO\n4\t.\tO\n\n"
        "# text = something else\n1\tnot\tO\n2\tit\tB-X\n\n"
        "# newdoc\n1\tlast\tO\n"
    )
    first, second, third = read(tmp_path / "a.iob2", content)[0]
    assert (first.text, first.words, first.id, first.group) == (
        "同样 ok.",
        ((0, 1), (1, 2), (3, 5), (5, 6)),
        "s1",
        "d1",
    )
    assert (first.entities[0].start, first.entities[0].end, first.entities[0].text) == (1, 2, "样")
    assert (second.text, second.id, second.group) == ("not it", "a.iob2:10", "d1")
    assert (third.id, third.group) == ("a.iob2:14", "a.iob2:13")


def test_document_lines_begin_a_group(tmp_path):
    content = "-DOCSTART-\tO\n\na\tO\n\nb\tO\n-DOCSTART-\tO\nc\tO\n"
    assert [(d.text, d.id, d.group) for d in read(tmp_path / "a.tsv", content)[0]] == [
        ("a", "a.tsv:3", "a.tsv:1"),
        ("b", "a.tsv:5", "a.tsv:1"),
        ("c", "a.tsv:7", "a.tsv:6"),
    ]


def test_an_empty_file_holds_no_documents(tmp_path):
    assert read(tmp_path / "a.conll", "")[0] == []
    assert read(tmp_path / "a.conll", "\n \n# nothing here\n-DOCSTART- O\n")[0] == []


def test_streamed_words_are_those_of_the_whole_file(tmp_path):
    path = tmp_path / "stream.conll"
    path.write_text(
        "-DOCSTART- O\n\n" + "a b\tO\nEllmar\tB-LOC\n\n" * 3 + "# text = no gap\nno\tO\ngap\tO\n",
        encoding="utf-8",
    )
    streamed = list(stream_words(path, ReadSettings()))
    whole = list(read_documents(path, ReadSettings(), Ledger()))
    assert streamed == [document.with_entities([]) for document in whole]


def test_streaming_reads_no_further_than_is_asked_for(tmp_path):
    path = tmp_path / "endless.conll"
    path.write_bytes(b"a\tO\n\n" * 20_000 + b"\xff\tO\n")
    assert next(stream_words(path, ReadSettings())).text == "a"
    with pytest.raises(
        DataError, match=r"endless.conll:40001: expected text in utf-8, got the byte 0xff"
    ):
        list(stream_words(path, ReadSettings()))
