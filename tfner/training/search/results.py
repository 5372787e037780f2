"""Write what a search has found: the best configuration, the page; print the table.

Checkpoints of all trials but the best are removed, as they are most of what a run keeps.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tfner.config import RunSettings
from tfner.safeio.printable import printable
from tfner.safeio.whole_files import write_text_whole
from tfner.training.search.folder import SearchFolder
from tfner.training.search.page import render
from tfner.training.search.progress import percent, plain
from tfner.training.search.records import TrialRecord, base_of, best_of, number_folder, ranked
from tfner.training.search.space import Numbers, SearchSpace
from tfner.training.state.run_folder import RunFolder

SHOWN = 10  # trials of the table
CAUTION = (
    "The best dev F1 of many is the best by luck too: expect less on other text.",
    "Before you trust it, train it with several seeds (seed=2 name=…) beside what you had.",
)


def write_results(
    folder: SearchFolder,
    space: SearchSpace,
    records: Sequence[TrialRecord],
    importance: Mapping[str, float] | None,
) -> None:
    """Write the best configuration and the page, and remove checkpoints that nobody needs."""
    best = best_of(records)
    with folder.one_at_a_time():
        if best is not None:
            write_text_whole(folder.best, best_yaml(folder, space, records, best))
        numbers = {key: each for key, each in space.dimensions.items() if isinstance(each, Numbers)}
        logarithmic = {key for key, each in numbers.items() if each.log}
        page = render(space.base.name, records, importance, logarithmic)
        write_text_whole(folder.page, page)
        for record in records:
            remove_checkpoints(folder, record, is_best=record is best)


def best_yaml(
    folder: SearchFolder, space: SearchSpace, records: Sequence[TrialRecord], best: TrialRecord
) -> str:
    """Write the best configuration as YAML that `tfner.train` runs, and what it may be worth."""
    base = base_of(records)
    before = f"; the configuration as it stood: {percent(base.f1)}" if base else ""
    found = f"Dev F1 {percent(best.f1)}, trial {best.number} of {len(records)}{before}."
    lines = [f"python -m tfner.train {folder.best}", "", found, *CAUTION]
    comments = "".join(f"# {line}".rstrip() + "\n" for line in lines)
    return comments + best_settings(space, best).to_yaml()


def best_settings(space: SearchSpace, best: TrialRecord) -> RunSettings:
    """Make the configuration of the best trial, of a name of its own."""
    settings = space.base if best.is_base else space.settings(best.settings)
    return settings.model_copy(update={"name": f"{settings.name}-best"})


def remove_checkpoints(folder: SearchFolder, record: TrialRecord, *, is_best: bool) -> None:
    """Remove a trial's checkpoints; of the best alone the weights stay, from which it is exported.

    The states to go on from are of no use to a trial that has ended.
    """
    run = RunFolder(folder.trials / number_folder(record.number))
    useless = run.last if is_best else run.last.parent
    shutil.rmtree(useless, ignore_errors=True)


def print_results(
    console: Console,
    folder: SearchFolder,
    records: Sequence[TrialRecord],
    importance: Mapping[str, float] | None,
) -> None:
    """Print the best trials, what mattered, and where everything is."""
    best = best_of(records)
    if best is None:
        console.print(f"no trial has finished: {folder.path}")
        return
    console.print(make_table(ranked(records)[:SHOWN]))
    if importance:
        shares = ", ".join(f"{key} {share:.0%}" for key, share in importance.items())
        console.print(f"what mattered: {shares}")
    base = base_of(records)
    gain = f", {percent(base.f1)} as the configuration stood" if base else ""
    console.print(f"best: trial {best.number}, dev F1 {percent(best.f1)}{gain}")
    console.print(f"its configuration: {folder.best}")
    console.print(f"its run: {folder.trials / number_folder(best.number)}")
    console.print(f"all trials: {folder.page}")
    for line in CAUTION:
        console.print(line)


def make_table(records: Sequence[TrialRecord]) -> Table:
    """Make a table with a line a trial."""
    table = Table(box=None, pad_edge=False)
    names = list(records[0].settings)
    for name in ("trial", "dev F1", "seconds", *names):
        table.add_column(name, justify="right", overflow="fold")
    for record in records:
        number = f"{record.number} (as it stood)" if record.is_base else str(record.number)
        values = [printable(plain(record.settings[name])) for name in names]
        cells = [number, percent(record.f1), f"{record.seconds:.3g}", *values]
        table.add_row(*map(Text, cells))
    return table
