"""BRAT folders: offsets into the text as it stands, and nothing left out without an entry."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from trimmed import trimmed

from tfner.corpus.ledger import Ledger
from tfner.documents import Document, entity_at
from tfner.formats import read_documents
from tfner.formats.settings import ReadSettings


def read(path: Path, **settings) -> tuple[list[Document], Ledger]:
    ledger = Ledger()
    return list(read_documents(path, ReadSettings(**settings), ledger)), ledger


def write(folder: Path, name: str, text: str, annotations: str | None) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.txt").write_bytes(text.encode())
    if annotations is not None:
        (folder / f"{name}.ann").write_bytes(annotations.encode())


def test_offsets_count_every_character_of_the_file(tmp_path):
    write(
        tmp_path,
        "a",
        "\ufeff😀\r\nAda\r\nLovelace\u2028met",
        "T1\tPER 4 17\tAda\r Lovelace\r\nT2\tV 18 21\tmet\r\n",
    )
    (document,), ledger = read(tmp_path, strict=True)
    assert [(entity.text, entity.label) for entity in document.entities] == [
        ("Ada\r\nLovelace", "PER"),
        ("met", "V"),
    ]
    assert (document.text[:5], document.words, document.id) == ("\ufeff😀\r\nA", None, "a")
    assert ledger.counts == {}


def test_what_is_no_plain_entity_is_counted(tmp_path):
    annotations = [
        "T1\tORG 0 8\tNew York",
        "T2\tLOC 0 3;4 8\tNew York",
        "R1\tPart Arg1:T1 Arg2:T2",
        "E1\tMove:T1",
        "A1\tSure T1",
        "M1\tNegation E1",
        "N1\tReference T1 Wiki:1",
        "#1\tAnnotatorNotes T1\tnested",
        "*\tEquiv T1 T2",
        "T3\tLOC 4 8",
        "T4\tLOC 4 9\tYork",
        "T5\tLOC 7 20\tk",
        "",
    ]
    write(tmp_path, "a", "New York.", "\n".join(annotations))
    (document,), ledger = read(tmp_path)
    assert [entity.key for entity in document.entities] == [(0, 8, "ORG"), (4, 8, "LOC")]
    assert ledger.counts == {"discontinuous": 1, "skipped_annotation": 7, "invalid_span": 2}
    places = [entry[:2] for entry in ledger.entries if entry.reason != "skipped_annotation"]
    expected = [("discontinuous", 2), ("invalid_span", 11), ("invalid_span", 12)]
    assert places == [(reason, f"{tmp_path}/a.ann:{line}") for reason, line in expected]
    assert ledger.entries[-2].detail == "LOC 4..9, which is 'York.', not 'York'"


def test_folders_are_read_to_the_bottom_in_order(tmp_path):
    write(tmp_path, "b", "text", None)
    write(tmp_path, "sub/a.1", "Ada", "T1\tPER 0 3\tAda\n")
    write(tmp_path, "a", "", "")
    assert [(document.id, len(document.entities)) for document in read(tmp_path)[0]] == [
        ("a", 0),
        ("b", 0),
        ("sub/a.1", 1),
    ]
    for ending in (".txt", ".ann"):
        assert [document.id for document in read(tmp_path / "sub" / f"a.1{ending}")[0]] == ["a.1"]
    assert [document.text for document in read(tmp_path / "b.txt", format="brat")[0]] == ["text"]


@given(st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12), st.data())
def test_any_span_of_any_text_comes_back(tmp_path_factory, text, data):
    folder = tmp_path_factory.mktemp("brat")
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    write(folder, "a", text, f"T1\tX {start} {end}\t" + re.sub(r"[\r\n]", " ", text[start:end]))
    (document,), ledger = read(folder)
    given = Document(text, (entity_at(text, start, end, "X"),), id="a")
    assert document == trimmed(given)
    assert len(ledger.entries) == (document.entities != given.entities)
