"""What is found in a text is a list that shows itself, and becomes JSON, a DataFrame or a Doc."""

from __future__ import annotations

import copy
import json
import pickle
import sys

import pytest

from tfner.documents import Document, Entity, entity_at
from tfner.entity_list import Entities
from tfner.exceptions import MissingExtraError

TEXT = "<b>Bo</b> left\nאב"
BO, FATHER = entity_at(TEXT, 3, 5, "PER", 0.987654321), entity_at(TEXT, 15, 17, "X", 0.5)
FOUND = Entities([BO, FATHER], TEXT)


def test_it_is_a_list_as_any_other():
    assert FOUND == [BO, FATHER]
    assert [BO, FATHER] == FOUND
    assert FOUND[1:] == [FATHER]
    assert isinstance(FOUND, list)
    assert not Entities((), TEXT)
    assert json.dumps(Entities((), TEXT)) == "[]"
    assert json.loads(json.dumps(FOUND, default=Entity.to_dict)) == FOUND.to_dict()["entities"]


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))]
)
def test_copies_and_pickles_keep_the_text(again):
    assert again(FOUND) == FOUND
    assert again(FOUND).text == TEXT


def test_it_reads_as_what_makes_it():
    short = Entities([Entity(0, 2, "PER", 0.5, "Bo")], "Bo left")
    assert eval(repr(short)) == short
    assert eval(repr(short)).text == "Bo left"
    assert len(repr(Entities((), "x" * 10_000))) < 200


def test_json_has_text_and_entities():
    record = json.loads(FOUND.to_json())
    assert record == FOUND.to_dict()
    assert record["text"] == TEXT
    bo = {"start": 3, "end": 5, "label": "PER", "score": 0.987654, "text": "Bo"}
    assert record["entities"][0] == bo


def test_a_document_has_the_same():
    document = Document.from_words(["Bo", "left"], [(0, 1, "PER")], id="a", group="g")
    assert document.to_dict() == {
        "id": "a",
        "text": "Bo left",
        "tokens": [{"start": 0, "end": 2}, {"start": 3, "end": 7}],
        "entities": [{"start": 0, "end": 2, "label": "PER", "score": 1.0, "text": "Bo"}],
        "group": "g",
    }
    assert Document(TEXT, tuple(FOUND))._repr_html_() == FOUND._repr_html_()


def test_a_notebook_shows_the_text_escaped_in_its_direction_and_in_colour():
    shown = FOUND._repr_html_()
    assert "&lt;b&gt;<mark" in shown
    assert 'title="PER 0.99">Bo<small>' in shown
    assert 'dir="auto"' in shown
    assert "pre-wrap" in shown
    assert "<b>" not in shown


def test_a_dataframe_has_a_row_an_entity():
    pandas = pytest.importorskip("pandas", reason="the extra pandas is not installed")
    frame = FOUND.to_dataframe()
    assert isinstance(frame, pandas.DataFrame)
    assert frame.to_dict("records") == FOUND.to_dict()["entities"]
    assert list(Entities((), "x").to_dataframe().columns) == list(frame.columns)


def test_a_doc_has_entities_and_scores():
    pytest.importorskip("spacy", reason="the extra spacy is not installed")
    doc = Entities([BO], TEXT).to_spacy()
    assert [(span.text, span.label_, span._.score) for span in doc.ents] == [
        ("Bo", "PER", 0.987654321)
    ]


def test_what_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(MissingExtraError, match=r"needs the package pandas.*'tfner\[pandas\]'"):
        FOUND.to_dataframe()
    with pytest.raises(MissingExtraError, match=r"needs the package spacy.*'tfner\[spacy\]'"):
        FOUND.to_spacy()
