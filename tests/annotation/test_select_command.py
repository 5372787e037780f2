"""`python -m tfner.select`, with a tiny export."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tiny
from command_line import CommandLine, refused

import tfner.select
from tfner import commands
from tfner.corpus.ledger import Ledger
from tfner.documents import entity_at
from tfner.formats import read_documents
from tfner.formats.settings import ReadSettings

TEXTS = ["Anna met Boris in Oslo", "", "anna met boris in oslo", "nothing here", "Mara left", "x"]


@pytest.fixture
def line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS))
    rows = [{"id": f"t{number}", "text": text} for number, text in enumerate(TEXTS) if text]
    (tmp_path / "texts.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return CommandLine(capsys, monkeypatch)


class Stub:
    """Stands for a model that is unsure of the first word of texts that begin with M."""

    def __call__(self, model, documents, pool):
        for document in documents:
            unit = document.text.partition(" ")[0]
            doubt = 0.5 if unit.startswith("M") else 0.01
            pool.add(document, [(0, len(unit))], np.array([[doubt, 1 - doubt]]))

    def documents(self, documents):
        return [[entity_at(each.text, 0, 1, "PER", 0.5)] for each in documents]


@pytest.fixture
def stub(monkeypatch):
    stub = Stub()
    monkeypatch.setattr(tfner.select, "weigh", stub)
    monkeypatch.setattr(commands, "open_recognizer", lambda path: stub)


def test_what_is_chosen_is_written_with_its_id_and_its_worth_is_said(line, stub, tmp_path):
    ended = line("select", "model", "texts.jsonl", "--n", 2, "-o", "out.jsonl")
    assert (ended.code, ended.stdout) == (0, "")
    first, second = map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())
    assert (first["id"], first["text"]) == ("t4", "Mara left")
    assert first["entities"] == [{"start": 0, "end": 1, "label": "PER", "score": 0.5, "text": "M"}]
    assert second["id"] != first["id"]
    rows = [row for row in ended.stderr.splitlines() if row.startswith("│")]
    assert all(word in rows[0] for word in ("0.50", "t4", "Mara left"))
    assert "chosen: 2 of 5 texts; 1 were repeated" in ended.stderr


def test_the_output_may_have_any_format_that_can_be_written(line, stub):
    options = ("--n", 9, "-o", "out.conll", "--format", "columns")
    ended = line("select", "model", "texts.jsonl", *options)
    assert ended.code == 0
    assert "no more than 4 texts are unlike each other" in ended.stderr
    assert len(list(read_documents("out.conll", ReadSettings(), Ledger()))) == 4


@pytest.mark.slow
def test_texts_are_chosen_and_written_with_what_the_model_proposes(line, tmp_path):
    model = tiny.exported()
    ended = line("select", model, "texts.txt", "--n", 2)
    assert ended.code == 0
    records = list(map(json.loads, ended.stdout.splitlines()))
    assert len(records) == 2
    recognizer = tiny.loaded()
    for record in records:
        found = [entity.text for entity in recognizer(record["text"])]
        assert [entity["text"] for entity in record["entities"]] == found
    assert "1 were repeated" in ended.stderr
    (tmp_path / "blank.txt").write_text("\n\n")
    blank = line("select", model, "blank.txt")
    refused(blank, "blank.txt: expected texts to choose from, found none")
