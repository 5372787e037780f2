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
from tfner.training.search.space import SearchSpace
from tfner.training.state.run_folder import RunFolder

SHOWN = 10  # trials of the table
CAUTION = (
    "The best dev F1 of many is the best by luck too: expect less on other text.",
    "Before you trust it, train it with several seeds (seed=2 name=…) beside what you had.",
)
WHERE_NOTHING_WAS_LEARNED = (
    "Try more epochs (training.epochs=20), more sentences to train on, or another encoder."
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
        if best is not None and best.f1:
            text = best_yaml(folder, space, records, best)
            write_text_whole(folder.best, text)
        name = space.base.name
        page = render(name, records, importance, space.logarithmic())
        write_text_whole(folder.page, page)
        for record in records:
            remove_checkpoints(folder, record, is_best=record is best)


def best_yaml(
    folder: SearchFolder, space: SearchSpace, records: Sequence[TrialRecord], best: TrialRecord
) -> str:
    """Write the best configuration as YAML that `tfner.train` runs, and what it may be worth."""
    command = f"python -m tfner.train {folder.best}"
    found = f"Dev F1 {percent(best.f1)}, trial {best.number} of {len(records)}"
    base = base_of(records)
    if base is not None:
        found += f"; the configuration as it stood: {percent(base.f1)}"
    text = ""
    for line in (command, "", f"{found}.", *CAUTION):
        comment = f"# {line}"
        text += comment.rstrip() + "\n"
    settings = best_settings(space, best)
    return text + settings.to_yaml()


def best_settings(space: SearchSpace, best: TrialRecord) -> RunSettings:
    """Make the configuration of the best trial, of a name of its own."""
    settings = space.base
    if not best.is_base:
        settings = space.settings(best.settings)
    name = f"{settings.name}-best"
    return settings.model_copy(update={"name": name})


def remove_checkpoints(folder: SearchFolder, record: TrialRecord, *, is_best: bool) -> None:
    """Remove a trial's checkpoints; of the best alone the weights stay, from which it is exported.

    The states to go on from are of no use to a trial that has ended.
    """
    name = number_folder(record.number)
    run = RunFolder(folder.trials / name)
    useless = run.last.parent
    if is_best:
        useless = run.last
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
    top = ranked(records)[:SHOWN]
    console.print(make_table(top))
    if not best.f1:
        console.print(f"nothing was learned: no trial has a dev F1 above {percent(0.0)}")
        console.print(WHERE_NOTHING_WAS_LEARNED)
        console.print(f"all trials: {folder.page}")
        return
    if importance:
        shares = [f"{key} {share:.0%}" for key, share in importance.items()]
        listed = ", ".join(shares)
        console.print(f"what mattered: {listed}")
    result = f"best: trial {best.number}, dev F1 {percent(best.f1)}"
    base = base_of(records)
    if base is not None:
        result += f", {percent(base.f1)} as the configuration stood"
    console.print(result)
    console.print(f"its configuration: {folder.best}")
    name = number_folder(best.number)
    console.print(f"its run: {folder.trials / name}")
    console.print(f"all trials: {folder.page}")
    for line in CAUTION:
        console.print(line)


def print_under_way(console: Console, numbers: Sequence[int]) -> None:
    """Say which trials are missing from the results because other processes still train them."""
    if not numbers:
        return
    listed = ", ".join(map(str, numbers))
    what, end = f"trial {listed} is", "it has ended"
    if len(numbers) > 1:
        what, end = f"trials {listed} are", "they have ended"
    again = f"the same command shows all once {end}"
    console.print(f"{what} under way in another process and not counted here: {again}")


def make_table(records: Sequence[TrialRecord]) -> Table:
    """Make a table with a line a trial."""
    table = Table(box=None, pad_edge=False)
    first = records[0]
    names = list(first.settings)
    for name in ("trial", "dev F1", "seconds", *names):
        table.add_column(name, justify="right", overflow="fold")
    for record in records:
        number = str(record.number)
        if record.is_base:
            number += " (as it stood)"
        score = percent(record.f1)
        cells = [number, score, f"{record.seconds:.3g}"]
        for name in names:
            value = plain(record.settings[name])
            cells.append(printable(value))
        texts = map(Text, cells)
        table.add_row(*texts)
    return table
