"""Taggers that cannot be converted for transformers, or trained on: refused before anything."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import tiny
from command_line import refused
from made_runs import write_run

WEIGHTS = "checkpoints/best/best-000001/weights.data-00000-of-00001"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Name the folder of a run that is whole."""
    return write_run(tmp_path_factory.mktemp("made") / "old").path


@pytest.fixture
def old(shop, made):
    """Copy it beside the files of a workshop, whose configuration begins from it."""
    shutil.copytree(made, shop.folder / "old")
    shop.config(encoder={"checkpoint": "old", "max_length": 32, "overlap": 8})
    return shop.folder / "old"


def without_weights(old):
    shutil.rmtree(old / "checkpoints")


def cut_weights(old):
    path = old / WEIGHTS
    path.write_bytes(path.read_bytes()[:-8])


def changed_config(**changes):
    def change(old):
        path = old / "encoder/config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return change


def damaged_labels(old):
    (old / "labels.json").write_text("[1]")


def as_export(old):
    shutil.rmtree(old)
    (old / "1").mkdir(parents=True)
    (old / "1/saved_model.pb").write_bytes(b"")


NO_WEIGHTS = "old: the run has no weights yet: no epoch is finished"
CUT = "old/checkpoints/best: expected a checkpoint that is whole, found none (old/checkpoints/…"
ALBERT = "old/encoder/config.json: expected model_type bert, camembert, distilbert, electra, …"
LABELS = "old/labels.json: expected the run's entity types, a list of names, got [1]"
RUNS = [
    ("no weights", without_weights, NO_WEIGHTS),
    ("weights that are cut off", cut_weights, CUT),
    ("an unknown family", changed_config(model_type="albert"), ALBERT),
    ("no labels", damaged_labels, LABELS),
]


@pytest.mark.parametrize(("change", "message"), [row[1:] for row in RUNS], ids=[r[0] for r in RUNS])
@pytest.mark.parametrize("command", ["convert", "train"])
def test_a_run(shop, old, line, change, message, command):
    change(old)
    before = shop.content()
    arguments = ("old", "--to-hf", "new") if command == "convert" else ("run.yaml",)
    refused(line(command, *arguments), message)
    assert shop.content() == before


def test_a_run_that_would_begin_from_itself(shop, old, line):
    encoder = {"checkpoint": "old", "max_length": 32, "overlap": 8}
    shop.config(name="old", runs_dir=".", encoder=encoder)
    before = shop.content()
    expected = "encoder.checkpoint: expected another run than the one that is trained, got old"
    refused(line("train", "run.yaml", "--overwrite"), f"{expected}; choose another name")
    assert shop.content() == before


def test_an_export_is_refused_and_its_run_asked_for(shop, old, line):
    as_export(old)
    got = "got an export, whose weights have no names"
    expected = "old: expected the folder of a run, with config.yaml"
    refused(line("convert", "old", "--to-hf", "new"), f"{expected}, {got}; its run has them")
    expected = "encoder.checkpoint: old: expected a checkpoint or the folder of a run"
    refused(line("train", "run.yaml"), f"{expected}, {got}")


def test_what_is_no_run_at_all(shop, line):
    expected = "nowhere: expected the folder of a run, with config.yaml, found none"
    refused(line("convert", "nowhere", "--to-hf", "new"), expected)
    shop.checkpoint()
    expected = "checkpoint: expected the folder of a run, with config.yaml, found none"
    refused(line("convert", "checkpoint", "--to-hf", "new"), expected)


def test_options_that_do_not_go_together(shop, line):
    expected = "command line: --to-hf: expected a run and --overwrite alone"
    options = ("--to", "export", "--scheme", "IO", "threshold=0.5")
    refused(
        line("convert", "old", "--to-hf", "new", *options),
        f"{expected}, got --to, --scheme, KEY=VALUE",
    )
    expected = "command line: --overwrite: expected --to-hf; --to adds a version"
    refused(line("convert", "old", "--to", "export", "--overwrite"), expected)


def fine_tuned(shop, names, **tensors):
    """Write a checkpoint for token classification, its head changed."""
    hidden = tiny.CONFIG["hidden_size"]
    zeros = {
        "classifier.weight": np.zeros([len(names), hidden], np.float32),
        "classifier.bias": np.zeros(len(names), np.float32),
    }
    named = {f"bert.{name}": value for name, value in tiny.tensors().items()}
    kept = {name: value for name, value in {**named, **zeros, **tensors}.items() if len(value)}
    labels = {str(number): name for number, name in enumerate(names)}
    config = {"architectures": ["BertForTokenClassification"], "id2label": labels}
    tiny.write_checkpoint(shop.folder / "checkpoint", kept, **config)


TAGS = ["O", "B-PER", "I-PER"]
REMEDY = "; model.keep_head=false takes the encoder alone"
LINEAR = "expected one linear layer as head, classifier.weight and classifier.bias, got "
HEADS = [
    ("a CRF", TAGS, {"crf.transitions": np.zeros([3, 3], np.float32)},
     f"{LINEAR}['classifier.bias', 'classifier.weight', 'crf.transitions']"),
    ("no bias", TAGS, {"classifier.bias": ()}, f"{LINEAR}['classifier.weight']"),
    ("other outputs", TAGS, {"classifier.bias": np.zeros(2, np.float32)},
     "expected 3 outputs, one a label, got classifier.weight [3, 32] and classifier.bias [2]"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("names", "tensors", "message"), [row[1:] for row in HEADS], ids=[row[0] for row in HEADS]
)
def test_a_fine_tuned_head_that_cannot_be_learned_on(shop, line, names, tensors, message):
    fine_tuned(shop, names, **tensors)
    before = shop.content()
    message = f"encoder.checkpoint: checkpoint: {message}{REMEDY}"
    refused(line("train", "run.yaml"), message)
    assert shop.content() == before


def test_a_fine_tuned_head_for_another_encoder(shop, line):
    weight = np.zeros([3, 8], np.float32)
    fine_tuned(shop, TAGS, **{"classifier.weight": weight})
    before = shop.content()
    expected = "encoder.checkpoint: checkpoint: classifier.weight: expected a layer over 32 hidden"
    refused(line("train", "run.yaml"), f"{expected} numbers, got [3, 8]{REMEDY}")
    assert shop.content() == before
