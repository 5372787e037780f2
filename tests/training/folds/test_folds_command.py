"""`python -m tfner.cross_validate`: what it says and writes, how it goes on; stubs train."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from command_line import CommandLine, refused
from fold_runs import finish_fold, write_run

import tfner.cross_validate
from tfner.config import load_settings
from tfner.corpus.ledger import Ledger
from tfner.documents import Document, Entity
from tfner.evaluation.intervals import measure_intervals
from tfner.exceptions import DataError, Terminated
from tfner.formats import read_documents
from tfner.formats.settings import ReadSettings
from tfner.training.folds.out_of_fold import OutOfFold, read_predictions, write_predictions
from tfner.training.held_out import hold_out
from tfner.training.run_inputs import read_splits

FOLDS = "runs/mine-folds"


def write_data(path, count=20, labels=("PER", "LOC")):
    rows = [f"name{n} B-{labels[n % len(labels)]}\nleft O\n" for n in range(count)]
    path.write_text("\n".join(rows))


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_data(tmp_path / "train.conll")
    write_run(tmp_path)
    return tmp_path


class Stub:
    """Stands for a training whose model finds the entities of the first `right` documents."""

    def __init__(self, right: int = 1):
        self.right = right
        self.asked = []
        self.stop = None

    def __call__(self, settings, held_out, folder):
        if self.stop:
            raise self.stop
        self.asked.append(settings)
        predictions = []
        for index, document in enumerate(held_out.documents):
            found = document.entities if index < self.right else ()
            number = held_out.numbers[index]
            said = np.full((len(document.words), 3), 0.25)
            fold = held_out.fold
            predictions.append(OutOfFold(document, number, fold, found, document.words, said))
        finish_fold(settings, held_out, folder, predictions)


@pytest.fixture
def stub(monkeypatch):
    stub = Stub()
    monkeypatch.setattr(tfner.cross_validate, "train_with_tensorflow", stub)
    return stub


@pytest.fixture
def line(home, stub, capsys, monkeypatch):
    return CommandLine(capsys, monkeypatch)


def validate(line, *options):
    return line("cross_validate", "run.yaml", "--folds", 4, *options)


def read(source):
    return [each.text for each in read_documents(source, ReadSettings(), Ledger())]


def test_results_go_to_standard_output_and_progress_to_the_other(home, line, stub):
    ended = validate(line)
    assert ended.code == 0
    lines = re.sub(r", [\d:]+ left", ", TIME left", ended.stderr).splitlines()
    assert lines == [
        text
        for fold in (1, 2, 3, 4)
        for text in (
            f"fold {fold} of 4: 5 documents, 5 entities are held out",
            f"fold {fold} of 4: F1 33.3; mean 33.3, TIME left",
        )
    ]
    assert "F1 33.3 ± 0.0 over folds, 33.3 of all documents together" in ended.stdout
    assert f"predictions of all documents: {FOLDS}/predictions.jsonl" in ended.stdout
    report = json.loads((home / FOLDS / "report.json").read_text())
    assert report["f1"] == {"mean": pytest.approx(1 / 3), "sd": 0.0}
    assert report["tags"] == ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
    predictions = list(read_predictions(home / FOLDS / "predictions.jsonl"))
    assert [each.number for each in predictions] == list(range(20))


def test_the_scores_of_all_documents_have_intervals_over_the_documents(home, line):
    ended = validate(line)
    assert ended.code == 0
    report = json.loads((home / FOLDS / "report.json").read_text())
    predictions = list(read_predictions(home / FOLDS / "predictions.jsonl"))
    documents = [each.document for each in predictions]
    drawn = measure_intervals(documents, [each.predicted for each in predictions])
    assert report["intervals"] == drawn.to_dict()
    assert report["intervals"]["documents"] == 20
    shown = ended.stdout.splitlines()
    low, high = (100 * bound for bound in drawn.micro["f1"][:2])
    said = f"micro F1 on other such documents: {low:.1f} to {high:.1f} in 95% of 1,000 draws of 20"
    assert said in shown
    assert max(map(len, shown)) <= 80
    for label in ("LOC", "PER"):
        low, high = (100 * bound for bound in drawn.types[label]["f1"][:2])
        assert any(label in each and f"{low:.1f} to {high:.1f} │" in each for each in shown)


def test_a_fold_learns_all_others_and_is_scored_on_its_own(home, line, stub):
    assert validate(line).code == 0
    everything = set(read("train.conll"))
    held = []
    for settings in stub.asked:
        own, learned = read(settings.data.test), read(settings.data.train)
        assert set(own) | set(learned) == everything
        assert not set(own) & set(learned)
        assert (settings.data.dev, settings.export.enabled) == (None, False)
        assert settings.labels == ("LOC", "PER")
        held += own
    assert sorted(held) == sorted(everything)


def test_dev_is_a_share_of_what_a_fold_learns(home, line, stub):
    assert validate(line, "data.dev=20%").code == 0
    for settings in stub.asked:
        documents = hold_out(settings).documents
        assert {split: len(each) for split, each in documents.items()} == {"train": 12, "dev": 3}
        assert not {each.text for each in documents["dev"]} & set(read(settings.data.test))
        assert set(read_splits(settings, overwrite=True).documents) == {"train", "dev", "test"}


def test_a_finished_fold_is_not_trained_again(home, line, stub):
    stub.stop = KeyboardInterrupt()
    assert validate(line).code == 130
    stub.stop = None
    assert validate(line).code == 0
    assert len(stub.asked) == 4
    predictions = (home / FOLDS / "fold-2" / "predictions.jsonl").read_bytes()
    (home / FOLDS / "fold-2" / "predictions.jsonl").unlink()
    again = validate(line)
    assert [settings.name for settings in stub.asked[4:]] == ["fold-2"]
    assert "fold 1 of 4: F1 33.3 (finished before); mean 33.3\n" in again.stderr
    assert (home / FOLDS / "fold-2" / "predictions.jsonl").read_bytes() == predictions


@pytest.mark.parametrize(
    ("stop", "code", "said"),
    [
        (KeyboardInterrupt(), 130, f"interrupted: {FOLDS}: the same command goes on\n"),
        (Terminated(), 143, f"terminated: {FOLDS}: the same command goes on\n"),
    ],
)
def test_one_that_is_stopped_says_how_to_go_on(line, stub, stop, code, said):
    stub.stop = stop
    ended = validate(line)
    assert (ended.code, ended.stdout) == (code, "")
    assert said in ended.stderr


def test_other_folds_settings_and_marks_need_overwrite(home, line, stub):
    assert validate(line).code == 0
    again = "choose another folder or add --overwrite"
    ended = line("cross_validate", "run.yaml", "--folds", 2)
    refused(ended, f"{FOLDS} holds other folds (folds: 4 → 2); {again}")
    ended = validate(line, "seed=2")
    refused(ended, f"{FOLDS} holds other folds (seed: 1 → 2); {again}")
    changed = "training.batch_size: 32 → 8"
    other = f"holds a run with other settings ({changed})"
    ended = validate(line, "training.batch_size=8")
    refused(ended, f"{FOLDS}/fold-1 {other}; choose another name or add --overwrite")
    write_data(home / "train.conll", labels=("PER", "ORG", "LOC"))
    ended = validate(line)
    marks = "the marks of the data have changed since"
    refused(ended, f"{FOLDS}/splits.json: {marks}; {again}")
    assert len(stub.asked) == 4
    assert validate(line, "--overwrite", "training.batch_size=8").code == 0
    assert len(stub.asked) == 8
    assert stub.asked[-1].labels == ("LOC", "ORG", "PER")


def test_another_folder_can_be_named_but_none_of_something_else(home, line, stub):
    assert validate(line, "--to", "out").code == 0
    assert (home / "out" / "fold-4" / "config.yaml").exists()
    (home / "mine").mkdir()
    (home / "mine" / "letter.txt").write_text("dear")
    expected = "mine: expected a folder of a cross-validation, or none"
    refused(validate(line, "--to", "mine", "--overwrite"), expected)
    assert (home / "mine" / "letter.txt").exists()


def test_what_cannot_be_divided_or_learned_is_said(home, line):
    write_data(home / "train.conll", count=3)
    folds = "fold-1, fold-2, fold-3, fold-4"
    expected = "expected at least 4 groups or texts, one for each split, got 3 in 3 documents"
    refused(validate(line), f"train.conll: cannot be divided into {folds}: {expected}")
    (home / "train.conll").write_text("a O\n\nb O\n")
    expected = "expected entities to learn, found none in 2 documents"
    refused(validate(line), f"train.conll: {expected}")
    refused(
        validate(line, "devices=multi_worker"),
        "devices: expected a fold in one process, got multi_worker",
    )


def test_a_type_that_one_fold_alone_has_is_said(home, line):
    text = (home / "train.conll").read_text().replace("name3 B-LOC", "name3 B-RARE")
    (home / "train.conll").write_text(text)
    ended = validate(line)
    said = "so the model that predicts them has learned none"
    assert re.search(rf"RARE: all of its entities are in fold-\d, {said}", ended.stderr)


def test_the_run_of_a_fold_can_be_read_by_itself(home, line):
    assert validate(line).code == 0
    settings = load_settings(f"{FOLDS}/fold-2/config.yaml")
    assert settings.run_dir.as_posix() == f"{FOLDS}/fold-2"


def test_what_is_no_prediction_is_named_with_its_line(tmp_path):
    path = tmp_path / "predictions.jsonl"
    document = Document("Bo left", (Entity(0, 2, "PER", 1.0, "Bo"),), None, "a")
    one = OutOfFold(document, 0, 1, document.entities, ((0, 2), (3, 7)), np.zeros((2, 3)))
    write_predictions(path, [one])
    with path.open("a") as file:
        file.write('{"text": "Bo", "predicted": []}\n')
    predictions = read_predictions(path)
    read_back = next(predictions)
    assert (read_back.document, read_back.predicted) == (document, one.predicted)
    with pytest.raises(DataError, match=r"predictions\.jsonl:2: expected an out-of-fold pred"):
        next(predictions)
