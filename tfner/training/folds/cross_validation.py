"""Carry out a cross-validation: train a run a fold, keep its predictions, sum up the scores."""

from __future__ import annotations

import json
import logging
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tfner.config import RunSettings
from tfner.documents import Document
from tfner.evaluation.intervals import Intervals, measure_intervals
from tfner.evaluation.report.score_table import describe_intervals, score_table
from tfner.evaluation.scores import EntityScores, score_entities
from tfner.exceptions import ConfigError, DataError
from tfner.monitoring.events import log_event
from tfner.safeio.printable import printable
from tfner.safeio.sources import name_source
from tfner.safeio.whole_files import write_text_whole
from tfner.tagging.schemes import LabelSet
from tfner.training.folds.folder import FoldsFolder, name_fold
from tfner.training.folds.out_of_fold import read_predictions, write_predictions
from tfner.training.held_out import Division, count_entities, read_pool
from tfner.training.state.lock import locked

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class HeldOut:
    """Hold the documents of a fold, and their numbers in the order of the data."""

    fold: int
    numbers: list[int]
    documents: list[Document]


# Trains the run of a fold, and writes what it predicts for the documents that are held out.
TrainFold = Callable[[RunSettings, HeldOut, FoldsFolder], None]


@dataclass(frozen=True)
class Summary:
    """Hold the scores of each fold, and those of all documents together.

    `intervals` say how far the latter would move on other documents, predicted by the same models.
    """

    folds: list[EntityScores]
    pooled: EntityScores
    tags: tuple[str, ...]
    intervals: Intervals

    def spread(self, name: str, label: str | None = None) -> dict[str, float]:
        """Compute mean and standard deviation over folds of `precision`, `recall` or `f1`.

        Args:
            label: of a type, of which only the folds count that have it; None: of all.
        """
        scores = [fold.micro if label is None else fold.types.get(label) for fold in self.folds]
        values = [getattr(score, name) for score in scores if score is not None]
        sd = statistics.stdev(values) if len(values) > 1 else 0.0
        return {"mean": statistics.fmean(values), "sd": sd}

    def to_dict(self) -> dict[str, Any]:
        """Give what `report.json` holds."""
        values: dict[str, Any] = {name: self.spread(name) for name in ("f1", "precision", "recall")}
        values["types"] = {label: self.spread("f1", label) for label in self.pooled.types}
        values["folds"] = [fold.to_dict() for fold in self.folds]
        pooled = self.pooled
        values["pooled"] = pooled.to_dict()
        values["intervals"] = self.intervals.to_dict()
        values["tags"] = self.tags
        return values

    def print_table(self, console: Console) -> None:
        """Print a line a fold and a type, each with its F1, then the scores of all documents."""
        table = Table("", "precision", "recall", "F1", "support")
        for column in table.columns[1:]:
            column.justify = "right"
        for fold, scores in enumerate(self.folds, 1):
            table.add_row(name_fold(fold), *percents(scores.micro[:3]), f"{scores.micro.support:,}")
        table.add_section()
        for label, score in self.pooled.types.items():
            cells = [self.describe(name, label) for name in ("precision", "recall", "f1")]
            table.add_row(printable(label), *cells, f"{score.support:,}")
        table.add_section()
        cells = [self.describe(name) for name in ("precision", "recall", "f1")]
        table.add_row("mean ± sd", *cells, f"{self.pooled.micro.support:,}")
        console.print(table)
        (pooled,) = percents([self.pooled.micro.f1])
        console.print(f"F1 {self.describe('f1')} over folds, {pooled} of all documents together")
        console.print(score_table(self.pooled, "all documents together", self.intervals))
        for line in describe_intervals(self.intervals):
            console.print(Text(line, style="dim"))

    def describe(self, name: str, label: str | None = None) -> str:
        """Write mean and standard deviation in points of a hundred."""
        spread = self.spread(name, label)
        mean, sd = percents([spread["mean"], spread["sd"]])
        return f"{mean} ± {sd}"


def percents(values: Sequence[float]) -> list[str]:
    """Write fractions in points of a hundred, as papers do."""
    return [f"{100 * value:.1f}" for value in values]


def cross_validate(
    settings: RunSettings,
    folder: FoldsFolder,
    folds: int,
    console: Console,
    train_fold: TrainFold,
    *,
    overwrite: bool = False,
) -> Summary:
    """Train each fold that is not finished, and sum up what all have predicted.

    The same call goes on with one that was stopped.

    Raises:
        ConfigError: the folder holds another cross-validation, or the settings cannot be used.
        DataError: the data cannot be read or divided, or have changed since.
        BusyError, StorageError: another process works on it; a disk refuses what is to be written.
        TfnerError: what ends any training.
        KeyboardInterrupt, Terminated: it was stopped.
    """
    check_devices(settings)
    pool = read_pool(settings.data)
    documents = pool.documents
    labels = find_types(settings, documents)
    with locked(folder.path):
        folder.check_content()
        if overwrite:
            folder.delete()
        division = folder.divide(pool, folds, settings.seed)
        warn_one_sided(division)
        scores = Progress(console, folds)
        for number, name in enumerate(division.record.splits, 1):
            held_out = HeldOut(number, division.record.numbers(name), division.documents[name])
            own = folder.settings_of(settings, number, labels)
            carry_out(own, held_out, folder, scores, train_fold)
        tags = LabelSet(labels, settings.model.tag_scheme).tags
        return write_summary(folder, folds, tags)


def check_devices(settings: RunSettings) -> None:
    if settings.devices == "multi_worker":
        raise ConfigError("devices: expected a fold in one process, got multi_worker")


def find_types(settings: RunSettings, documents: Sequence[Document]) -> tuple[str, ...]:
    """Take the given types, or those of all documents."""
    if settings.labels is not None:
        return settings.labels
    types = {entity.label for document in documents for entity in document.entities}
    if not types:
        source = settings.data.train
        where = name_source(source or "")
        count = len(documents)
        expected = "expected entities to learn"
        raise DataError(f"{where}: {expected}, found none in {count:,} documents")
    return tuple(sorted(types))


def warn_one_sided(division: Division) -> None:
    """Warn of types that one fold alone has, whose model can learn nothing of them."""
    folds_of: dict[str, set[str]] = {}
    for fold, documents in division.documents.items():
        for document in documents:
            for entity in document.entities:
                folds_of.setdefault(entity.label, set()).add(fold)
    for label, folds in sorted(folds_of.items()):
        if len(folds) == 1:
            (fold,) = folds
            why = "so the model that predicts them has learned none"
            logger.warning("%s: all of its entities are in %s, %s", label, fold, why)


def carry_out(
    settings: RunSettings,
    held_out: HeldOut,
    folder: FoldsFolder,
    progress: Progress,
    train_fold: TrainFold,
) -> None:
    """Train a fold unless it is finished, and say how it went.

    Raises:
        ConfigError: it was finished with other settings.
    """
    fold = held_out.fold
    run = folder.run(fold)
    if folder.is_finished(fold):
        settings = run.keep_former_defaults(settings)
        run.check_same(settings)
        was_trained = False
    else:
        progress.begin(held_out)
        train_fold(settings, held_out, folder)
        was_trained = True
    scores = score_fold(folder, fold)
    progress.end(fold, scores, was_trained=was_trained)


def score_fold(folder: FoldsFolder, fold: int) -> EntityScores:
    """Score the predictions of a finished fold."""
    path = folder.predictions_of(fold)
    predictions = read_predictions(path)
    return score_entities((each.document.entities, each.predicted) for each in predictions)


def write_summary(folder: FoldsFolder, folds: int, tags: tuple[str, ...]) -> Summary:
    """Write the predictions of all folds by document, and the report."""
    numbers = range(1, folds + 1)
    everything = [read_predictions(folder.predictions_of(fold)) for fold in numbers]
    write_predictions(folder.predictions, (each for fold in everything for each in fold))
    scores = [score_fold(folder, fold) for fold in numbers]
    summary = Summary(scores, sum(scores, EntityScores()), tags, pooled_intervals(folder))
    values = summary.to_dict()
    content = json.dumps(values, ensure_ascii=False, indent=2)
    content += "\n"
    write_text_whole(folder.report, content)
    return summary


def pooled_intervals(folder: FoldsFolder) -> Intervals:
    """Draw the documents of all folds, each as the model of its fold predicts it."""
    documents, found = [], []
    for each in read_predictions(folder.predictions):
        documents.append(each.document)
        found.append(each.predicted)
    return measure_intervals(documents, found)


class Progress:
    """Say, a line a fold, what it learns and scores, the mean of the folds, and the time left.

    Args:
        console: standard error, so that results can be piped.
        clock: gives seconds from any beginning.
    """

    def __init__(self, console: Console, folds: int, clock: Callable[[], float] = time.monotonic):
        self._console = console
        self._folds = folds
        self._clock = clock
        self._f1s: list[float] = []
        self._spent: list[float] = []
        self._start = 0.0

    def begin(self, held_out: HeldOut) -> None:
        """Say that a fold begins."""
        self._start = self._clock()
        documents = held_out.documents
        size = len(documents)
        entities = count_entities(documents)
        counts = f"{size:,} documents, {entities:,} entities"
        fold = held_out.fold
        self._say(fold, f"{counts} are held out")
        log_event("fold_begin", fold=fold, folds=self._folds, documents=size)

    def end(self, fold: int, scores: EntityScores, *, was_trained: bool) -> None:
        """Say what a fold has scored, and how long the others will take."""
        f1 = scores.micro.f1
        self._f1s.append(f1)
        left = ""
        if was_trained:
            end = self._clock()
            seconds = end - self._start
            self._spent.append(seconds)
            each = statistics.fmean(self._spent)
            folds = self._folds - fold
            remaining = round(folds * each)
            left = f", {timedelta(seconds=remaining)} left"
        average = statistics.fmean(self._f1s)
        own, mean = percents([f1, average])
        when = "" if was_trained else " (finished before)"
        self._say(fold, f"F1 {own}{when}; mean {mean}{left}")
        log_event("fold_end", fold=fold, folds=self._folds, f1=f1, trained=was_trained)

    def _say(self, fold: int, text: str) -> None:
        line = f"fold {fold} of {self._folds}: {text}"
        self._console.print(line)
