"""`python -m tfner.train CONFIG.yaml [key=value …]`: train, evaluate and export one model."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from tfner.commands import INTERRUPTED, make_callable, messages, output, run
from tfner.config import RunSettings, check_inputs, load_settings, resolve_settings, warn_unused
from tfner.formats.in_memory import is_source
from tfner.formats.reading import as_source
from tfner.quiet_tensorflow import load_tensorflow
from tfner.training.given_data import keep_given
from tfner.training.state.termination import terminable

if TYPE_CHECKING:
    from tfner.formats.in_memory import Data
    from tfner.training.run import Outcome

GIVEN = "given"  # stands for data until they are kept in a file

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
    config: str | os.PathLike[str] | Mapping[str, Any] | RunSettings,
    *overrides: str,
    train: Data | None = None,
    dev: Data | None = None,
    test: Data | None = None,
    overwrite: bool = False,
) -> Outcome:
    """Train a tagger, evaluate its best weights and export them: `tfner.train`.

    A run that was stopped goes on; `overwrite` deletes it and begins again.

    Args:
        config: a YAML file, or the same settings as a dict or as `tfner.Settings`.
        overrides: settings to replace, such as "training.epochs=5".
        train, dev, test: data in the place of those that the settings name: a list of Documents,
            dicts or spaCy Docs, a DataFrame, a Dataset, the name of a file, or for dev and test a
            share such as "10%". What a program holds is kept in `runs/NAME-data`.

    Returns: the run's folder, how it ended, the reports by split and the exported version.

    Raises:
        ConfigError: a setting is wrong, or the run folder holds a run with other settings.
        DataError: data cannot be read; `train[3]` is the row or record of number 3, from 0.
        ModelError, BusyError, DivergedError, StorageError: see tfner.training.run.train.
    """
    every = {"train": train, "dev": dev, "test": test}
    named = {split: data for split, data in every.items() if data is not None}
    given = {split: data for split, data in named.items() if not is_source(data)}
    sources: dict[str, Any] = dict.fromkeys(given, GIVEN)
    for split in named.keys() - given.keys():
        sources[split] = as_source(cast("Any", named[split]))
    settings, _ = resolve_settings(config, overrides, sources)
    settings = keep_given(settings, given)
    check_inputs(settings)
    warn_unused(settings)
    return carry_out(settings, overwrite=overwrite)


def carry_out(settings: RunSettings, *, overwrite: bool) -> Outcome:
    """Carry a run through; TensorFlow is imported here."""
    load_tensorflow()
    from tfner.training.run import train

    return train(settings, messages(), overwrite=overwrite)


make_callable(__name__, train_config)

if __name__ == "__main__":
    run(train)
