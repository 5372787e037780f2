"""One run from settings to report and export: prepare, fit, evaluate what was best, export it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import tensorflow as tf
from rich.console import Console

from tfner.config import RunSettings
from tfner.evaluation.evaluate import Recognize, evaluate_documents
from tfner.evaluation.report.report import Report
from tfner.exceptions import ConfigError, Terminated
from tfner.model.build import build_classifier, build_export_tagger
from tfner.model.classifier import TokenClassifier
from tfner.monitoring.events import log_event
from tfner.serving.export.bundle import export_model, live_recognizer, make_card
from tfner.training.card import card_of_run
from tfner.training.devices.strategy import Devices, open_devices
from tfner.training.environment import versions
from tfner.training.fit import fit
from tfner.training.run_inputs import Prepared, prepare, timed
from tfner.training.state.lock import locked
from tfner.training.state.run_folder import RunFolder
from tfner.training.state.storage import refusal
from tfner.training.state.termination import interruption


@dataclass
class Outcome:
    """How a run ended: `reports` by split, the exported version, and whether it was interrupted or had been finished before."""

    folder: RunFolder
    state: Literal["finished", "interrupted", "finished before"]
    reports: dict[str, Report] = field(default_factory=dict)
    export: Path | None = None


def train(settings: RunSettings, console: Console, *, overwrite: bool = False) -> Outcome:
    """Carry a run through, from where it stands: one that was stopped goes on, a finished one is only reported.

    Raises:
        ConfigError: the run folder holds a run with other settings, and `overwrite` is not given; or the devices are not there.
        BusyError: another process works on the run.
        DataError, ModelError: the data, the encoder or all checkpoints of the run cannot be used.
        DivergedError: the loss has not been finite for several steps in a row.
        WorkerLostError: another process of the training has ended.
        StorageError: a disk refuses what is to be written; the last checkpoint stays.
    """
    devices = open_devices(settings.devices)
    check_shapes(settings, devices)
    folder = RunFolder(settings.run_dir)
    try:
        with locked(folder.path) if devices.chief else nullcontext():
            unfinished = claim(folder, settings, overwrite) if devices.chief else False
            if not devices.from_chief(np.array(unfinished, np.int32)):
                return Outcome(folder, "finished before")
            with told(folder) if devices.chief else nullcontext():
                outcome = carry_through(settings, folder, console, devices, overwrite=overwrite)
                if outcome.state == "finished":
                    devices.wait_for_chief()
                return outcome
    except BaseException as error:
        stopped = interruption(error)
        if isinstance(stopped, Terminated):
            raise Terminated(str(stopped) or f"{folder.path}: the same command goes on") from None
        if stopped is not None:
            raise stopped from None
        if isinstance(error, OSError | tf.errors.OpError):
            raise devices.lost(error) or refusal(error, folder.path) or error from None
        raise


@contextmanager
def told(folder: RunFolder) -> Iterator[None]:
    """Whoever reads the log or looks at the runs is to see that this one began, and that it was stopped, not killed."""
    log_event("run_begin", run=folder.path.name, folder=str(folder.path))
    try:
        yield
    except BaseException as error:
        if interruption(error):
            folder.note_interruption()
        raise


def check_shapes(settings: RunSettings, devices: Devices) -> None:
    if devices.kind == "tpu" and settings.training.batching != "packed":
        raise ConfigError(
            f"training.batching: expected packed on a TPU, where each shape is a program, got {settings.training.batching}"
        )


def carry_through(
    settings: RunSettings,
    folder: RunFolder,
    console: Console,
    devices: Devices,
    *,
    overwrite: bool = False,
) -> Outcome:
    prepared = prepare(settings, folder, console, writes=devices.chief, overwrite=overwrite)
    model, interrupted = fit(prepared, devices)
    if not devices.chief:
        return Outcome(folder, "interrupted" if interrupted else "finished")
    if interrupted:
        folder.note_interruption()
    ends_here = interrupted and not (settings.training.export_on_interrupt and folder.has_best())
    outcome = (
        Outcome(folder, "interrupted") if ends_here else conclude(prepared, model, interrupted)
    )
    f1 = {split: report.scores.micro.f1 for split, report in outcome.reports.items()}
    log_event(
        "run_end",
        run=folder.path.name,
        state=outcome.state,
        f1=f1,
        exported=str(outcome.export) if outcome.export else None,
    )
    return outcome


def claim(folder: RunFolder, settings: RunSettings, overwrite: bool) -> bool:
    """Whether there is anything to do; checks that it is allowed."""
    if overwrite:
        return True
    if folder.state() != "absent":
        folder.check_same(settings)
    return folder.state() != "finished"


def conclude(prepared: Prepared, trained: TokenClassifier, interrupted: bool) -> Outcome:
    """Evaluate the best weights as they are served, and export them."""
    settings, folder = prepared.settings, prepared.folder
    model = build_classifier(
        settings, folder.encoder, prepared.labels, pretrained=False, policy="float32"
    )
    for mine, theirs in zip(model.prediction_weights, trained.prediction_weights, strict=True):
        mine.assign(theirs)
    tagger = build_export_tagger(model, prepared.tokenizer, prepared.labels, settings)
    with timed(prepared.seconds, "evaluation"):
        reports = evaluate_splits(prepared, live_recognizer(tagger, make_card(tagger)).documents)
    outcome = Outcome(folder, "interrupted" if interrupted else "finished", reports)
    if settings.export.enabled:
        scores = {split: report.scores.to_dict() for split, report in reports.items()}
        dropped = {name: ledger.counts for name, ledger in prepared.splits.ledgers.items()}
        try:
            outcome.export = export_model(
                tagger, card_of_run(settings, tagger, scores, dropped), settings.export_dir
            )
        except (OSError, tf.errors.OpError) as error:
            raise refusal(error, settings.export_dir) or error from None
        folder.note_export(outcome.export)
    if not interrupted:
        folder.finish(reports)
    return outcome


def evaluate_splits(prepared: Prepared, recognize: Recognize) -> dict[str, Report]:
    """A report for dev and test where they are given."""
    reports = {}
    for split in ("dev", "test"):
        if split in prepared.splits.documents:
            reports[split], _ = evaluate_documents(
                recognize,
                prepared.splits.documents[split],
                name=prepared.settings.name,
                split=split,
                dropped={name: ledger.counts for name, ledger in prepared.splits.ledgers.items()},
                seconds=prepared.seconds,
                versions=versions(),
            )
    return reports
