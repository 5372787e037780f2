"""`python -m tfner.cross_validate CONFIG.yaml --folds 5 [key=value …]`: score all of the data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tfner import commands
from tfner.commands import FOLDS, carry_out_folds, output, train_with_tensorflow
from tfner.config import load_settings
from tfner.training.folds.folder import FoldsFolder, folder_of


def cross_validate(
    config: Annotated[Path, typer.Argument(help="YAML file with the settings of the run.")],
    overrides: commands.Overrides = None,
    folds: commands.Folds = FOLDS,
    to: commands.FoldsTo = None,
    overwrite: commands.FoldsAgain = False,
) -> None:
    """Train a model a fold of data.train on the other folds; score each on what it has not learned.

    The same command goes on with one that was stopped.
    """
    settings = load_settings(config, overrides or ())
    folder = FoldsFolder(to) if to is not None else folder_of(settings)
    summary = carry_out_folds(settings, folder, folds, train_with_tensorflow, overwrite=overwrite)
    results = output()
    summary.print_table(results)
    results.print(f"predictions of all documents: {folder.predictions}")


if __name__ == "__main__":
    commands.run(cross_validate)
