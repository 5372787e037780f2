"""A configuration to cross-validate, and what a trained fold leaves, without training it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import tiny
import yaml

from tfner.training.folds.out_of_fold import OutOfFold, write_predictions


def write_run(home: Path, name: str = "run.yaml", **data: str) -> None:
    """Write a configuration of the run `mine` on `train.conll`."""
    values = {"name": "mine", "encoder": {"checkpoint": str(tiny.checkpoint())}}
    values["data"] = {"train": "train.conll", **data}
    (home / name).write_text(yaml.safe_dump(values))


def finish_fold(settings, held_out, folder, predictions: Iterable[OutOfFold]) -> None:
    """Write what a fold that is trained leaves in the folder of its cross-validation."""
    run = folder.run(held_out.fold)
    run.path.mkdir(exist_ok=True)
    run.config.write_text(settings.to_yaml())
    run.report.write_text("{}")
    write_predictions(folder.predictions_of(held_out.fold), predictions)
