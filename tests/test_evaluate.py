"""`tfner.evaluate` scores a model on what a program holds, as on a file of the same content."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

import tfner
from tfner import commands
from tfner.documents import Document, entity_at
from tfner.exceptions import ConfigError, DataError

RECORDS = [
    {"text": "Bo left", "entities": [[0, 2, "PER"]]},
    {"text": "Oslo slept", "entities": [[0, 4, "LOC"], [5, 99, "PER"]]},
]


@pytest.fixture(autouse=True)
def model(monkeypatch):
    """Stands for a model that finds the first two characters of each text, a PER."""

    def find(recognizer, documents, what="documents"):
        return [[entity_at(document.text, 0, 2, "PER")] for document in documents]

    recognizer = SimpleNamespace(card={"name": "stub"}, context="none", documents=None)
    monkeypatch.setattr(commands, "open_recognizer", lambda path: recognizer)
    monkeypatch.setattr(commands, "find_entities", find)
    return recognizer


def test_records_are_scored_as_a_file_of_them(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, RECORDS)))
    of_file, of_records = tfner.evaluate("model", path), tfner.evaluate("model", RECORDS)
    assert of_records.scores == of_file.scores
    assert of_records.scores.micro.support == 2
    assert of_records.scores.types["PER"].f1 == pytest.approx(2 / 3)
    assert (of_file.split, of_records.split) == (str(path), "data")
    assert of_records.dropped == {"data": {"invalid_span": 1}}
    assert tfner.evaluate("model", [path]).scores == of_file.scores


def test_documents_and_options_of_reading_and_context(model):
    bo = Document.from_words(["Bo", "left"], [(0, 1, "PER")])
    assert tfner.evaluate("model", [bo], context="document").scores.micro.f1 == 1.0
    assert model.context == "document"
    with pytest.raises(DataError, match=r"^data\[1\]: expected spans that fit the text"):
        tfner.evaluate("model", RECORDS, strict=True)


def test_that_nothing_is_marked_is_said(caplog):
    report = tfner.evaluate("model", [{"text": "Bo left"}])
    assert report.scores.micro.support == 0
    said = "data: none of 1 documents has a marked entity to compare predictions with"
    assert caplog.messages == [said]


def test_what_cannot_be_scored_is_said():
    with pytest.raises(DataError, match=r"^data: expected documents, got none$"):
        tfner.evaluate("model", [])
    with pytest.raises(DataError, match=r"^data: expected Documents, dicts, .*, got int 5$"):
        tfner.evaluate("model", 5)
    with pytest.raises(ConfigError, match=r"^evaluate: shceme: unknown; did you mean scheme\?"):
        tfner.evaluate("model", RECORDS, shceme="IOB2")
