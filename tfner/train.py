"""`python -m tfner.train CONFIG.yaml [key=value …]`: train, evaluate and export one model."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tfner.commands import INTERRUPTED, load_tensorflow, make_callable, messages, output, run
from tfner.config import RunSettings, load_settings
from tfner.training.state.termination import terminable

if TYPE_CHECKING:
    from tfner.training.run import Outcome

RESUME_HELP = "Go on with an unfinished run, which is done without it too."
OVERWRITE_HELP = "Delete the run of this name and begin again."
OVERRIDES_HELP = "Settings to replace: training.epochs=5."
Config = Annotated[Path, typer.Argument(help="YAML file with the settings of the run.")]
Override = typer.Argument(metavar="[KEY=VALUE]...", help=OVERRIDES_HELP)
Overrides = Annotated[list[str] | None, Override]


def train(
    config: Config,
    overrides: Overrides = None,
    resume: Annotated[bool, typer.Option("--resume", help=RESUME_HELP)] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help=OVERWRITE_HELP)] = False,
) -> None:
    """Train a tagger as CONFIG says, evaluate its best weights and export them."""
    settings = load_settings(config, overrides or ())
    with terminable():
        outcome = carry_out(settings, overwrite=overwrite)
    console = output()
    for report in outcome.reports.values():
        report.print_table(console)
    console.print(f"run {outcome.state}: {outcome.folder.path}")
    if outcome.export:
        console.print(f"exported: {outcome.export}")
    if settings.note:
        console.print(settings.note)
    if outcome.state == "finished before":
        path = outcome.folder.report
        console.print(f"nothing to do: the report is {path}; --overwrite trains again")
    if outcome.state == "interrupted":
        sys.exit(INTERRUPTED)


def train_config(
    config: str | os.PathLike[str], *overrides: str, overwrite: bool = False
) -> Outcome:
    """Train a tagger as a YAML file says, evaluate its best weights and export them: `tfner.train`.

    `overrides` are settings to replace, such as "training.epochs=5". A run that was stopped goes
    on; `overwrite` deletes it and begins again.

    Returns: the run's folder, how it ended, the reports by split and the exported version.

    Raises:
        ConfigError: a setting is wrong, or the run folder holds a run with other settings.
        DataError, ModelError, BusyError, DivergedError, StorageError: see tfner.training.run.train.
    """
    return carry_out(load_settings(Path(config), overrides), overwrite=overwrite)


def carry_out(settings: RunSettings, *, overwrite: bool) -> Outcome:
    """Carry a run through; TensorFlow is imported here."""
    load_tensorflow()
    from tfner.training.run import train

    return train(settings, messages(), overwrite=overwrite)


make_callable(__name__, train_config)

if __name__ == "__main__":
    run(train)
