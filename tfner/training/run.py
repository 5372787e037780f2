"""Run from settings to report and export: load inputs, fit, evaluate the best weights, export."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tensorflow as tf
from rich.console import Console

from tfner.config import RunSettings
from tfner.evaluation.evaluate import evaluate_documents
from tfner.evaluation.learning_curve import read_curve
from tfner.evaluation.report.report import Report
from tfner.evaluation.scores import EntityScores
from tfner.exceptions import ConfigError, Terminated
from tfner.model.build import build_classifier, build_export_tagger
from tfner.model.classifier import TokenClassifier
from tfner.model.inference.tagger import Tagger
from tfner.monitoring.events import log_event
from tfner.serving.export.bundle import export_model
from tfner.training.calibrate import calibrate_on_dev
from tfner.training.card import card_of_run, recognizer_of_run
from tfner.training.devices.strategy import Devices, open_devices
from tfner.training.environment import versions
from tfner.training.fit import Callbacks, fit
from tfner.training.run_inputs import RunInputs, load_run_inputs, timed
from tfner.training.state.lock import locked
from tfner.training.state.run_folder import RunFolder
from tfner.training.state.storage import refusal
from tfner.training.state.termination import announce_ctrl_c, interruption
from tfner.training.teaching import teach

State = Literal["finished", "interrupted", "finished before"]


@dataclass
class Outcome:
    """Tell how a run ended, with a report for each evaluated split and the exported version."""

    folder: RunFolder
    state: State
    reports: dict[str, Report] = field(default_factory=dict)
    export: Path | None = None


def train(
    settings: RunSettings,
    console: Console,
    *,
    overwrite: bool = False,
    callbacks: Callbacks = (),
) -> Outcome:
    """Train, evaluate and export; a run that was stopped goes on, a finished one is left alone.

    `callbacks` are called once dev has been scored, in the chief alone.

    Raises:
        ConfigError: the run folder holds a run with other settings and `overwrite` is not given,
            or the devices are not there.
        BusyError: another process works on the run.
        DataError, ModelError: the data, the encoder or all checkpoints of the run are unusable.
        DivergedError: the loss has not been finite for several steps in a row.
        WorkerLostError: another process of the training has ended.
        StorageError: a disk refuses what is to be written; the last checkpoint stays.
    """
    devices = open_devices(settings.devices)
    check_shapes(settings, devices)
    folder = RunFolder(settings.run_dir)
    if not overwrite:
        settings = folder.keep_former_defaults(settings)
    goes_on = f"{folder.path}: the same command goes on"
    stopping, ended = f"stopping; {goes_on}", f"ended at once; {goes_on}"
    announcing = announce_ctrl_c(lambda: stopping, lambda: ended)
    try:
        with announcing, locked(folder.path) if devices.chief else nullcontext():
            work = needs_work(folder, settings, overwrite) if devices.chief else False
            if not devices.broadcast_from_chief(np.array(work, np.int32)):
                return Outcome(folder, "finished before")
            with log_lifecycle(folder) if devices.chief else nullcontext():
                more: Any = {"overwrite": overwrite, "callbacks": callbacks}
                outcome = run_training(settings, folder, console, devices, **more)
                if outcome.state == "finished":
                    devices.wait_for_chief()
                return outcome
    except BaseException as error:
        stopped = interruption(error)
        if isinstance(stopped, Terminated):
            raise Terminated(str(stopped) or goes_on) from None
        if stopped is not None:
            raise stopped from None
        if isinstance(error, OSError | tf.errors.OpError):
            raise devices.lost(error) or refusal(error, folder.path) or error from None
        raise


@contextmanager
def log_lifecycle(folder: RunFolder) -> Iterator[None]:
    """Log that a run begins, and note in its folder when it is stopped rather than killed."""
    log_event("run_begin", run=folder.path.name, folder=str(folder.path))
    try:
        yield
    except BaseException as error:
        if interruption(error):
            folder.note_interruption()
        raise


def check_shapes(settings: RunSettings, devices: Devices) -> None:
    batching = settings.training.batching
    if devices.kind == "tpu" and batching != "packed":
        expected = "expected packed on a TPU, where each shape is a program"
        raise ConfigError(f"training.batching: {expected}, got {batching}")


def needs_work(folder: RunFolder, settings: RunSettings, overwrite: bool) -> bool:
    """Check that the run may go on with these settings; return whether it is not finished yet."""
    if overwrite:
        return True
    if folder.state() != "absent":
        folder.check_same(settings)
    return folder.state() != "finished"


def run_training(
    settings: RunSettings,
    folder: RunFolder,
    console: Console,
    devices: Devices,
    *,
    overwrite: bool = False,
    callbacks: Callbacks = (),
) -> Outcome:
    """Carry out a run; processes other than the chief take part in the training alone."""
    chief = devices.chief
    inputs = load_run_inputs(settings, folder, console, writes=chief, overwrite=overwrite)
    if inputs.teachers:
        with timed(inputs.seconds, "teachers"):
            teach(inputs, writes=chief)
    model, interrupted = fit(inputs, devices, callbacks)
    state = "interrupted" if interrupted else "finished"
    outcome = Outcome(folder, state)
    if not chief:
        return outcome
    if interrupted:
        folder.note_interruption()
    if not interrupted or folder.has_best():
        outcome = evaluate_and_export(inputs, model, interrupted)
    folder.write_report(report_of(inputs, outcome), state)
    f1 = {split: report.scores.micro.f1 for split, report in outcome.reports.items()}
    exported = str(outcome.export) if outcome.export else None
    log_event("run_end", run=folder.path.name, state=state, f1=f1, exported=exported)
    return outcome


def evaluate_and_export(inputs: RunInputs, trained: TokenClassifier, interrupted: bool) -> Outcome:
    """Evaluate the best weights as they are served, and export them."""
    settings = inputs.settings
    folder = inputs.folder
    encoder = folder.encoder
    labels = inputs.labels
    model = build_classifier(settings, encoder, labels, pretrained=False, policy="float32")
    for mine, theirs in zip(model.prediction_weights, trained.prediction_weights, strict=True):
        mine.assign(theirs)
    per_document = inputs.sentences_per_document
    tagger = build_export_tagger(model, inputs.tokenizer, labels, settings, per_document)
    with timed(inputs.seconds, "evaluation"):
        reports = evaluate_splits(inputs, tagger)
    outcome = Outcome(folder, "interrupted" if interrupted else "finished", reports)
    if settings.export.enabled and (settings.training.export_on_interrupt or not interrupted):
        scores = {split: report.scores.to_dict() for split, report in reports.items()}
        counts = inputs.splits.counts()
        dropped = inputs.splits.dropped()
        fit = reports["dev"].calibration if "dev" in reports else None
        about: Any = {"calibration": fit and fit.to_dict(), "began_from": inputs.began_from()}
        card = card_of_run(settings, tagger, scores, counts, dropped, **about)
        try:
            outcome.export = export_model(tagger, card, settings.export_dir)
        except (OSError, tf.errors.OpError) as error:
            raise refusal(error, settings.export_dir) or error from None
        folder.note_export(outcome.export)
    return outcome


def evaluate_splits(inputs: RunInputs, tagger: Tagger) -> dict[str, Report]:
    """Calibrate scores on dev, and score dev and test, where they are given.

    Returns:
        A report for each; that of dev has the calibration.
    """
    reports = {}
    documents = inputs.splits.documents
    about = describe_run(inputs)
    fit, recognize_dev = None, None
    if inputs.settings.export.calibrate and "dev" in documents:
        fit, recognize_dev = calibrate_on_dev(tagger, inputs.settings, documents["dev"])
    served = recognizer_of_run(inputs.settings, tagger).documents
    if "dev" in documents:
        recognize = recognize_dev or served
        report, _ = evaluate_documents(recognize, documents["dev"], split="dev", **about)
        # The calibration was fitted on these scores: only those held apart say how good it is.
        reliability = fit.after if fit else report.reliability
        reports["dev"] = replace(report, calibration=fit, reliability=reliability)
    if "test" in documents:
        reports["test"], _ = evaluate_documents(served, documents["test"], split="test", **about)
    return reports


def report_of(inputs: RunInputs, outcome: Outcome) -> Report:
    """Choose the run's report: of the test split, else of dev, else one without scores.

    It holds the scores of the other splits too, with their intervals.
    """
    reports = outcome.reports
    main = reports.get("test") or reports.get("dev")
    if main is None:
        return Report(scores=EntityScores(), **describe_run(inputs))
    others = {split: other for split, other in reports.items() if other is not main}
    calibration = reports["dev"].calibration if "dev" in reports else None
    about: dict[str, Any] = {"calibration": calibration}
    about["splits"] = {split: other.scores for split, other in others.items()}
    intervals = {split: other.intervals for split, other in others.items() if other.intervals}
    return replace(main, split_intervals=intervals, **about)


def describe_run(inputs: RunInputs) -> dict[str, Any]:
    """Collect what every report of a run holds besides scores."""
    data = {"name": inputs.settings.name, "dropped": inputs.splits.dropped()}
    taught = {"taught": inputs.taught, "began_from": inputs.began_from()}
    taught["curve"] = read_curve(inputs.folder.metrics)
    return {**data, **taught, "seconds": inputs.seconds, "versions": versions()}
