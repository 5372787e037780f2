"""`python -m tfner.train CONFIG.yaml [key=value …]`: train, evaluate and export one model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tfner.commands import INTERRUPTED, load_tensorflow, messages, output, run
from tfner.config import load_settings
from tfner.training.state.termination import terminable

HELP = "Train a tagger as CONFIG says, evaluate its best weights and export them."


def train(
    config: Annotated[Path, typer.Argument(help="YAML file with the settings of the run.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Settings to replace: training.epochs=5."),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on with an unfinished run, which is done without it too."
        ),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Delete the run of this name and begin again.")
    ] = False,
) -> None:
    """Train a tagger as CONFIG says, evaluate its best weights and export them."""
    settings = load_settings(config, overrides or ())
    with terminable():
        load_tensorflow()
        from tfner.training.run import train as carry_out

        outcome = carry_out(settings, messages(), overwrite=overwrite)
    console = output()
    for report in outcome.reports.values():
        report.print_table(console)
    console.print(f"run {outcome.state}: {outcome.folder.path}")
    if outcome.export:
        console.print(f"exported: {outcome.export}")
    if settings.note:
        console.print(settings.note)
    if outcome.state == "finished before":
        console.print(
            f"nothing to do: the report is {outcome.folder.report}; --overwrite trains again"
        )
    if outcome.state == "interrupted":
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    run(train)
