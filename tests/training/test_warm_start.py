"""Begin runs from taggers: which weights they have from them, what is said, what is refused."""

from __future__ import annotations

import io
import json
import logging
from pathlib import Path

import numpy as np
import pytest
import tiny
import yaml
from made_runs import write_run
from rich.console import Console

from tfner.config import load_settings
from tfner.exceptions import ConfigError
from tfner.model.build import build_classifier
from tfner.safeio.sources import encoder_folder
from tfner.tagging.schemes import LabelSet
from tfner.training import run
from tfner.training.callbacks import ProgressBar
from tfner.training.restore import restore_classifier, write_run_for_transformers
from tfner.training.run import train
from tfner.training.state.run_folder import RunFolder
from tfner.training.warm_start import find_warm_start

OLD = ("LOC", "PER")
NEW = ("ORG", "PER")  # of which PER was learned before
SENTENCE = "anna B-PER\nlund I-PER\nmet O\nacme B-ORG\n\n"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Runs that were trained before, by their heads."""
    home = tmp_path_factory.mktemp("old")
    return {head: write_run(home / head, OLD, head=head) for head in ("crf", "softmax")}


def settings_for(home: Path, source: Path, *overrides: str, **model):
    home.mkdir(exist_ok=True)
    (home / "train.conll").write_text(SENTENCE * 12)
    (home / "dev.conll").write_text(SENTENCE)
    values = {
        "name": "new",
        "data": {"train": str(home / "train.conll"), "dev": str(home / "dev.conll")},
        "encoder": {"checkpoint": str(source), "max_length": 16, "overlap": 4},
        "model": model,
        "training": {"epochs": 2, "batch_size": 4},
        "export": {"enabled": False},
        "runs_dir": str(home / "runs"),
    }
    (home / "run.yaml").write_text(yaml.safe_dump(values))
    return load_settings(home / "run.yaml", overrides)


def begin(settings, types=NEW):
    """The warm start of a run, and the run's model before and after it: head by name, encoder."""
    labels = LabelSet(types, settings.model.tag_scheme)
    folder = encoder_folder(settings.encoder.checkpoint)
    assert folder is not None
    warm_start = find_warm_start(settings, folder, labels)
    options = {"pretrained": False, "policy": "float32"}
    model = build_classifier(settings, folder, labels, **options)
    before = head_of(model)
    if warm_start is not None:
        warm_start.apply(model)
    return warm_start, before, model


def head_of(model) -> dict[str, np.ndarray]:
    return {name: getattr(model.head, name).numpy() for name in model.head.tag_axes}


def test_tags_of_both_are_kept_and_new_ones_begin_anew(runs, tmp_path):
    old = restore_classifier(runs["crf"], runs["crf"].settings)
    warm_start, before, model = begin(settings_for(tmp_path / "new", runs["crf"].path))
    after, trained = head_of(model), head_of(old)
    kept, source = [0, 3, 4], [0, 3, 4]  # O, B-PER, I-PER of O, B-ORG, I-ORG, B-PER, I-PER
    new = [1, 2]
    for name, axes in model.head.tag_axes.items():
        rows = kept if 0 in axes else slice(None)
        inner = trained[name][rows][..., source] if name != "bias" else trained[name][source]
        found = after[name][rows][..., kept] if name != "bias" else after[name][kept]
        np.testing.assert_array_equal(found, inner)
        np.testing.assert_array_equal(after[name][..., new], before[name][..., new])
    assert before["kernel"][:, new].any()
    for mine, theirs in zip(model.encoder.weights, old.encoder.weights, strict=True):
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())
    assert warm_start.plan.describe("runs/a") == (
        "head: 3 tags from runs/a, 2 new: B-ORG, I-ORG; 2 not learned here: B-LOC, I-LOC"
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("softmax", "crf", "; new: transitions"),
        ("crf", "softmax", "; dropped: transitions"),
    ],
)
def test_between_heads_the_product_is_kept_and_transitions_are_not(runs, tmp_path, old, new, said):
    settings = settings_for(tmp_path / "new", runs[old].path, head=new)
    warm_start, _, model = begin(settings, OLD)
    trained = restore_classifier(runs[old], runs[old].settings)
    after = head_of(model)
    for name in ("kernel", "bias"):
        np.testing.assert_array_equal(after[name], head_of(trained)[name])
    assert not after.get("transitions", np.zeros(1)).any()
    assert warm_start.plan.describe("a") == f"head: 5 tags from a, 0 new{said}"


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ({"tag_scheme": "BIOES"}, "its tags are IOB2, those of the run BIOES"),
        ({"keep_head": False}, "model.keep_head is false"),
    ],
)
def test_a_head_that_cannot_or_should_not_be_kept_begins_anew(runs, tmp_path, model, reason):
    settings = settings_for(tmp_path / "new", runs["crf"].path, **model)
    warm_start, before, built = begin(settings, OLD)
    for name, value in head_of(built).items():
        np.testing.assert_array_equal(value, before[name])
    assert f"head: 0 tags from a, {len(before['bias'])} new: " in warm_start.plan.describe("a")
    assert warm_start.plan.describe("a").endswith(f"({reason})")
    assert warm_start.plan.tags == ()
    old = restore_classifier(runs["crf"], runs["crf"].settings)
    np.testing.assert_array_equal(built.encoder.word_embeddings, old.encoder.word_embeddings)


def test_a_fine_tuned_folder_gives_its_head(runs, tmp_path):
    to = write_run_for_transformers(runs["softmax"].path, tmp_path / "written").path
    config = json.loads((to / "config.json").read_text())
    names = ["I-PER", "O", "B-PER", "I-LOC", "B-LOC"]
    config["id2label"] = {str(number): name for number, name in enumerate(names)}
    (to / "config.json").write_text(json.dumps(config))
    settings = settings_for(tmp_path / "new", to)
    warm_start, _, model = begin(settings)
    trained, after = (
        head_of(restore_classifier(runs["softmax"], runs["softmax"].settings)),
        head_of(model),
    )
    np.testing.assert_array_equal(after["bias"][[0, 3, 4]], trained["bias"][[1, 2, 0]])
    np.testing.assert_array_equal(after["kernel"][:, [0, 3, 4]], trained["kernel"][:, [1, 2, 0]])
    assert warm_start.plan.new_tags == ("B-ORG", "I-ORG")
    assert begin(settings_for(tmp_path / "new", to, keep_head=False))[0] is None


def test_random_weights_begin_from_nobody(runs, tmp_path):
    settings = settings_for(tmp_path / "new", runs["crf"].path, "encoder.initialize=random")
    assert begin(settings)[0] is None


def test_a_run_is_trained_on_and_says_from_what(runs, tmp_path, caplog, monkeypatch):
    source = runs["crf"].path
    overrides = ("training.epochs=1", "export.enabled=true", "data.dev=null")
    settings = settings_for(tmp_path / "new", source, *overrides)
    cards = []
    monkeypatch.setattr(run, "export_model", lambda _, card, to: cards.append(card) or to)
    with caplog.at_level(logging.INFO):
        train(settings, Console(file=io.StringIO()))
    said = f"head: 3 tags from {source}, 2 new: B-ORG, I-ORG; 2 not learned here: B-LOC, I-LOC"
    assert said in caplog.messages
    assert f"encoder: weights from {source}" in caplog.messages
    folder = RunFolder(settings.run_dir)
    began = json.loads(folder.report.read_text())["began_from"]
    assert (began["source"], began["tags"]) == (str(source), ["O", "B-PER", "I-PER"])
    environment = json.loads(folder.environment.read_text())
    assert environment["began_from"] == {str(source): {"sha256": began["sha256"]}}
    assert cards[0]["began_from"] == {**began, "source": source.name}
    assert (folder.encoder / "vocab.txt").is_file()


@pytest.mark.slow
def test_a_run_that_was_stopped_ends_in_the_same_weights(runs, tmp_path, monkeypatch):
    console = Console(file=io.StringIO())
    whole = settings_for(tmp_path / "whole", runs["crf"].path)
    train(whole, console)
    stopped = settings_for(tmp_path / "stopped", runs["crf"].path)
    begin_epoch = ProgressBar.on_epoch_begin

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt
        begin_epoch(self, epoch, logs)

    with monkeypatch.context() as patch:
        patch.setattr(ProgressBar, "on_epoch_begin", on_epoch_begin)
        assert train(stopped, console).state == "interrupted"
    assert train(stopped, console).state == "finished"
    models = [RunFolder(each.run_dir) for each in (whole, stopped)]
    weights = [restore_classifier(one, one.settings).get_weights() for one in models]
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_run_of_an_earlier_version_goes_on_without_the_tags_of_its_checkpoint(runs, tmp_path):
    settings = settings_for(tmp_path / "new", runs["crf"].path)
    folder = RunFolder(settings.run_dir)
    folder.create(settings, tiny.checkpoint(), {})
    text = folder.config.read_text()
    assert "keep_head: true" in text
    folder.config.write_text(text.replace("  keep_head: true\n", ""))
    former = RunFolder(settings.run_dir)
    assert former.settings.model.keep_head is False
    assert former.keep_former_defaults(settings).model.keep_head is False


def test_a_head_of_several_layers_is_refused_with_the_remedy(runs, tmp_path):
    to = write_run_for_transformers(runs["softmax"].path, tmp_path / "written").path
    config = json.loads((to / "config.json").read_text())
    config["id2label"] = {str(number): f"LABEL_{number}" for number in range(5)}
    (to / "config.json").write_text(json.dumps(config))
    remedy = "model.keep_head=false takes the encoder alone$"
    with pytest.raises(ConfigError, match=rf"encoder.checkpoint: .*label 0: expected O.*{remedy}"):
        begin(settings_for(tmp_path / "new", to))
