"""A BERT with a byte-level BPE, whose padding is 1: it trains, exports and answers."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
import tiny_bytes
import yaml
from rich.console import Console

import tfner
from tfner.config import load_settings
from tfner.training.restore import open_model
from tfner.training.run import train

pytestmark = pytest.mark.slow
SENTENCE = "{} B-PER\nmet O\n{} B-PER\nin O\n{} B-LOC\n"
TEXTS = [
    "Clara met Boris in Oslo",
    "東京都の大阪市でアンナがボリスに会った。 Boris, Anna; Paris",
    "</s> Anna <mask> <pad> don't Oslo",
    "",
    "Anna met Boris in Lima near the old river. " * 12,
]


@pytest.fixture(scope="module", params=["padded", "packed"])
def run(request, tmp_path_factory):
    """Give a run's folder and its export's, trained on short sentences."""
    folder = tmp_path_factory.mktemp(request.param)
    names = ("Anna", "Boris", "Clara", "David")
    triples = [(a, b, place) for a in names for b in names for place in ("Oslo", "Lima")]
    sentences = [SENTENCE.format(*triple) for triple in triples]
    (folder / "train.conll").write_text("\n".join(sentences * 4))
    (folder / "dev.conll").write_text("\n".join(sentences))
    checkpoint = str(tiny_bytes.checkpoint())
    training = {"epochs": 2, "batch_size": 8, "learning_rate": 5e-3, "batching": request.param}
    values = {
        "name": "bytes",
        "data": {"train": str(folder / "train.conll"), "dev": str(folder / "dev.conll")},
        "encoder": {"checkpoint": checkpoint, "max_length": 32, "overlap": 4},
        "training": training,
        "runs_dir": str(folder / "runs"),
        "exports_dir": str(folder / "exports"),
    }
    (folder / "run.yaml").write_text(yaml.safe_dump(values))
    train(load_settings(folder / "run.yaml"), Console(file=io.StringIO()))
    return folder / "runs" / "bytes", folder / "exports" / "bytes"


def test_it_learns_and_its_export_answers_as_the_run_does(run):
    run_folder, export_folder = run
    report = json.loads((run_folder / "report.json").read_text())
    assert report["entity"]["micro"]["f1"] > 0.9
    exported = tfner.load(export_folder)
    wanted = open_model(run_folder).batch(TEXTS)
    for text, found, same in zip(TEXTS, exported.batch(TEXTS), wanted, strict=True):
        spans = [(e.start, e.end, e.label) for e in found]
        assert spans == [(e.start, e.end, e.label) for e in same]
        np.testing.assert_allclose([e.score for e in found], [e.score for e in same], atol=1e-4)
        assert all(text[e.start : e.end] == e.text for e in found)
    entities = [(e.text, e.label) for e in exported(TEXTS[0])]
    assert entities == [("Clara", "PER"), ("Boris", "PER"), ("Oslo", "LOC")]
    assert exported.card["tokenizer"] == tiny_bytes.tokenizer().fingerprint()


def test_the_run_keeps_the_files(run):
    copy = run[0] / "encoder"
    for name in "vocab.json", "merges.txt":
        assert (copy / name).read_bytes() == (tiny_bytes.checkpoint() / name).read_bytes()
