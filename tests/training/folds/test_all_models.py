"""What the models of all folds say is averaged, and each is asked once."""

from __future__ import annotations

import numpy as np
import pytest

from tfner.documents import Document
from tfner.monitoring.progress import Meter
from tfner.training.folds import all_models
from tfner.training.folds.folder import FoldsFolder
from tfner.training.folds.out_of_fold import OutOfFold

SIZES = [2, 0, 1]
FOLDS = [1, 2, 1]
SAID = {
    "fold-1": np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 0.0]], np.float16),
    "fold-2": np.array([[0.0, 1.0], [0.5, 0.5], [0.0, 0.0]], np.float16),
}


@pytest.fixture
def asked(monkeypatch):
    asked = []

    def ask(run, documents):
        asked.append((run.path.name, len(documents)))
        return SAID[run.path.name]

    monkeypatch.setattr(all_models, "ask_model", ask)
    return asked


@pytest.fixture
def folder(tmp_path):
    for name in SAID:
        (tmp_path / name).mkdir()
    return FoldsFolder(tmp_path)


def average(folder, sizes=SIZES):
    predictions = []
    for number, (size, fold) in enumerate(zip(sizes, FOLDS, strict=True)):
        document = Document.from_words(["word"] * size)
        none = np.zeros((size, 2), np.float32)
        predictions.append(OutOfFold(document, number, fold, (), document.words, none))
    shown = Meter("documents", None, lambda meter: None)
    return all_models.average_models(folder, predictions, shown)


def test_each_model_is_asked_once_about_all_documents_and_the_mean_counts(folder, asked):
    for _ in range(2):
        first, empty, last = average(folder)
        assert first.tolist() == [[0.5, 0.5], [0.5, 0.5]]
        assert empty.shape == (0, 2)
        assert last.tolist() == [[0.0, 0.0]]  # no model sees it
    assert asked == [("fold-1", 3), ("fold-2", 3)]


def test_a_damaged_file_of_answers_and_one_of_other_documents_are_asked_for_again(
    folder, asked, caplog, monkeypatch
):
    average(folder)
    path = folder.path / "fold-1" / all_models.ANSWERS
    path.write_bytes(path.read_bytes()[:-1])
    average(folder)
    assert asked[2:] == [("fold-1", 3)]
    assert "asking again" in caplog.text
    for name in SAID:
        monkeypatch.setitem(SAID, name, SAID[name][:2])
    average(folder, [1, 0, 1])
    assert asked[3:] == [("fold-1", 3), ("fold-2", 3)]
    assert "of other documents" in caplog.text
