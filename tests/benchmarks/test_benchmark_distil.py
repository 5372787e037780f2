"""Students beside their teachers: what is run, what earlier runs have left, how it is scored."""

from __future__ import annotations

import doctest
import json

import numpy as np
import pytest

from benchmarks.recipes import distil, ensemble
from benchmarks.recipes.distil import TASKS, Runner, Task
from tfner.documents import Document
from tfner.tagging.schemes import LabelSet

SENTENCES = "Mara B-PER\nleft O\n\nOslo B-LOC\n\nBo B-PER\n\n"


@pytest.fixture
def home(tmp_path, monkeypatch):
    data = tmp_path / "data" / "crossner" / "ai"
    data.mkdir(parents=True)
    for split in ("train", "dev", "test"):
        (data / f"{split}.txt").write_text(SENTENCES)
    monkeypatch.setitem(TASKS, "few", Task("ai", gold=1))
    return tmp_path


def arguments(home, *more):
    paths = ("--data", str(home / "data"), "--work", str(home / "work"), "--encoder", "encoder")
    counts = ("--seeds", "1", "2", "--students", "1", "--weights", "0.25", "0.5")
    return [str(home / "results.jsonl"), *paths, *counts, *more]


@pytest.fixture
def ran(home, monkeypatch):
    """Train nothing, but leave an export where a teacher would."""
    ran = []

    def train(self, settings, seed):
        name = next((each[5:] for each in settings if each.startswith("name=")), "student")
        if name != "student":
            self.export_of(seed).mkdir(parents=True, exist_ok=True)
        ran.append((self.name, name, list(settings)))
        return {"scores": {"ai": 50.0 + seed}, "seconds": 1.0}

    def average(self, models):
        ran.append((self.name, "ensemble", list(models)))
        return {"scores": {"ai": 53.0}, "seconds": 0.0}

    monkeypatch.setattr(Runner, "train", train)
    monkeypatch.setattr(Runner, "average", average)
    return ran


def test_worked_examples():
    for module in (distil, ensemble):
        assert doctest.testmod(module).failed == 0


def test_teachers_come_first_and_what_is_there_is_not_run_again(home, ran, capsys):
    distil.main(arguments(home, "--tasks", "few"))
    names = [name for _, name, _ in ran]
    assert names == ["seed-1", "seed-2", "ensemble", "student", "student"]
    said = " ".join(capsys.readouterr().out.split())
    assert "teacher 2 51.50 ± 0.71" in said
    assert "student 0.25 1 51.00 ± 0.00 -0.50 ± 0.00 -2.00 ± 0.00" in said
    distil.main(arguments(home, "--tasks", "few"))
    assert len(ran) == 5
    distil.main(arguments(home, "--tasks", "few", "--table", "--set", "training.epochs=2"))
    assert len(ran) == 5
    (home / "work" / "few" / "teachers" / "seed-2").rmdir()  # its export has gone
    distil.main(arguments(home, "--tasks", "few"))
    assert [name for _, name, _ in ran[5:]] == ["seed-2"]
    distil.main(arguments(home, "--tasks", "few", "--set", "training.epochs=2"))
    assert [name for _, name, _ in ran[6:]] == names  # of other settings all are others


def test_what_had_other_defaults_is_run_again_the_ensemble_too(home, ran, capsys):
    chosen = arguments(home, "--tasks", "few", "--set", "training.batch_size=16")
    distil.main(chosen)
    path = home / "results.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["effective"]["training"]["batch_size"] for line in lines] == [16] * 5
    assert lines[-1]["effective"]["training"]["teacher_weight"] == 0.5
    ran.clear()
    distil.main(chosen)
    assert ran == []
    for line in lines:
        line["effective"]["training"]["former"] = 1
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    capsys.readouterr()
    distil.main([*chosen, "--table"])
    assert "teacher 2" not in " ".join(capsys.readouterr().out.split())
    distil.main(chosen)
    names = ["seed-1", "seed-2", "ensemble", "student", "student"]
    assert [name for _, name, _ in ran] == names


def test_a_line_that_was_cut_off_is_run_again(home, ran, capsys):
    distil.main(arguments(home, "--tasks", "few"))
    path = home / "results.jsonl"
    path.write_text(path.read_text()[:-20])
    capsys.readouterr()
    distil.main(arguments(home, "--tasks", "few"))
    said = capsys.readouterr()
    assert f"{path}:5: the last line was cut off" in said.err
    assert "name no settings" not in said.out
    assert [name for _, name, _ in ran[5:]] == ["student"]
    assert len([json.loads(line) for line in path.read_text().splitlines()]) == 5
    path.write_text("broken\n" + path.read_text())
    with pytest.raises(SystemExit, match=r"results\.jsonl:1: expected a JSON object with task"):
        distil.main(arguments(home, "--tasks", "few", "--table"))


def test_few_sentences_have_labels_and_the_rest_is_text(home, ran):
    distil.main(arguments(home, "--tasks", "few", "ai"))
    folder = home / "work" / "few"
    assert (folder / "gold.conll").read_text().count("\n\n") == 1
    assert (folder / "unlabelled.conll").read_text().count("\n\n") == 2
    whole = home / "work" / "ai"
    assert (whole / "gold.conll").read_text().count("\n\n") == 3
    assert (whole / "unlabelled.conll").read_text().count("\n\n") == 3
    settings = next(settings for task, name, settings in ran if (task, name) == ("few", "student"))
    assert f"data.unlabelled={folder / 'unlabelled.conll'}" in settings
    assert any(each.startswith('training.teachers=["') for each in settings)


def test_an_ensemble_is_decoded_as_one_model_is():
    labels = LabelSet(("LOC",))
    documents = [Document.from_words(["the", "Oslo", "\u200e"]), Document.from_words(["Lima"])]
    # I-LOC after O is not allowed, and the last word of the first is seen by nobody
    first = np.array([[0.9, 0.1, 0.0], [0.1, 0.4, 0.5], [0.0, 0.0, 0.0]], np.float32)
    second = np.array([[0.2, 0.8, 0.0]], np.float32)
    found = list(ensemble.decode(documents, [first, second], labels, "viterbi"))
    spans = [[(entity.text, entity.label) for entity in entities] for entities in found]
    assert spans == [[("Oslo", "LOC")], [("Lima", "LOC")]]
