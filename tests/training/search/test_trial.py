"""Trials that are trained on a tiny encoder, ended within their epochs, stopped and resumed."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from contextlib import ExitStack

import pytest
import searches
import tiny
import yaml

from tfner.config import load_settings, load_with_tuning
from tfner.exceptions import ConfigError
from tfner.model.heads.head import HEADS, PLAIN_LOSS
from tfner.model.heads.softmax import SoftmaxHead
from tfner.training.restore import restore_tagger
from tfner.training.run import train
from tfner.training.search.folder import folder_of
from tfner.training.search.search import ContradictionError
from tfner.training.search.space import read_tuning
from tfner.training.search.trial import check_heads, train_trial
from tfner.training.state.run_folder import RunFolder
from tfner.training.state.run_list import list_runs

PEOPLE, PLACES = ("anna", "boris", "clara", "david"), ("oslo", "paris", "lima", "kiev")
SPACE = {"training.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}


def write_sentences(path, count, seed):
    draw = random.Random(seed)
    rows = []
    for _ in range(count):
        person, place = draw.choice(PEOPLE), draw.choice(PLACES)
        rows.append(f"{person} B-PER\nmet O\nthe O\nbank O\nin O\n{place} B-LOC\n")
    path.write_text("\n".join(rows), encoding="utf-8")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    tiny.write_one_layer(folder / "encoder")
    write_sentences(folder / "train.conll", 24, 1)
    write_sentences(folder / "dev.conll", 8, 2)
    return folder


def write_config(home, name, **training):
    values = {
        "name": name,
        "data": {"train": str(home / "train.conll"), "dev": str(home / "dev.conll")},
        "encoder": {"checkpoint": str(home / "encoder"), "max_length": 16, "overlap": 4},
        "model": {"head": "softmax"},
        "training": {"epochs": 2, "batch_size": 4, "learning_rate": 5e-3, **training},
        "export": {"enabled": False},
        "runs_dir": str(home / "runs"),
        "tune": {"space": SPACE},
    }
    path = home / f"{name}.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.slow
def test_the_best_configuration_of_a_search_gives_what_it_gave_there(home):
    settings, tuning = load_with_tuning(write_config(home, "whole"))
    space, _ = read_tuning(tuning, settings, "whole.yaml")
    records = searches.run_search(space, train_trial, 2)
    folder = folder_of(settings)
    assert [record.state for record in records] == ["finished", "finished"]
    runs = {run.name: run for run in list_runs(folder.trials)}
    assert [(run.name, run.state, run.split) for run in runs.values()] == [
        ("001", "finished", "dev"),
        ("002", "finished", "dev"),
    ]
    assert len(list(folder.cache.iterdir())) == 2
    best = max(records, key=lambda record: record.f1)
    assert best.f1 > 0
    run = RunFolder(folder.trials / f"{best.number:03d}")
    assert not run.last.exists()
    restore_tagger(run, run.settings)
    again = train(load_settings(folder.best), searches.quiet_progress().console)
    assert again.reports["dev"].scores.micro.f1 == best.f1


@pytest.mark.long
def test_a_trial_ends_within_its_epochs_where_it_is_told_to(home):
    settings = load_settings(write_config(home, "early", epochs=3))
    seen = []

    def end(epoch, epochs, f1):
        seen.append((epoch, epochs, f1))
        return True

    f1 = train_trial(settings, end)
    assert seen == [(1, 3, f1)]
    assert [line["epoch"] for line in lines_of(RunFolder(settings.run_dir).metrics)] == [1]
    # a process that is killed before it has noted the result finds it in the run's folder
    assert train_trial(settings, end) == f1
    assert len(seen) == 1


@pytest.mark.slow
def test_a_trial_goes_on_after_ctrl_c_and_reports_the_same(home):
    settings = load_settings(write_config(home, "stopped", epochs=4))
    seen = []

    def interrupt(epoch, epochs, f1):
        seen.append((epoch, f1))
        raise KeyboardInterrupt

    def end_after_two(epoch, epochs, f1):
        seen.append((epoch, f1))
        return epoch == 2

    with pytest.raises(KeyboardInterrupt):
        train_trial(settings, interrupt)
    f1 = train_trial(settings, end_after_two)
    assert [epoch for epoch, _ in seen] == [1, 1, 2]
    assert seen[0] == seen[1]
    assert f1 == max(score for _, score in seen)


class PickyHead(SoftmaxHead):
    """Takes no smoothing, and says so itself."""

    def __init__(self, labels, loss=PLAIN_LOSS, **options):
        if loss.label_smoothing:
            raise ConfigError("training.label_smoothing: expected 0 with model.head picky")
        super().__init__(labels, loss, **options)


def test_a_head_that_refuses_other_settings_leaves_a_trial_without_a_result(home, monkeypatch):
    monkeypatch.setitem(HEADS, "picky", PickyHead)
    path = write_config(home, "picky", label_smoothing=0.1)
    settings = load_settings(path, ["model.head=picky"])
    expected = r"^training.label_smoothing: expected 0 with model.head picky$"
    with pytest.raises(ContradictionError, match=expected):
        train_trial(settings, lambda epoch, epochs, f1: False)


def test_devices_that_are_not_there_are_no_fault_of_a_trial(home, monkeypatch):
    monkeypatch.setattr("tensorflow.config.get_visible_devices", lambda kind: [])
    settings = load_settings(write_config(home, "nowhere"), ["devices=gpu"])
    with pytest.raises(ConfigError, match=r"^devices: gpu: expected a GPU, TensorFlow finds none"):
        train_trial(settings, lambda epoch, epochs, f1: False)


def test_a_head_that_is_not_there_is_named_before_the_first_trial(tmp_path):
    space = searches.stub_space(tmp_path, {"model.head": ["softmax", "crff"]})
    expected = r"a\.yaml: tune\.space: model\.head: expected heads of crf, softmax, got crff"
    with pytest.raises(ConfigError, match=expected):
        check_heads(space, "a.yaml")
    check_heads(searches.stub_space(tmp_path), "a.yaml")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_processes_search_one_is_asked_to_end_and_the_same_command_goes_on(home):
    path = write_config(home, "shared", epochs=3)
    command = [sys.executable, "-m", "tfner.tune", str(path), "--trials", "4"]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": home}
    folder = folder_of(load_settings(path))
    metrics = folder.trials / "001" / "metrics.jsonl"
    with ExitStack() as stack:
        both = [stack.enter_context(subprocess.Popen(command, **options)) for _ in range(2)]
        for process in both:
            stack.callback(process.kill)
        one, other = both
        end = time.monotonic() + 300
        while not metrics.exists() and time.monotonic() < end:
            time.sleep(0.1)
        other.send_signal(signal.SIGTERM)
        _, said = other.communicate(timeout=300)
        assert other.returncode == 143, said
        assert "the same command goes on" in said
        _, said = one.communicate(timeout=1200)
        assert one.returncode == 0, said
    done = subprocess.run(command, capture_output=True, text=True, cwd=home)
    assert done.returncode == 0, done.stderr
    assert "best: trial" in done.stdout
    runs = list_runs(folder.trials)
    assert [run.name for run in runs] == ["001", "002", "003", "004"]
    assert {run.state for run in runs} == {"finished"}
