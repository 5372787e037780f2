"""Folds of a tiny encoder: what each learns and predicts, how they go on, what is written."""

from __future__ import annotations

import json
import random
import statistics

import numpy as np
import pytest
import tiny
import yaml
from command_line import CommandLine

import tfner.training.folds.train_fold as fold_training
from tfner.config import load_settings
from tfner.corpus.ledger import Ledger
from tfner.evaluation.scores import score_entities
from tfner.formats import read_documents
from tfner.formats.settings import ReadSettings
from tfner.training.folds.folder import FoldsFolder
from tfner.training.folds.out_of_fold import read_predictions
from tfner.training.state.run_list import list_runs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
PEOPLE, PLACES = ("anna", "boris", "clara", "david"), ("oslo", "paris", "lima", "kiev")


def write_sentences(path, count):
    draw = random.Random(1)
    rows = []
    for number in range(count):
        person, place = draw.choice(PEOPLE), draw.choice(PLACES)
        rows.append(f"{person} B-PER\nmet O\n{number} O\nin O\n{place} B-LOC\n")
    path.write_text("\n".join(rows), encoding="utf-8")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("folds")
    tiny.write_one_layer(home / "encoder")
    write_sentences(home / "train.conll", 24)
    values = {
        "name": "mine",
        "data": {"train": str(home / "train.conll")},
        "encoder": {"checkpoint": str(home / "encoder"), "max_length": 16, "overlap": 4},
        "model": {"head": "softmax"},
        "training": {"epochs": 6, "batch_size": 4, "learning_rate": 5e-3},
        "runs_dir": str(home / "runs"),
    }
    (home / "run.yaml").write_text(yaml.safe_dump(values))
    return home


@pytest.fixture(scope="module")
def validated(home):
    """Two folds, of which the second is stopped before it predicts, and then goes on."""
    patch = pytest.MonkeyPatch()
    trained = []
    train = fold_training.train

    def counted(settings, console):
        trained.append(settings.name)
        if trained == ["fold-1", "fold-2"]:
            raise KeyboardInterrupt
        return train(settings, console)

    class Capture:
        def readouterr(self):
            return "", ""

    with patch.context() as context:
        context.setattr(fold_training, "train", counted)
        line = CommandLine(Capture(), context)
        command = ("cross_validate", home / "run.yaml", "--folds", 2)
        codes = [line(*command).code, line(*command).code]
    assert codes == [130, 0]
    assert trained == ["fold-1", "fold-2", "fold-2"]
    return FoldsFolder(home / "runs" / "mine-folds")


def test_each_document_is_predicted_once_by_a_model_that_has_not_learned_it(home, validated):
    documents = list(read_documents(str(home / "train.conll"), ReadSettings(), Ledger()))
    predictions = list(read_predictions(validated.predictions))
    assert [each.document for each in predictions] == documents
    assert [each.number for each in predictions] == list(range(24))
    for each in predictions:
        learned = load_settings(validated.run(each.fold).config).data.train
        texts = {one.text for one in read_documents(learned, ReadSettings(), Ledger())}
        assert len(texts) == 12
        assert each.document.text not in texts


def test_predictions_have_scores_and_the_probabilities_of_all_tags(validated):
    tags = json.loads(validated.report.read_text())["tags"]
    assert tags == ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
    for each in read_predictions(validated.predictions):
        assert each.units == each.document.words
        assert each.probabilities.shape == (len(each.units), len(tags))
        np.testing.assert_allclose(each.probabilities.sum(1), 1, atol=2e-3)
        for entity in each.predicted:
            first = each.units.index((entity.start, entity.end))
            said = each.probabilities[first, tags.index(f"B-{entity.label}")]
            assert said == each.probabilities[first].max()
            assert 0 < entity.score <= 1
    assert any(each.predicted for each in read_predictions(validated.predictions))


def test_the_report_sums_up_the_runs_of_the_folds(home, validated):
    report = json.loads(validated.report.read_text())
    runs = [each for each in list_runs(validated.path) if each.name.startswith("fold-")]
    f1s = [each.f1 for each in runs]
    assert [each.split for each in runs] == ["test", "test"]
    assert [each["micro"]["f1"] for each in report["folds"]] == pytest.approx(f1s)
    assert report["f1"]["mean"] == pytest.approx(statistics.fmean(f1s))
    assert report["f1"]["sd"] == pytest.approx(statistics.stdev(f1s))
    pairs = [
        (each.document.entities, each.predicted) for each in read_predictions(validated.predictions)
    ]
    assert report["pooled"] == score_entities(pairs).to_dict()
    assert report["pooled"]["micro"]["support"] == 48


def test_the_predictions_are_marked_data_to_every_reader(home, validated):
    given = list(read_documents(str(home / "train.conll"), ReadSettings(), Ledger()))
    assert list(read_documents(str(validated.predictions), ReadSettings(), Ledger())) == given


def test_a_finished_fold_keeps_its_best_weights_and_no_state_to_go_on_from(validated):
    run = validated.run(1)
    assert run.has_best()
    assert not run.last.exists()
