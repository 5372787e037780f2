"""`python -m tfner.suspects`: what it says and writes; a stub trains."""

from __future__ import annotations

import json

import numpy as np
import pytest
from command_line import CommandLine, refused
from fold_runs import finish_fold, write_run

import tfner.suspects
from tfner.corpus.ledger import Ledger
from tfner.documents import Document
from tfner.formats import read_documents
from tfner.formats.settings import ReadSettings
from tfner.tagging.schemes import LabelSet
from tfner.training.folds.out_of_fold import OutOfFold

FOLDS = "runs/mine-folds"
LABELS = LabelSet(("LOC", "PER"))
WRONG = 7  # number of the document whose mark is wrong


def truth_of(number):
    return "LOC" if number % 2 else "PER"


def write_data(path, count=20, wrong=WRONG):
    rows = []
    for number in range(count):
        label = truth_of(number) if number != wrong else "PER"
        rows.append(f"name{number} B-{label}\n<b>left</b> O\n")
    path.write_text("\n".join(rows))


class Stub:
    """Stands for a training whose model knows the truth."""

    def __init__(self):
        self.folds = 0
        self.asked = 0

    def ask(self, folder, predictions):
        self.asked += 1
        return predictions

    def __call__(self, settings, held_out, folder):
        self.folds += 1
        predictions = []
        for number, document in zip(held_out.numbers, held_out.documents, strict=True):
            label = truth_of(number)
            said = np.full((2, len(LABELS)), 0.0001)
            said[0, LABELS.id(f"B-{label}")] = said[1, 0] = 0.9996
            found = Document.from_words(document.word_texts(), [(0, 1, label)]).entities
            each = OutOfFold(document, number, held_out.fold, found, document.words, said)
            predictions.append(each)
        finish_fold(settings, held_out, folder, predictions)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_data(tmp_path / "train.conll")
    write_run(tmp_path)
    return tmp_path


@pytest.fixture
def stub(monkeypatch):
    stub = Stub()
    monkeypatch.setattr(tfner.suspects, "train_with_tensorflow", stub)
    monkeypatch.setattr(tfner.suspects, "ask_with_tensorflow", stub.ask)
    return stub


@pytest.fixture
def line(home, stub, capsys, monkeypatch):
    return CommandLine(capsys, monkeypatch)


def test_it_trains_the_folds_and_lists_the_worst_first(home, line, stub):
    ended = line("suspects", "run.yaml", "--folds", 4, "--n", 3)
    assert (ended.code, stub.folds) == (0, 4)
    rows = [row for row in ended.stdout.splitlines() if row.startswith("│")]
    assert len(rows) == 3
    assert all(
        word in rows[0] for word in ("wrong type", "train.conll:22", "PER name7", "LOC name7")
    )
    assert "20 marks and 0 unmarked spots were judged; 1 are more likely" in ended.stdout
    assert "fold 4 of 4" in ended.stderr
    lines = (home / FOLDS / "suspects.jsonl").read_text().splitlines()
    first = json.loads(lines[0])
    assert len(lines) == 20
    assert (first["id"], first["number"], first["kind"]) == ("train.conll:22", 7, "wrong_type")
    assert first["marked"] == {"start": 0, "end": 5, "label": "PER", "text": "name7"}
    assert first["proposed"] == {**first["marked"], "label": "LOC"}
    assert (first["context"], first["offset"]) == ("name7 <b>left</b>", 0)


def test_a_finished_cross_validation_is_read_and_nothing_is_trained(home, line, stub):
    assert line("suspects", "run.yaml", "--folds", 4).code == 0
    written = (home / FOLDS / "suspects.jsonl").read_bytes()
    stub.folds = 0
    assert stub.asked == 1
    for where in (("run.yaml", "--folds", 4, "--out-of-fold"), (FOLDS, "--out-of-fold")):
        assert line("suspects", *where).code == 0
        assert (home / FOLDS / "suspects.jsonl").read_bytes() == written
    assert (stub.folds, stub.asked) == (0, 1)


def test_the_page_needs_nothing_from_outside_and_escapes_the_text(home, line):
    assert line("suspects", "run.yaml", "--folds", 2, "--html", "out/page.html").code == 0
    page = (home / "out/page.html").read_text()
    assert "&lt;b&gt;left&lt;/b&gt;" in page
    assert "<b>left" not in page
    assert '<mark class="g p">name7</mark>' in page
    assert "http" not in page.replace("http-equiv", "")


def test_documents_are_written_as_is_proposed_in_a_format_of_the_registry(home, line):
    options = ("--folds", 2, "--n", 2, "-o", "again.conll", "--format", "columns")
    ended = line("suspects", "run.yaml", *options)
    assert ended.code == 0
    assert "again.conll: 2 documents as is proposed" in ended.stderr
    first, _ = read_documents("again.conll", ReadSettings(), Ledger())
    assert [(entity.text, entity.label) for entity in first.entities] == [("name7", "LOC")]


def test_a_prediction_of_other_tags_is_refused(home, line):
    assert line("suspects", "run.yaml", "--folds", 2).code == 0
    (home / FOLDS / "report.json").write_text('{"tags": ["O", "B-PER", "I-PER"]}')
    refused(
        line("suspects", FOLDS),
        "train.conll:1: expected probabilities of 3 tags for each of 2 units, got the shape (2, 5)",
    )
