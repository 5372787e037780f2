"""`python -m tfner.runs [runs/]`: list the runs in a folder and how far they have come."""

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
from tfner.training.state.run_list import RunSummary, list_runs

COLOURS = {"running": "cyan", "finished": "green", "damaged": "red"}
COLUMNS = ("run", "state", "epochs", "best F1", "F1", "time", "changed", "exported")
NUMBERS = ("epochs", "best F1", "F1", "time")
JSON_HELP = "Print a JSON array with an object for each run; it has more."
RUNS_HELP = "Folder of runs, or one run's."
RUNS = Path("runs")
PIPED_WIDTH = 240  # columns, so that no line of a table is broken


def runs(
    folder: Annotated[Path, typer.Argument(metavar="RUNS", help=RUNS_HELP)] = RUNS,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """List the runs in a folder: state, epochs, best F1, time, and where they were exported."""
    found = list_runs(folder)
    if as_json:
        print(json.dumps([asdict(each) for each in found], indent=2))
        return
    console = output()
    if not console.is_terminal:
        console = Console(width=PIPED_WIDTH, highlight=False)
    print_table(found, console)


def print_table(found: list[RunSummary], console: Console) -> None:
    """Print a line a run, then what is wrong with those that are damaged."""
    if not found:
        console.print("no runs")
        return
    table = Table(box=None, pad_edge=False)
    for name in COLUMNS:
        table.add_column(name, justify="right" if name in NUMBERS else "left", overflow="fold")
    for each in found:
        table.add_row(*map(Text, cells(each)), style=COLOURS.get(each.state))
    console.print(table)
    for each in found:
        for problem in each.problems:
            console.print(Text(printable(f"{each.name}: {problem}"), style="red"))


def cells(run: RunSummary) -> list[str]:
    """Format a run's cells of the table, in the order of COLUMNS."""
    f1 = percent(run.f1)
    split = f" ({run.split})" if run.split else ""
    changed = datetime.fromisoformat(run.changed).astimezone() if run.changed else None
    exported = printable(relative(run.exported))
    gone = " (gone)" if run.exported_exists is False else ""
    spent = "" if run.seconds is None else str(timedelta(seconds=round(run.seconds)))
    when = f"{changed:%Y-%m-%d %H:%M}" if changed else ""
    scores = [percent(run.best_f1), f"{f1}{split}"]
    name = printable(run.name)
    return [name, run.state, progress(run), *scores, spent, when, f"{exported}{gone}"]


def progress(run: RunSummary) -> str:
    """Tell epochs done of all, and the step of the next one that the run goes on from."""
    done = str(run.epochs_done or "")
    of_all = f"{run.epochs_done}/{run.epochs}" if run.epochs is not None else done
    epoch, step = run.saved or (0, 0)
    inside = step > 0 and epoch >= run.epochs_done
    goes_on = run.state not in ("finished", "damaged")
    return f"{of_all} + {step} steps" if inside and goes_on else of_all


def percent(f1: float | None) -> str:
    return "" if f1 is None else f"{100 * f1:.2f}"


def relative(path: str | None) -> str:
    """Shorten a path below the working directory."""
    if path is None:
        return ""
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path


if __name__ == "__main__":
    run(runs)
