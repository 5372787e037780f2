"""Documents become Docs of spaCy's with the same text and entities, and come back."""

from __future__ import annotations

import importlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfner.documents import Document, entity_at
from tfner.exceptions import MissingExtraError

spacy = pytest.importorskip("spacy", reason="the extra spacy is not installed")
NLP = spacy.blank("xx")


def marked(text: str, *spans) -> Document:
    return Document(text, tuple(entity_at(text, *span) for span in spans))


def keys_of(document: Document) -> set:
    return {entity.key for entity in document.entities}


@st.composite
def documents(draw):
    text = draw(st.text("ab  .\nü", max_size=16))
    position = st.integers(0, len(text))
    spans = set()
    for _ in range(draw(st.integers(0, 3))):
        start, end = sorted((draw(position), draw(position)))
        inside = text[start:end]
        if inside and inside == inside.strip():
            spans.add((start, end))
    document = marked(text, *((start, end, "X") for start, end in sorted(spans)))
    if draw(st.booleans()):
        borders = sorted(draw(st.lists(position, max_size=6)))
        words = tuple(zip(borders[::2], borders[1::2], strict=False))
        document = Document(text, document.entities, words)
    return document


@given(documents())
def test_text_and_entities_come_back_as_they_were(document):
    doc = document.to_spacy(NLP)
    assert doc.text == document.text
    assert keys_of(Document.from_spacy(doc)) == keys_of(document)


def test_given_words_are_the_tokens():
    document = Document.from_words(["Mara", "Lund", "isn't", "(here)"], [(0, 2, "PER")])
    doc = document.to_spacy()
    assert [token.text for token in doc] == ["Mara", "Lund", "isn't", "(here)"]
    assert [(span.text, span.label_) for span in doc.ents] == [("Mara Lund", "PER")]
    assert Document.from_spacy(doc) == document


def test_the_language_of_the_caller_finds_the_words_of_a_text():
    english = spacy.blank("en")
    doc = marked("Mara isn't here.", (0, 4, "PER")).to_spacy(english)
    assert [token.text for token in doc] == ["Mara", "is", "n't", "here", "."]
    assert doc.vocab is english.vocab


def test_a_word_is_cut_where_an_entity_ends():
    doc = marked("Burnos-Street", (0, 6, "LOC")).to_spacy()
    assert doc.ents[0].text == "Burnos"
    assert doc.text == "Burnos-Street"


def test_entities_that_overlap_are_spans_of_a_group():
    document = marked("New York City", (0, 13, "LOC"), (4, 8, "LOC"))
    doc = document.to_spacy()
    assert (doc.ents, len(doc.spans["sc"])) == ((), 2)
    assert keys_of(Document.from_spacy(doc)) == keys_of(document)


def test_id_and_group_are_given():
    document = Document.from_spacy(NLP("Bo"), id="a", group="g")
    assert (document.id, document.group, document.words) == ("a", "g", ((0, 2),))


def test_without_spacy_the_error_says_what_installs_it(monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(MissingExtraError, match=r"pip install 'tfner\[spacy\]'"):
        Document("a").to_spacy()
