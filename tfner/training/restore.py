"""Restore a recognizer from a folder on disk, a run's or an export's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfner.config import RunSettings, override_export
from tfner.exceptions import ModelError
from tfner.model.build import build_classifier, build_export_tagger
from tfner.model.inference.tagger import Tagger
from tfner.safeio.json_text import read_json_object
from tfner.serving.export.bundle import export_model, live_recognizer
from tfner.serving.runtime.recognizer import Recognizer
from tfner.serving.runtime.saved_model import load_recognizer
from tfner.tokenizers.registry import open_tokenizer
from tfner.training.card import card_of_run
from tfner.training.environment import counts_of_splits
from tfner.training.state.checkpoints import Checkpoints
from tfner.training.state.run_folder import RunFolder


def open_model(path: Path) -> Recognizer:
    """Open an export (`saved_models/NAME` or a version of it) or a run folder's best weights.

    Raises:
        ModelError: `path` is neither.
    """
    if not (path / "config.yaml").is_file():
        return load_recognizer(path)
    folder = RunFolder(path)
    tagger = restore_tagger(folder, folder.settings)
    return live_recognizer(tagger, restore_card(folder, folder.settings, tagger))


def restore_tagger(folder: RunFolder, settings: RunSettings) -> Tagger:
    """Restore the tagger of a run as it is served, with its best weights."""
    labels = folder.load_labels()
    model = build_classifier(settings, folder.encoder, labels, pretrained=False, policy="float32")
    if not folder.has_best():
        raise ModelError(f"{folder.path}: the run has no weights yet: no epoch is finished")
    Checkpoints(folder.best, "best").restore(tf.train.Checkpoint(model=model))
    return build_export_tagger(model, open_tokenizer(folder.encoder), labels, settings)


def export_run(path: Path, to: Path | None = None, overrides: Sequence[str] = ()) -> Path:
    """Export a run's best weights as the next version in `to`, by default the settings' folder.

    `overrides` are `key=value` settings of the group `export`, in place of the run's own.
    """
    folder = RunFolder(path)
    settings = override_export(folder.settings, overrides)
    tagger = restore_tagger(folder, settings)
    card = restore_card(folder, settings, tagger)
    exported = export_model(tagger, card, to or settings.export_dir)
    folder.note_export(exported)
    return exported


def restore_card(folder: RunFolder, settings: RunSettings, tagger: Tagger) -> dict[str, Any]:
    """Make the card of a run, with what its report holds if there is one."""
    dropped = read_report(folder).get("data_by_split", {})
    counts = counts_of_splits(folder.environment)
    return card_of_run(settings, tagger, scores_of_run(folder), counts, dropped)


def scores_of_run(folder: RunFolder) -> dict[str, Any]:
    """Read the entity scores of a run's splits from its report; empty where none was scored."""
    report = read_report(folder)
    scores = report.get("splits", {})
    if "split" in report:
        scores = {**scores, report["split"]: report["entity"]}
    return scores


def read_report(folder: RunFolder) -> dict[str, Any]:
    return read_json_object(folder.report, ModelError) if folder.report.is_file() else {}
