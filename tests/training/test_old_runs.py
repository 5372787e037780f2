"""Run folders of earlier code: the finished one exports again, the interrupted one goes on."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from old_files import check_answers, unpack
from rich.console import Console

import tfner
from tfner.config import load_settings
from tfner.training.restore import export_run, open_model
from tfner.training.run import train

pytestmark = pytest.mark.long

TRAINED_STEPS, STEPS = 18, 24  # of the second epoch, when the run was interrupted


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Unpack the old runs and work there, since their settings hold relative paths."""
    unpack("runs", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def go_on(name: str):
    return train(load_settings(Path(f"{name}.yaml")), Console(file=io.StringIO()))


def test_a_finished_run_gives_the_same_answers(home):
    check_answers(open_model(home / "runs/finished"))


def test_a_finished_run_exports_again_and_gives_the_same_answers(home):
    exported = export_run(home / "runs/finished", home / "exported")
    check_answers(tfner.load(exported))


def test_a_finished_run_is_only_reported(home):
    assert go_on("finished").state == "finished before"


def test_an_interrupted_run_goes_on_from_its_step_to_the_weights_of_the_finished_one(home, caplog):
    assert go_on("interrupted").state == "finished"
    steps = [
        (record.fields["epoch"], record.fields["step"])
        for record in caplog.records
        if getattr(record, "event", "") == "step"
    ]
    assert steps
    assert min(steps) > (2, TRAINED_STEPS)
    assert max(steps) <= (2, STEPS)
    loss, expected = final_loss(home / "runs/interrupted"), final_loss(home / "runs/finished")
    assert loss == pytest.approx(expected, rel=1e-3)
    check_answers(open_model(home / "runs/interrupted"), tolerance=1e-2)


def final_loss(run: Path) -> float:
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    last = json.loads(lines[-1])
    assert last["epoch"] == 2
    return last["loss"]
