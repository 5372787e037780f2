"""Restore a recognizer from a folder on disk, a run's or an export's."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfner.config import RunSettings, override_export
from tfner.conversion.fine_tuned import open_fine_tuned
from tfner.conversion.transformers_folder import (
    WrittenFolder,
    check_destination,
    write_transformers_folder,
)
from tfner.exceptions import ModelError
from tfner.model.build import build_classifier, build_export_tagger, decoding_options
from tfner.model.classifier import TokenClassifier
from tfner.model.inference.tagger import Tagger
from tfner.safeio.json_text import read_json_object
from tfner.safeio.sources import check_is_run, is_fine_tuned, is_run
from tfner.serving.export.bundle import export_model, live_recognizer
from tfner.serving.runtime.origin import from_origin
from tfner.serving.runtime.recognizer import Recognizer
from tfner.serving.runtime.saved_model import load_recognizer
from tfner.tokenizers.registry import open_tokenizer
from tfner.training.calibrate import calibration_of_run
from tfner.training.card import card_of_run
from tfner.training.environment import counts_of_splits, sentences_in_training
from tfner.training.state.checkpoints import Checkpoints
from tfner.training.state.run_folder import RunFolder
from tfner.training.thresholds import check_one_number, describe_choice, reach_precision

logger = logging.getLogger(__name__)


def open_model(path: str | os.PathLike[str]) -> Recognizer:
    """Open an export (`saved_models/NAME` or a version of it) or a run folder's best weights.

    A folder that was fine-tuned with transformers is opened as it is, too.

    Raises:
        ModelError: `path` is none of these.
    """
    path = Path(path)
    if is_fine_tuned(path):
        recognizer = live_recognizer(*open_fine_tuned(path))
    elif is_run(path):
        folder = RunFolder(path)
        tagger = restore_tagger(folder, folder.settings)
        recognizer = live_recognizer(tagger, restore_card(folder, folder.settings, tagger))
    else:
        return load_recognizer(path)
    return from_origin(recognizer, open_model, str(path.absolute()))


def restore_classifier(folder: RunFolder, settings: RunSettings) -> TokenClassifier:
    """Restore the model of a run with its best weights.

    Raises:
        ModelError: there are none, or they are damaged.
    """
    labels = folder.load_labels()
    model = build_classifier(settings, folder.encoder, labels, pretrained=False, policy="float32")
    if not folder.has_best():
        raise ModelError(f"{folder.path}: the run has no weights yet: no epoch is finished")
    Checkpoints(folder.best, "best").restore(tf.train.Checkpoint(model=model))
    return model


def restore_tagger(folder: RunFolder, settings: RunSettings) -> Tagger:
    """Restore the tagger of a run as it is served, with its best weights."""
    model = restore_classifier(folder, settings)
    return tagger_of_run(model, folder, settings)


def tagger_of_run(model: TokenClassifier, folder: RunFolder, settings: RunSettings) -> Tagger:
    """Build the tagger that a run's model is served as, calibrated as its report says."""
    labels = folder.load_labels()
    per_document = sentences_in_training(folder.environment)
    tokenizer = open_tokenizer(folder.encoder)
    tagger = build_export_tagger(model, tokenizer, labels, settings, per_document)
    calibration = calibration_of_run(settings, read_report(folder), str(folder.report))
    if calibration is not None:
        tagger.decode_with(decoding_options(settings, calibration))
    return tagger


def export_run(
    path: Path,
    to: Path | None = None,
    overrides: Sequence[str] = (),
    at_least: Mapping[str, float] | None = None,
    say: Callable[[str], object] = logger.info,
) -> Path:
    """Export a run's best weights as the next version in `to`, by default the settings' folder.

    Args:
        overrides: `key=value` settings of the group `export`, in place of the run's own.
        at_least: the precision that is to be reached on dev, by type; "" for those not named.
        say: is given a line for each threshold that is chosen for it.

    Raises:
        ConfigError: a setting is wrong, or a precision cannot be reached.
        ModelError: `path` is no run with weights.
    """
    folder = RunFolder(path)
    settings = override_export(folder.settings, overrides)
    if at_least:
        check_one_number(overrides, at_least, folder.load_labels().types)
    tagger = restore_tagger(folder, settings)
    chosen = []
    if at_least:
        calibration = tagger.decoder.calibration
        settings, chosen = reach_precision(tagger, folder, settings, at_least)
        tagger.decode_with(decoding_options(settings, calibration))
        for one in chosen:
            say(describe_choice(one))
    card = restore_card(folder, settings, tagger)
    if chosen:
        card["precision_at_least"] = [one.to_dict() for one in chosen]
    exported = export_model(tagger, card, to or settings.export_dir)
    folder.note_export(exported)
    return exported


def write_run_for_transformers(path: Path, to: Path, *, overwrite: bool = False) -> WrittenFolder:
    """Write a run's best weights as a folder of transformers: see `write_transformers_folder`.

    Raises:
        ConfigError: `to` holds files and is not to be overwritten.
        ModelError: `path` is no run with weights, or transformers has no such encoder or head.
    """
    check_destination(to, overwrite=overwrite)
    check_is_run(path, "an export, whose weights have no names; its run has them")
    folder = RunFolder(path)
    settings = folder.settings
    model = restore_classifier(folder, settings)
    tagger = tagger_of_run(model, folder, settings)
    card = restore_card(folder, settings, tagger)
    inputs = (model, tagger.tokenizer, card, folder.encoder)
    return write_transformers_folder(*inputs, to, overwrite=overwrite)


def restore_card(folder: RunFolder, settings: RunSettings, tagger: Tagger) -> dict[str, Any]:
    """Make the card of a run, with what its report holds if there is one."""
    report = read_report(folder)
    dropped = report.get("data_by_split", {})
    counts = counts_of_splits(folder.environment)
    scores = scores_of_run(folder)
    about = {name: report.get(name) for name in ("calibration", "began_from")}
    return card_of_run(settings, tagger, scores, counts, dropped, **about)


def scores_of_run(folder: RunFolder) -> dict[str, Any]:
    """Read the entity scores of a run's splits from its report; empty where none was scored."""
    report = read_report(folder)
    scores = report.get("splits", {})
    if "split" in report:
        scores = {**scores, report["split"]: report["entity"]}
    return scores


def read_report(folder: RunFolder) -> dict[str, Any]:
    return read_json_object(folder.report, ModelError) if folder.report.is_file() else {}
