"""`python -m tfner.cross_validate CONFIG.yaml --folds 5 [key=value …]`: score all of the data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tfner.commands import messages, output, run
from tfner.config import RunSettings, load_settings
from tfner.exceptions import Terminated
from tfner.quiet_tensorflow import load_tensorflow
from tfner.training.folds.cross_validation import HeldOut
from tfner.training.folds.cross_validation import cross_validate as carry_out
from tfner.training.folds.folder import FoldsFolder, folder_of
from tfner.training.search.progress import said_once
from tfner.training.state.termination import terminable

FOLDS = 5
FOLDS_HELP = "Folds that the training data are divided into, a run each."
TO_HELP = "Folder for the runs and the predictions; by default runs/NAME-folds."
OVERWRITE_HELP = "Delete the cross-validation in this folder and begin again."
OVERRIDES_HELP = "Settings to replace: training.epochs=5."
OVERRIDES = typer.Argument(metavar="[KEY=VALUE]...", help=OVERRIDES_HELP)
To = Annotated[Path | None, typer.Option("--to", metavar="FOLDER", help=TO_HELP)]


def cross_validate(
    config: Annotated[Path, typer.Argument(help="YAML file with the settings of the run.")],
    overrides: Annotated[list[str] | None, OVERRIDES] = None,
    folds: Annotated[int, typer.Option("--folds", min=2, help=FOLDS_HELP)] = FOLDS,
    to: To = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help=OVERWRITE_HELP)] = False,
) -> None:
    """Train a model a fold of data.train on the other folds; score each on what it has not learned.

    The same command goes on with one that was stopped.
    """
    settings = load_settings(config, overrides or ())
    folder = folder_of(settings)
    if to is not None:
        folder = FoldsFolder(to)
    goes_on = f"{folder.path}: the same command goes on"
    console = messages()
    try:
        with terminable(), said_once():
            summary = carry_out(
                settings, folder, folds, console, train_with_tensorflow, overwrite=overwrite
            )
    except KeyboardInterrupt:
        console.print(f"interrupted: {goes_on}")
        raise
    except Terminated as stopped:
        reason = str(stopped)
        raise Terminated(reason or goes_on) from None
    results = output()
    summary.print_table(results)
    results.print(f"predictions of all documents: {folder.predictions}")


def train_with_tensorflow(settings: RunSettings, held_out: HeldOut, folder: FoldsFolder) -> None:
    """Train one fold; TensorFlow is imported here, before the first."""
    load_tensorflow()
    from tfner.training.folds.train_fold import train_fold

    console = messages()
    train_fold(settings, held_out, folder, console)


if __name__ == "__main__":
    run(cross_validate)
