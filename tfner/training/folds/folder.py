"""Define the folder of a cross-validation: what lies where in `runs/NAME-folds`."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfner.config import RunSettings
from tfner.exceptions import ConfigError, DataError
from tfner.formats.split_record import WITHOUT, SplitRecord
from tfner.safeio.sources import RUN, SPLITS
from tfner.training.folds.out_of_fold import PREDICTIONS
from tfner.training.held_out import Division, Pool, apply_record, divide
from tfner.training.state.lock import LOCK
from tfner.training.state.run_folder import RunFolder, describe_changes, path_of

AGAIN = "choose another folder or add --overwrite"


def name_fold(fold: int) -> str:
    """Name a fold, which names its run too."""
    return f"fold-{fold}"


@dataclass(frozen=True)
class FoldsFolder:
    """Name the paths of a cross-validation, and keep which document is of which fold.

    Attributes:
        splits: the record of the folds.
        predictions: of all documents, each by the model of its fold.
        report: F1 of each fold, mean and standard deviation.
    """

    path: Path
    splits = path_of(SPLITS)
    predictions = path_of(PREDICTIONS)
    report = path_of("report.json")

    def run(self, fold: int) -> RunFolder:
        """Name the run folder of a fold."""
        name = name_fold(fold)
        path = self.path / name
        return RunFolder(path)

    def predictions_of(self, fold: int) -> Path:
        """Name the file of a fold's predictions, which is there once the fold is finished."""
        run = self.run(fold)
        return run.path / PREDICTIONS

    def is_finished(self, fold: int) -> bool:
        """Tell whether a fold has been trained and has predicted its documents."""
        return self.predictions_of(fold).is_file() and self.run(fold).state() == "finished"

    def check_content(self) -> None:
        """Refuse a folder of something else.

        Raises:
            ConfigError: it holds files, and no record of folds.
        """
        found = {path.name for path in self.path.iterdir()} - {LOCK}
        if found and not self.splits.is_file():
            raise ConfigError(f"{self.path}: expected a folder of a cross-validation, or none")

    def delete(self) -> None:
        """Remove all but the lock, which this process holds; the record goes last."""
        for path in self.path.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name not in (LOCK, SPLITS):
                path.unlink()
        self.splits.unlink(missing_ok=True)

    def divide(self, pool: Pool, folds: int, seed: int) -> Division:
        """Divide a pool into folds, or as the record says that they were divided before.

        Raises:
            ConfigError: the record is of other folds, another seed or another source.
            DataError: the pool is not what was divided, or cannot be.
        """
        shares = {name_fold(fold): 1 / folds for fold in range(1, folds + 1)}
        if not self.splits.is_file():
            drawn = divide(pool, shares, seed)
            drawn.write_record(self.path)
            return drawn
        record = SplitRecord.read(self.path)
        now = SplitRecord(pool.source, pool.reading, seed, shares, "", "", {})
        changed = "; ".join(describe_changes(describe(record), describe(now)))
        if changed:
            raise ConfigError(f"{self.path} holds other folds ({changed}); {AGAIN}")
        division = apply_record(pool, record)
        if record.content != division.content():
            raise DataError(f"{self.splits}: the marks of the data have changed since; {AGAIN}")
        return division

    def settings_of(self, settings: RunSettings, fold: int, labels: tuple[str, ...]) -> RunSettings:
        """Make the settings of a fold's run: it learns all other folds, and is scored on its own.

        Dev is what the settings say, a share of what is learned if it was one. An own test split is
        not looked at, and nothing is exported.

        Args:
            labels: the types of all documents, so that each fold has the same tags.
        """
        own = name_fold(fold)
        data: dict[str, Any] = {"train": f"{RUN}{self.path}:{WITHOUT}{own}"}
        data["test"] = f"{RUN}{self.path}:{own}"
        changed: dict[str, Any] = {"name": own, "runs_dir": str(self.path), "note": ""}
        changed["labels"] = labels
        changed["data"] = settings.data.model_copy(update=data)
        changed["export"] = settings.export.model_copy(update={"enabled": False})
        return settings.model_copy(update=changed)


def describe(record: SplitRecord) -> dict[str, Any]:
    """Collect what decides which document is of which fold."""
    reading = record.reading.model_dump(mode="json")
    values = {"folds": len(record.asked), "seed": record.seed, "data.train": record.source}
    return {**values, "data": reading}


def folder_of(settings: RunSettings) -> FoldsFolder:
    """Find the folder of a configuration's cross-validation: beside its run's."""
    run = settings.run_dir
    name = f"{run.name}-folds"
    path = run.with_name(name)
    return FoldsFolder(path)
