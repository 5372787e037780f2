"""The list of runs: what each folder says of itself, damaged or not, without TensorFlow."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from tfner.config import RunSettings
from tfner.evaluation.report.report import Report
from tfner.evaluation.scores import EntityScores
from tfner.exceptions import ConfigError
from tfner.runs import print_table, progress
from tfner.training.state.lock import locked
from tfner.training.state.run_folder import RunFolder
from tfner.training.state.run_list import list_runs, summarize_run

FILES = ("config.yaml", "metrics.jsonl", "report.json", "exports.jsonl", "environment.json", "lock")

CONTENTS = (
    b"{}",
    b"[[",
    b'{"path": 1}',
    b'{"path": "\\u0000"}',
    b'{"seconds": true, "val_entity_f1": 1e999}',
)


def settings_of(name: str, home: Path) -> RunSettings:
    return RunSettings(
        name=name, encoder={"checkpoint": "none"}, training={"epochs": 5}, runs_dir=str(home)
    )


def make_run(home: Path, name: str, f1s: tuple[float, ...] = (), saved: str = "") -> RunFolder:
    """A run that has come so far, as training leaves it."""
    folder = RunFolder(home / name)
    folder.create(settings_of(name, home), home / "no-encoder", {})
    lines = [
        {"epoch": n, "loss": 1.0, "val_entity_f1": f1, "seconds": 90.4}
        for n, f1 in enumerate(f1s, 1)
    ]
    folder.metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))
    if saved:
        (folder.last / saved).mkdir()
    return folder


def test_a_run_keeps_those_files_of_its_encoder_that_a_tokenizer_reads(tmp_path):
    encoder = tmp_path / "encoder"
    encoder.mkdir()
    for name in ("letters.txt", "model.safetensors"):
        (encoder / name).write_text(name)
    folder = RunFolder(tmp_path / "run")
    folder.create(settings_of("run", tmp_path), encoder, {}, ("letters.txt", "absent.txt"))
    assert [path.name for path in folder.encoder.iterdir()] == ["letters.txt"]


def finish(folder: RunFolder, export: Path | None = None) -> None:
    report = Report(scores=EntityScores({"A": 4}, {"A": 5}, {"A": 3}), name="a", split="test")
    folder.write_report(report, "finished")
    if export:
        folder.note_export(export)


@pytest.fixture
def home(tmp_path):
    return tmp_path / "runs"


def only(home: Path):
    (summary,) = list_runs(home)
    return summary


def test_a_finished_run_has_its_scores_and_where_it_was_exported(home, tmp_path):
    folder = make_run(home, "a", (0.5, 0.75, float("nan")))
    for number in ("1", "2"):
        (tmp_path / number).mkdir()
        folder.note_export(tmp_path / number)
    finish(folder)
    summary = only(home)
    assert (
        summary.name,
        summary.state,
        summary.epochs_done,
        summary.epochs,
        summary.best_f1,
        summary.split,
    ) == ("a", "finished", 3, 5, 0.75, "test")
    assert summary.f1 == pytest.approx(2 * 3 / (4 + 5))
    assert summary.seconds == pytest.approx(3 * 90.4)
    assert (summary.exported, summary.exported_exists, summary.problems) == (
        str(tmp_path / "2"),
        True,
        [],
    )


def test_a_run_that_ended_early_says_how_far_it_came(home):
    make_run(home, "killed", (0.5,), saved="state-000001-00000040")
    make_run(home, "stopped", (0.5, 0.6)).note_interruption()
    make_run(home, "begun")
    begun, killed, stopped = list_runs(home)
    assert [summary.state for summary in (begun, killed, stopped)] == [
        "unfinished",
        "unfinished",
        "interrupted",
    ]
    assert [summary.epochs_done for summary in (begun, killed, stopped)] == [0, 1, 2]
    assert (killed.saved, stopped.saved) == ((1, 40), None)


def test_an_interrupted_run_with_a_report_is_not_finished(home):
    folder = make_run(home, "a", (0.5,))
    folder.note_interruption()
    report = Report(scores=EntityScores({"A": 4}, {"A": 5}, {"A": 3}), name="a", split="dev")
    folder.write_report(report, "interrupted")
    assert folder.state() == "unfinished"
    assert json.loads(folder.report.read_text())["state"] == "interrupted"
    assert "<title>a (interrupted)" in folder.page.read_text()
    found = only(home)
    assert (found.state, found.split, found.problems) == ("interrupted", "dev", [])
    assert found.f1 == pytest.approx(2 * 3 / (4 + 5))


def test_going_on_ends_an_interruption(home):
    folder = make_run(home, "a")
    folder.note_interruption()
    folder.write_report(Report(scores=EntityScores()), "interrupted")
    make_run(home, "a")
    assert only(home).state == "unfinished"
    assert not folder.report.exists()
    assert not folder.page.exists()


def test_a_run_that_is_worked_on_runs_whatever_lies_there(home):
    folder = make_run(home, "a", (0.5,))
    finish(folder)
    with locked(folder.path):
        assert only(home).state == "running"
        folder.config.unlink()
        folder.report.unlink()
        assert (only(home).state, only(home).problems) == ("running", [])


def test_the_lock_of_a_process_that_was_killed_holds_nothing(home):
    folder = make_run(home, "a")
    (folder.path / "lock").write_text("{}")
    assert only(home).state == "unfinished"


def test_looking_takes_the_lock_from_nobody(home):
    folder = make_run(home, "a")
    (folder.path / "lock").write_text("{}")
    summarize_run(folder.path)
    with locked(folder.path):
        summarize_run(folder.path)
        assert only(home).state == "running"


@pytest.mark.parametrize(
    ("file", "content", "problem"),
    [
        ("config.yaml", None, "config.yaml: missing"),
        ("config.yaml", "[]", "config.yaml: expected a mapping"),
        ("config.yaml", "name: a\nnmae: b\nencoder: {checkpoint: x}", "nmae: unknown"),
        ("metrics.jsonl", '{"epoch": 1}\n{"epo', "metrics.jsonl:2: not valid JSON"),
        ("metrics.jsonl", "[1]\n", "metrics.jsonl:1: expected a JSON object, got list"),
        ("report.json", "", "report.json: not valid JSON"),
        (
            "report.json",
            '{"entity": {"micro": {"f1": "high"}}}',
            "report.json: expected entity.micro.f1, a number",
        ),
        ("report.json", '{"entity": [1]}', "report.json: expected entity.micro.f1, a number"),
    ],
)
def test_a_damaged_run_is_named_and_the_others_are_listed(home, file, content, problem):
    damaged, _ = make_run(home, "a", (0.5,)), make_run(home, "b")
    finish(damaged)
    (damaged.path / file).unlink()
    if content is not None:
        (damaged.path / file).write_text(content)
    first, second = list_runs(home)
    assert (first.state, second.state) == ("damaged", "unfinished")
    assert problem in " ".join(first.problems)


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from(FILES), st.binary(max_size=40) | st.sampled_from(CONTENTS)))
def test_no_content_of_any_file_ends_the_list(contents):
    with tempfile.TemporaryDirectory() as scratch:
        folder = make_run(Path(scratch), "a", (0.5,))
        for name, content in contents.items():
            (folder.path / name).write_bytes(content)
        summary = only(Path(scratch))
        assert (summary.state == "damaged") == bool(summary.problems)
        json.dumps(summary.__dict__, allow_nan=False)


def test_other_folders_and_files_are_no_runs(home):
    make_run(home, "a")
    (home / "notes").mkdir()
    (home / "notes.txt").touch()
    assert only(home).name == "a"
    assert list_runs(home / "a") == list_runs(home)


def test_what_cannot_be_listed_is_a_mistake_of_the_user(tmp_path):
    for path in (tmp_path / "none", tmp_path / "file"):
        (tmp_path / "file").touch()
        with pytest.raises(ConfigError, match="expected a folder of runs"):
            list_runs(path)


def test_an_export_is_of_the_last_whole_line_and_may_be_gone(home):
    folder = make_run(home, "a")
    folder.note_export(home / "gone" / "1")
    with folder.exports.open("a") as file:
        file.write('{"path": "/cut o')
    summary = only(home)
    assert (summary.exported, summary.exported_exists, summary.state) == (
        str(home / "gone" / "1"),
        False,
        "unfinished",
    )


def test_an_export_that_cannot_be_noted_is_said(home, caplog):
    folder = make_run(home, "a")
    folder.exports.mkdir()
    folder.note_export(home)
    assert "exports.jsonl: cannot be written" in caplog.text


def test_the_table_has_a_line_a_run(home, capsys, monkeypatch):
    monkeypatch.chdir(home.parent)
    folder = make_run(home, "good", (0.5, 0.75))
    finish(folder, home.parent / "saved_models" / "good" / "1")
    make_run(home, "half", (0.25,), saved="state-000001-00000040")
    (make_run(home, "spoiled").path / "metrics.jsonl").write_text("{")
    summaries = list_runs(home)
    print_table(
        [*summaries, replace(summaries[0], name="\x1b[31mred")], Console(width=200, highlight=False)
    )
    head, good, half, spoiled, red, problem = capsys.readouterr().out.splitlines()
    assert head.split() == [
        "run",
        "state",
        "epochs",
        "best",
        "F1",
        "F1",
        "time",
        "changed",
        "exported",
    ]
    assert good.split()[:7] == ["good", "finished", "2/5", "75.00", "66.67", "(test)", "0:03:01"]
    assert good.endswith("saved_models/good/1 (gone)")
    assert half.split()[:7] == ["half", "unfinished", "1/5", "+", "40", "steps", "25.00"]
    assert spoiled.split()[:2] == ["spoiled", "damaged"]
    assert red.startswith("␛[31mred")
    assert problem.startswith("spoiled: ")
    assert problem.endswith("metrics.jsonl:1: not valid JSON")


def test_the_command_is_quick_and_writes_json(home):
    make_run(home, "a", (0.5,))
    code = f"""import sys; sys.argv = ["runs", {str(home)!r}, "--json"]
from tfner.commands import run
from tfner.runs import runs
try:
    run(runs)
finally:
    assert not {{"tensorflow", "tf_keras", "transformers"}} & set(sys.modules)"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    (summary,) = json.loads(done.stdout)
    assert (summary["name"], summary["state"], summary["best_f1"], summary["epochs"]) == (
        "a",
        "unfinished",
        0.5,
        5,
    )


def test_no_runs_are_no_mistake(tmp_path, capsys):
    print_table(list_runs(tmp_path), Console())
    assert capsys.readouterr().out == "no runs\n"


def test_a_configuration_of_another_version_is_told(home):
    folder = make_run(home, "a")
    values = yaml.safe_load(folder.config.read_text())
    folder.config.write_text(yaml.safe_dump({**values, "later": 1}))
    assert only(home).state == "damaged"
    assert "later: unknown" in only(home).problems[0]


def test_a_run_whose_epochs_follow_from_its_data_shows_those_that_are_done(tmp_path):
    folder = make_run(tmp_path, "auto", (0.5, 0.6), saved="state-2-40")
    text = folder.config.read_text().replace("epochs: 5", "epochs: auto")
    folder.config.write_text(text)
    summary = summarize_run(folder.path)
    assert (summary.epochs, summary.epochs_done) == (None, 2)
    assert progress(summary) == "2 + 40 steps"


def test_a_run_of_an_earlier_version_goes_on_with_the_defaults_of_then(tmp_path):
    folder = make_run(tmp_path, "old")
    text = folder.config.read_text().replace("epochs: 5", "epochs: 3")
    text = text.replace("head_learning_rate: auto", "head_learning_rate: null")
    text = text.replace("warmup_ratio: 0.0", "warmup_ratio: 0.1")
    text = re.sub(r"^  (head|transition_learning_rate|tag_prior): .*\n", "", text, flags=re.M)
    folder.config.write_text(text.replace(" learning_rate: auto", " learning_rate: 0.0002"))
    given = {"name": "old", "encoder": {"checkpoint": "none"}, "runs_dir": str(tmp_path)}
    same = RunFolder(folder.path).keep_former_defaults(RunSettings.model_validate(given))
    assert (same.training.epochs, same.training.head_learning_rate) == (3, None)
    assert same.training.learning_rate == 2e-4
    assert (same.model.head, same.training.transition_learning_rate) == ("softmax", None)
    assert (same.training.tag_prior, same.training.warmup_ratio) == (0, 0.1)
    RunFolder(folder.path).check_same(same)
    # what is given is never taken for what was a default
    asked = RunSettings.model_validate({**given, "training": {"epochs": "auto"}})
    kept = RunFolder(folder.path).keep_former_defaults(asked)
    assert kept.training.epochs == "auto"
    with pytest.raises(ConfigError, match=r"training\.epochs: 3 → 'auto'"):
        RunFolder(folder.path).check_same(kept)
