"""Calibrate a run on dev, restore it, and export it with thresholds that reach a precision."""

from __future__ import annotations

import io
import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import tiny
import yaml
from command_line import refused
from rich.console import Console

import tfner
from tfner.config import load_settings, override_export
from tfner.corpus.ledger import Ledger
from tfner.evaluation.calibration import Calibration
from tfner.evaluation.reliability import judge
from tfner.exceptions import ModelError
from tfner.formats import read_documents
from tfner.formats.settings import ReadSettings
from tfner.training.restore import open_model, restore_tagger
from tfner.training.run import train
from tfner.training.state.run_folder import RunFolder

pytestmark = pytest.mark.long

PEOPLE, PLACES = ("anna", "boris", "clara", "david"), ("oslo", "paris", "lima", "kiev")


def write_sentences(path: Path, count: int, seed: int, unmarked: float) -> None:
    """`WORD PERSON met the PLACE`, where a share of what a model will find is not marked."""
    draw = random.Random(seed)
    rows = []
    for _ in range(count):
        person, place = draw.choice(PEOPLE), draw.choice(PLACES)
        of_person, of_place = ("O" if draw.random() < unmarked else tag for tag in ("PER", "LOC"))
        word = draw.choice(tiny.CONTINUATIONS)
        rows.append(f"{word} O\n{person} {of_person}\nmet O\nthe O\n{place} {of_place}\n")
    path.write_text("\n".join(rows).replace(" PER", " B-PER").replace(" LOC", " B-LOC"))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("calibrated")
    write_sentences(folder / "train.conll", 80, 1, unmarked=0.15)
    write_sentences(folder / "dev.conll", 40, 2, unmarked=0.3)
    write_sentences(folder / "test.conll", 10, 3, unmarked=0.3)
    values = {
        "name": "run",
        "data": {split: str(folder / f"{split}.conll") for split in ("train", "dev", "test")},
        "encoder": {"checkpoint": str(tiny.checkpoint()), "max_length": 16, "overlap": 4},
        "model": {"head": "softmax"},
        "training": {
            "epochs": 4,
            "batch_size": 4,
            "learning_rate": 5e-3,
            "head_learning_rate": 5e-2,
        },
        "runs_dir": str(folder / "runs"),
        "exports_dir": str(folder / "exports"),
    }
    (folder / "run.yaml").write_text(yaml.safe_dump(values))
    return folder


@pytest.fixture(scope="module")
def outcome(home):
    return train(load_settings(home / "run.yaml"), Console(file=io.StringIO()))


@pytest.fixture(scope="module")
def run(outcome, home):
    return home / "runs" / "run"


@pytest.fixture(scope="module")
def dev(home):
    return list(read_documents(str(home / "dev.conll"), ReadSettings(), Ledger()))


def keys(found):
    return [[entity.key for entity in entities] for entities in found]


def scores(found):
    return [entity.score for entities in found for entity in entities]


@pytest.fixture(scope="module")
def plain(run, dev, tmp_path_factory):
    """Give the scores of a run of a version before calibrations."""
    older = shutil.copytree(run, tmp_path_factory.mktemp("older") / "run")
    values = yaml.safe_load((older / "config.yaml").read_text())
    assert values["export"].pop("calibrate") is True
    (older / "config.yaml").write_text(yaml.safe_dump(values))
    ner = open_model(older)
    assert "calibration" not in ner.card
    return scores(ner.documents(dev))


def test_the_report_holds_the_calibration_and_how_good_it_is(run):
    report = json.loads((run / "report.json").read_text())
    calibration = report["calibration"]
    Calibration.read(calibration)
    assert report["split"] == "test"
    assert report["reliability"]["entities"] < calibration["after"]["entities"]
    assert calibration["before"]["entities"] == calibration["after"]["entities"] >= 30
    page = (run / "report.html").read_text()
    assert page.count('aria-label="Reliability on') == 2
    assert "each half calibrated by a fit on the other" in page


def test_the_table_has_a_line_of_it(outcome):
    shown = io.StringIO()
    outcome.reports["dev"].print_table(Console(file=shown, width=120))
    assert "calibrated on dev: ECE" in shown.getvalue()


def test_run_folder_and_export_give_the_calibrated_scores(run, outcome, dev, plain):
    report = json.loads((run / "report.json").read_text())
    expected = Calibration.read(report["calibration"])(plain)
    assert np.abs(expected - plain).max() > 0.005
    for model in (open_model(run), tfner.load(outcome.export)):
        np.testing.assert_allclose(scores(model.documents(dev)), expected, rtol=1e-4)
        card = model.card["calibration"]
        assert card["slope"] == report["calibration"]["slope"]
        assert card["after"]["ece"] == report["calibration"]["after"]["ece"]
        assert "bins" not in card["after"]


def test_evaluation_says_how_far_the_scores_are_off(run, outcome, home, line):
    result = line("evaluate", outcome.export, home / "dev.conll")
    assert result.code == 0
    assert "scores of entities: ECE" in result.stdout


def test_what_has_none_or_wants_none_is_not_calibrated(run, tmp_path):
    folder = RunFolder(run)
    assert restore_tagger(folder, folder.settings).decoder.calibration is not None
    without = override_export(folder.settings, ["calibrate=false"])
    assert restore_tagger(folder, without).decoder.calibration is None
    older = shutil.copytree(run, tmp_path / "older")
    report = json.loads((older / "report.json").read_text())
    del report["calibration"]
    (older / "report.json").write_text(json.dumps(report))
    assert "calibration" not in open_model(older).card


def test_a_damaged_calibration_is_an_error_with_its_place(run, tmp_path):
    damaged = shutil.copytree(run, tmp_path / "damaged")
    report = json.loads((damaged / "report.json").read_text())
    report["calibration"]["slope"] = -1
    (damaged / "report.json").write_text(json.dumps(report))
    with pytest.raises(ModelError, match=r"report\.json: calibration: expected a slope above 0"):
        open_model(damaged)


def reachable(judged, label):
    """Find a precision that some of a type's entities reach, and all of them do not."""
    mine = judged.label == label
    cuts = np.unique(judged.score[mine].round(3))
    kept = [judged.right[mine & (judged.score >= cut)] for cut in cuts]
    best = max(right.mean() for right in kept if right.size >= 3)
    of_all = judged.right[mine].mean()
    assert best > of_all + 0.01
    return round(float(best + of_all) / 2, 3)


def test_an_export_keeps_what_its_thresholds_were_chosen_by(run, dev, line, tmp_path):
    judged = judge(dev, list(open_model(run).documents(dev)))
    wanted = [f"PER={reachable(judged, 'PER')}", str(reachable(judged, "LOC"))]
    options = [each for option in wanted for each in ("--precision-at-least", option)]
    result = line("export", run, "--to", tmp_path / "to", *options)
    assert result.code == 0, result.stderr
    ner = tfner.load(tmp_path / "to")
    found = list(ner.documents(dev))
    kept = judge(dev, found)
    assert [one["types"] for one in ner.card["precision_at_least"]] == [["PER"], ["LOC"]]
    for one in ner.card["precision_at_least"]:
        (label,) = one["types"]
        mine = kept.label == label
        assert 0 < mine.sum() < (judged.label == label).sum()
        assert kept.right[mine].mean() == one["after"]["precision"] >= one["at_least"]
        gold = sum(entity.label == label for document in dev for entity in document.entities)
        assert kept.right[mine].sum() / gold == one["after"]["recall"]
        assert one["after"]["recall"] <= one["before"]["recall"]
        assert f"{label}: threshold {one['threshold']:g}: precision" in result.stdout
        assert ner.card["export"]["threshold"][label] == one["threshold"]
    by_text = ner.batch([document.text for document in dev])
    assert keys(by_text) == keys(found)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["1.5"],
            "--precision-at-least: expected NUMBER or TYPE=NUMBER, above 0 and at most 1, go",
        ),
        (["PER=high"], "--precision-at-least: expected NUMBER or TYPE=NUMBER"),
        (["ORG=0.9"], "--precision-at-least: expected types of LOC, PER, got ORG"),
        (
            ["0.9", "--precision-at-least", "LOC=0.9", "--precision-at-least", "PER=0.8"],
            "--precision-at-least: expected a type that is not named to reach 0.9 with, got numb",
        ),
    ],
)
def test_what_cannot_be_asked_for_is_refused(run, line, options, message):
    result = line("export", run, "--precision-at-least", *options)
    assert result.code == 2
    assert message in result.stderr


def test_a_threshold_beside_a_precision_is_for_other_types(run, line, tmp_path):
    options = ("--to", tmp_path / "to", "threshold.LOC=0.6", "--precision-at-least")
    both = "threshold.LOC=0.6 and --precision-at-least 0.1 for LOC"
    expected = "command line: expected a threshold or a precision for a type"
    refused(line("export", run, *options, "0.1"), f"{expected}, got {both}")
    assert not (tmp_path / "to").exists()
    assert line("export", run, *options, "PER=0.1").code == 0
    thresholds = tfner.load(tmp_path / "to").card["export"]["threshold"]
    assert thresholds == {"LOC": 0.6, "PER": 0.0}


def test_a_precision_takes_the_place_of_a_configured_threshold(run, line, tmp_path):
    changed = shutil.copytree(run, tmp_path / "changed")
    values = yaml.safe_load((changed / "config.yaml").read_text())
    values["export"]["threshold"] = 0.6
    (changed / "config.yaml").write_text(yaml.safe_dump(values))
    result = line("export", changed, "--to", tmp_path / "to", "--precision-at-least", "PER=0.1")
    assert result.code == 0
    replaced = "export.threshold of the configuration is replaced by --precision-at-least 0.1"
    assert f"{replaced}: PER=0.6" in result.stderr
    thresholds = tfner.load(tmp_path / "to").card["export"]["threshold"]
    assert thresholds == {"LOC": 0.6, "PER": 0.0}


def test_an_export_is_not_exported_again(outcome, line, tmp_path):
    for export in (outcome.export, outcome.export.parent):
        for options in ((), ("--precision-at-least", "0.9"), ("threshold=0.5",)):
            expected = f"{export}: expected the folder of a run, with config.yaml"
            got = "got an export already; the run that it came from is needed"
            refused(line("export", export, "--to", tmp_path / "to", *options), f"{expected}, {got}")
    assert not (tmp_path / "to").exists()


def test_a_precision_out_of_reach_is_refused_with_the_best(run, home, line, tmp_path):
    changed = shutil.copytree(run, tmp_path / "changed")
    values = yaml.safe_load((changed / "config.yaml").read_text())
    values["data"]["dev"] = str(tmp_path / "other.conll")
    write_sentences(tmp_path / "other.conll", 12, 5, unmarked=1.0)
    (changed / "config.yaml").write_text(yaml.safe_dump(values))
    result = line("export", changed, "--to", tmp_path / "to", "--precision-at-least", "PER=0.9")
    assert result.code == 2
    assert "PER: expected a precision of at least 0.9, got at most 0.0000" in result.stderr
    assert "other.conll is not what it was when the run was last started" in result.stderr
    assert not (tmp_path / "to").exists()


@pytest.mark.parametrize("dev_source", [None, "gone.conll"])
def test_without_dev_data_nothing_is_chosen(run, line, tmp_path, dev_source):
    changed = shutil.copytree(run, tmp_path / "changed")
    values = yaml.safe_load((changed / "config.yaml").read_text())
    values["data"]["dev"] = dev_source and str(tmp_path / dev_source)
    (changed / "config.yaml").write_text(yaml.safe_dump(values))
    result = line("export", changed, "--precision-at-least", "0.9")
    assert result.code == 2
    missing = "expected a run with data.dev to choose thresholds on"
    assert (missing if dev_source is None else "gone.conll") in result.stderr
