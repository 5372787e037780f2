"""spaCy's DocBin: what spaCy wrote is read, damaged files are refused."""

from __future__ import annotations

import sys
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trimmed import trimmed

from tfner.corpus.ledger import Ledger
from tfner.documents import Document, entity_at
from tfner.exceptions import DataError, MissingExtraError
from tfner.formats import read_documents
from tfner.formats.reading import read_unmarked
from tfner.formats.settings import ReadSettings

spacy = pytest.importorskip("spacy", reason="the extra spacy is not installed")

TEXT = "Mara left\n New York."


def write(path: Path, *docs) -> Path:
    path.write_bytes(spacy.tokens.DocBin(docs=docs).to_bytes())
    return path


def marked(text: str = TEXT):
    doc = spacy.blank("xx")(text)
    doc.ents = [doc.char_span(0, 4, "PER"), doc.char_span(11, 19, "LOC")]
    return doc


def read(path: Path, **options) -> list[Document]:
    return list(read_documents(path, ReadSettings(**options), Ledger()))


def test_a_docbin_gives_texts_tokens_and_entities(tmp_path):
    path = write(tmp_path / "a.spacy", marked(), spacy.blank("xx")("So."))
    first, second = read(path, strict=True)
    assert (first.text, second.text) == (TEXT, "So.")
    assert [entity.key for entity in first.entities] == [(0, 4, "PER"), (11, 19, "LOC")]
    assert first.word_texts() == ["Mara", "left", "New", "York", "."]
    assert second.entities == ()
    assert [first.id, second.id] == ["a.spacy[0]", "a.spacy[1]"]
    assert [one.text for one in read_unmarked(path, ReadSettings())] == [TEXT, "So."]


def test_spans_of_spancat_are_read_where_there_are_no_entities(tmp_path):
    doc = spacy.blank("xx")(TEXT)
    doc.spans["sc"] = [doc.char_span(11, 19, "LOC"), doc.char_span(11, 14, "NEW")]
    doc.spans["other"] = [doc.char_span(0, 4, "PER")]
    (document,) = read(write(tmp_path / "a.spacy", doc))
    assert {entity.key for entity in document.entities} == {(11, 19, "LOC"), (11, 14, "NEW")}
    with_entities = marked()
    with_entities.spans["sc"] = [with_entities.char_span(11, 14, "NEW")]
    (document,) = read(write(tmp_path / "a.spacy", with_entities))
    assert [entity.label for entity in document.entities] == ["PER", "LOC"]


WORD = st.text(st.characters(exclude_categories=("Cs", "Z", "C")), min_size=1, max_size=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("docbin")


@settings(max_examples=40)
@given(st.lists(st.tuples(WORD, st.booleans()), min_size=1, max_size=6), st.data())
def test_what_spacy_writes_comes_back(folder, tokens, data):
    words, spaces = map(list, zip(*tokens, strict=True))
    doc = spacy.tokens.Doc(spacy.vocab.Vocab(), words=words, spaces=spaces)
    first = data.draw(st.integers(0, len(words) - 1))
    last = data.draw(st.integers(first, len(words) - 1))
    doc.ents = [spacy.tokens.Span(doc, first, last + 1, "X")]
    (found,) = read(write(folder / "a.spacy", doc))
    start, end = doc.ents[0].start_char, doc.ents[0].end_char
    kept = trimmed(Document(doc.text, (entity_at(doc.text, start, end, "X"),), found.words))
    assert (found.text, found.entities) == (doc.text, kept.entities)
    assert found.word_texts() == words


def test_damaged_files_are_refused_by_name(tmp_path):
    path = write(tmp_path / "a.spacy", marked())
    whole = path.read_bytes()
    inside = zlib.decompress(whole)
    for content in (
        b"",
        b"no DocBin",
        whole[: len(whole) // 2],
        zlib.compress(b""),
        zlib.compress(inside[:-40]),
        zlib.compress(b"\x80"),
        zlib.compress(inside.replace(b"lengths\xc4\x04\x06", b"lengths\xc4\x04\x7f")),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError) as caught:
            read(path)
        assert str(caught.value).startswith(f"{path}: cannot be read as a DocBin of spaCy: ")
        assert "\n" not in str(caught.value)


def test_what_is_too_large_when_unpacked_is_refused(tmp_path):
    path = tmp_path / "a.spacy"
    path.write_bytes(zlib.compress(b"\0" * 10_000))
    with pytest.raises(DataError) as caught:
        read(path, max_file=5000)
    expected = "expected at most 5,000 bytes when unpacked (max_file), got more"
    assert str(caught.value) == f"{path}: {expected}"
    with pytest.raises(DataError, match=r"a\.spacy: cannot be read: expected at most 10 bytes"):
        read(path, max_file=10)
    with pytest.raises(DataError, match=r"none\.spacy: no such file"):
        read(tmp_path / "none.spacy")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"cannot be read: Is a directory$"):
        read(tmp_path / "empty", format="spacy")


def test_the_extra_is_named_where_spacy_is_missing(tmp_path, monkeypatch):
    path = write(tmp_path / "a.spacy", marked())
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(MissingExtraError, match=r"a\.spacy.*tfner\[spacy\]"):
        read(path)
