"""`python -m tfner.tune`: what it prints, how it ends, how it goes on; trials are stubs."""

from __future__ import annotations

import importlib.util
import json

import pytest
import searches
from command_line import CommandLine, refused

import tfner.tune
from tfner.config import load_settings, load_with_tuning
from tfner.exceptions import Terminated
from tfner.training.search.folder import folder_of
from tfner.training.search.space import read_tuning
from tfner.training.search.study import Study

CONFIG = """
name: mine
encoder: {checkpoint: hub/name}
data: {train: a.conll, dev: a.conll}
training: {epochs: 4, learning_rate: 3e-5}
tune: {space: {training.learning_rate: {low: 5e-5, high: 5e-4, log: true}}}
"""


@pytest.fixture
def line(tmp_path, capsys, monkeypatch):
    (tmp_path / "a.conll").write_text("anna B-PER\n")
    (tmp_path / "run.yaml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    return CommandLine(capsys, monkeypatch)


@pytest.fixture
def stub(monkeypatch):
    """Trains in place of TensorFlow."""
    stub = searches.Stub()

    def train(settings, observe):
        return stub(settings, observe)

    monkeypatch.setattr(tfner.tune, "train_with_tensorflow", train)
    return stub


def test_without_optuna_the_command_says_what_installs_it(line, monkeypatch):
    found = importlib.util.find_spec
    without = {"optuna": None}
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: without[name] if name in without else found(name)
    )
    message = "python -m tfner.tune needs the package optuna, which is not installed"
    refused(line("tune", "run.yaml"), f"{message}: pip install 'tfner[tune]'")


def test_results_go_to_standard_output_and_progress_to_the_other(line, stub):
    ended = line("tune", "run.yaml", "--trials", 3, "training.epochs=2")
    assert ended.code == 0
    assert len(stub.asked) == 3
    assert all(settings.training.epochs == 2 for settings in stub.asked)
    best = max(stub.asked, key=searches.f1_of)
    lines = ended.stdout.splitlines()
    assert lines[0].split() == ["trial", "dev", "F1", "seconds", "training.learning_rate"]
    assert "its configuration: runs/mine-tune/best.yaml" in lines
    assert "3 of 3 done" in ended.stderr
    assert load_settings("runs/mine-tune/best.yaml").training == best.training
    again = line("tune", "run.yaml", "--trials", 3, "training.epochs=2")
    assert (again.code, again.stdout, again.stderr) == (0, ended.stdout, "")
    assert len(stub.asked) == 3


def test_a_trial_of_another_process_is_named_until_it_has_ended(line, stub):
    assert line("tune", "run.yaml", "--trials", 1).code == 0
    settings, tuning = load_with_tuning("run.yaml")
    space, _ = read_tuning(tuning, settings, "run.yaml")
    folder = folder_of(settings)
    study = Study(folder, space)
    with folder.working() as worker:
        claim = study.claim(2, worker)
        ended = line("tune", "run.yaml", "--trials", 3)
        assert ended.code == 0
        assert "trial 2 is under way in another process and not counted here" in ended.stdout
        study.finish(claim, 0.5, 1.0)
        assert "under way" not in line("tune", "run.yaml", "--trials", 3).stdout
    with folder.working() as worker:
        study.claim(4, worker)
    assert study.under_way() == []  # that process is gone
    assert [settings.name for settings in stub.asked] == ["001", "003"]


def test_a_search_that_learned_nothing_says_what_to_try(line, monkeypatch):
    monkeypatch.setattr(tfner.tune, "train_with_tensorflow", lambda settings, observe: 0.0)
    ended = line("tune", "run.yaml", "--trials", 2)
    assert ended.code == 0
    assert "nothing was learned: no trial has a dev F1 above 0.00\nTry more" in ended.stdout


@pytest.mark.parametrize(
    ("stop", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "interrupted: runs/mine-tune: the same command goes on\n"),
        (Terminated(), 143, "terminated: runs/mine-tune: the same command goes on\n"),
        (Terminated("saved at epoch 2"), 143, "terminated: saved at epoch 2\n"),
    ],
)  # fmt: skip
def test_a_search_that_is_stopped_says_how_to_go_on(line, stub, monkeypatch, stop, code, said):
    def stopped(settings, observe):
        raise stop

    with monkeypatch.context() as patch:
        patch.setattr(tfner.tune, "train_with_tensorflow", stopped)
        ended = line("tune", "run.yaml", "--trials", 2)
    assert ended.code == code
    assert ended.stderr.endswith(said)
    assert ended.stdout == ""
    assert line("tune", "run.yaml", "--trials", 2).code == 0
    assert [settings.name for settings in stub.asked] == ["001", "002"]


def test_a_search_without_a_space_tries_no_head_that_the_settings_contradict(line, stub):
    smoothed = "model.head=softmax", "training.label_smoothing=0.1"
    ended = line("tune", "run.yaml", "--trials", 6, "tune=null", *smoothed)
    assert (ended.code, len(stub.asked)) == (0, 6)
    assert "6 of 6 done" in ended.stderr
    assert "no result" not in ended.stderr
    assert {settings.model.head for settings in stub.asked} == {"softmax"}


def test_a_head_that_is_not_there_is_refused_before_the_folder_is_made(line, stub, tmp_path):
    space = "tune={space: {model.head: [softmax, crff]}}"
    expected = "run.yaml: tune.space: model.head: expected heads of crf, softmax, got crff"
    refused(line("tune", "run.yaml", space), expected)
    expected = "run.yaml: model.head: expected heads of crf, softmax, got crff"
    refused(line("tune", "run.yaml", "model.head=crff"), expected)
    assert not (tmp_path / "runs").exists()
    assert stub.asked == []


def test_a_dev_split_without_entities_is_refused_before_the_folder_is_made(line, stub, tmp_path):
    (tmp_path / "plain.conll").write_text("a O\n\nb O\n")
    why = "expected entities, found none: the F1 of every trial would be 0"
    refused(line("tune", "run.yaml", "data.dev=plain.conll"), f"data.dev: plain.conll: {why}")
    shared = "data.train=plain.conll", "data.dev=50%"
    ended = line("tune", "run.yaml", *shared)
    assert (ended.code, ended.stdout) == (2, "")
    assert ended.stderr.splitlines()[-1] == f"error: data.dev: 50%: {why}"
    assert not (tmp_path / "runs").exists()
    assert stub.asked == []


def test_other_settings_need_overwrite(line, stub):
    assert line("tune", "run.yaml", "--trials", 1).code == 0
    other = ("tune", "run.yaml", "training.batch_size=8", "--trials", 1)
    changed = "settings.training.batch_size: 32 → 8"
    refused(
        line(*other),
        f"runs/mine-tune holds a search with other settings ({changed}); choose another name or "
        "add --overwrite",
    )
    assert line(*other, "--overwrite").code == 0
    assert [settings.training.batch_size for settings in stub.asked] == [32, 8]


def test_the_log_of_programs_holds_a_line_a_trial_and_nothing_else(line, stub, monkeypatch):
    monkeypatch.setenv("TFNER_LOG", "text")
    ended = line("tune", "run.yaml", "--trials", 2, "--log-json")
    events = [json.loads(each) for each in ended.stderr.splitlines()]
    assert [event["event"] for event in events] == ["trial_begin", "trial_end"] * 2
    assert [event["done"] for event in events[1::2]] == [1, 2]
    assert events[0]["settings"] == {"training.learning_rate": 3e-5}
