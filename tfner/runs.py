"""`python -m tfner.runs [runs/]`: the runs in a folder, how far they have come, and where they were exported."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tfner.commands import output, run
from tfner.safeio.printable import printable
from tfner.training.state.run_list import RunFacts, list_runs

COLOURS = {"running": "cyan", "finished": "green", "damaged": "red"}
PIPED_WIDTH = 240  # columns, so that no line of a table is broken


def runs(
    folder: Annotated[
        Path, typer.Argument(metavar="RUNS", help="Folder of runs, or one run's.")
    ] = Path("runs"),
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="Print a JSON array with an object for each run, with more facts."
        ),
    ] = False,
) -> None:
    """List the runs in a folder: state, epochs, best F1, time, and where they were exported. Loads no TensorFlow."""
    found = list_runs(folder)
    if as_json:
        print(json.dumps([asdict(facts) for facts in found], indent=2))
        return
    console = output()
    if not console.is_terminal:
        console = Console(width=PIPED_WIDTH, highlight=False)
    print_table(found, console)


def print_table(found: list[RunFacts], console: Console) -> None:
    """A line a run, then what is wrong with those that are damaged."""
    if not found:
        console.print("no runs")
        return
    table = Table(box=None, pad_edge=False)
    for name in ("run", "state", "epochs", "best F1", "F1", "time", "changed", "exported"):
        table.add_column(
            name,
            justify="right" if name in ("epochs", "best F1", "F1", "time") else "left",
            overflow="fold",
        )
    for facts in found:
        table.add_row(*map(Text, cells(facts)), style=COLOURS.get(facts.state))
    console.print(table)
    for facts in found:
        for problem in facts.problems:
            console.print(Text(printable(f"{facts.name}: {problem}"), style="red"))


def cells(facts: RunFacts) -> list[str]:
    """What the table says of a run."""
    split = f" ({facts.split})" if facts.split else ""
    changed = datetime.fromisoformat(facts.changed).astimezone() if facts.changed else None
    time = None if facts.seconds is None else timedelta(seconds=round(facts.seconds))
    return [
        printable(facts.name),
        facts.state,
        place(facts),
        percent(facts.best_f1),
        f"{percent(facts.f1)}{split}",
        "" if time is None else str(time),
        f"{changed:%Y-%m-%d %H:%M}" if changed else "",
        printable(relative(facts.exported)) + (" (gone)" if facts.exported_exists is False else ""),
    ]


def place(facts: RunFacts) -> str:
    """Epochs done of all; of a run that has not ended also the step of the next epoch that it goes on from."""
    of_all = f"{facts.epochs_done}/{facts.epochs}" if facts.epochs is not None else ""
    epoch, step = facts.saved or (0, 0)
    goes_on_inside = (
        step and epoch >= facts.epochs_done and facts.state not in ("finished", "damaged")
    )
    return f"{of_all} + {step} steps" if goes_on_inside else of_all


def percent(f1: float | None) -> str:
    return "" if f1 is None else f"{100 * f1:.2f}"


def relative(path: str | None) -> str:
    """From here, where that is shorter."""
    if path is None:
        return ""
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path


if __name__ == "__main__":
    run(runs)
