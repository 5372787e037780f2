"""`python -m tfner.select`, with a tiny export."""

from __future__ import annotations

import json

import pytest
import tiny
from command_line import CommandLine, refused

from tfner.corpus.ledger import Ledger
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
    columns = line(
        "select", model, "texts.jsonl", "--n", 9, "-o", "out.conll", "--format", "columns"
    )
    assert columns.code == 0
    assert "no more than 4 texts are unlike each other" in columns.stderr
    assert len(list(read_documents("out.conll", ReadSettings(), Ledger()))) == 4
    (tmp_path / "blank.txt").write_text("\n\n")
    blank = line("select", model, "blank.txt")
    refused(blank, "blank.txt: expected texts to choose from, found none")
