"""Keep how two systems compare: as JSON, as a page and as a printed table."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tfner.documents import Entity
from tfner.evaluation.changes import Change, Changes
from tfner.evaluation.comparison import LEVEL, Comparison, F1Difference
from tfner.evaluation.learning_curve import LearningCurve
from tfner.evaluation.report.page import percent, render_comparison, signed
from tfner.evaluation.report.report import write_report
from tfner.evaluation.report.score_table import NO_INTERVAL, describe_undefined
from tfner.safeio.printable import one_line, printable

COLUMNS = ("gold", "A", "B", "B-A", f"{LEVEL:.0%} of draws", "B≤A", "p", "Holm")
STYLES = {"better": "green", "worse": "red", "different": "yellow"}


@dataclass(frozen=True, kw_only=True)
class ComparisonReport:
    """Hold a comparison with what it compares.

    Args:
        comparison: the scores and what the draws say of their difference.
        changes: the documents in which other entities were found.
        a, b: the names of the systems.
        curve_a, curve_b: how their trainings went, of run folders.
        data: the name of the documents, "" where it is the systems' own files.
        dropped: `Ledger.counts` of what was read, by its name.
        seconds: wall time of each step.
    """

    comparison: Comparison
    changes: Changes
    a: str
    b: str
    curve_a: LearningCurve | None = None
    curve_b: LearningCurve | None = None
    data: str = ""
    dropped: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Give what the JSON file holds: fractions in [0, 1], differences as B - A."""
        comparison = self.comparison
        values = comparison.to_dict()
        values["a"] = {"name": self.a, "entity": comparison.scores_a.to_dict()}
        values["b"] = {"name": self.b, "entity": comparison.scores_b.to_dict()}
        for name, curve in (("a", self.curve_a), ("b", self.curve_b)):
            if curve:
                values[name]["curve"] = curve.to_dict()
        values["changes"] = self.changes.to_dict()
        values["data"] = self.data
        values["dropped"] = {name: dict(counts) for name, counts in self.dropped.items()}
        values["seconds"] = dict(self.seconds)
        return values

    def write_json(self, path: str | os.PathLike[str]) -> None:
        """Write `to_dict()` as UTF-8; a reader sees the old file or the whole new one."""
        values = self.to_dict()
        content = json.dumps(values, ensure_ascii=False, indent=2)
        write_report(Path(path), f"{content}\n")

    def write_html(self, path: str | os.PathLike[str]) -> None:
        """Write the page: one file, nothing from outside, a script that filters the changes."""
        page = render_comparison(self.to_dict())
        write_report(Path(path), page)

    def print_table(self, console: Console) -> None:
        """Print a row for each type, what its columns mean, and the documents that changed."""
        say = partial(print_text, console)
        say(f"A: {self.a}")
        say(f"B: {self.b}")
        table = difference_table(self.comparison, self.data)
        console.print(table)
        for line in describe_draws(self.comparison):
            say(line, style="dim")
        say(describe_changes(self.changes))
        for change in self.changes.listed:
            for line, style in describe_change(change):
                say(line, style=style)
        for name, counts in self.dropped.items():
            if counts:
                say(describe_dropped(name, counts), style="yellow")


def print_text(console: Console, text: str, style: str = "") -> None:
    """Print a line: a label such as `[red]` in it is a label, not rich's markup."""
    shown = printable(text)
    console.print(Text(shown, style=style))


def difference_table(comparison: Comparison, title: str) -> Table:
    """Make the table that is printed, with a row for each type and one for all."""
    shown_title = Text(printable(title)) if title else None
    # Without borders: nine columns are to fit in 80 characters.
    table = Table(title=shown_title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("type", overflow="fold")
    for column in COLUMNS:
        table.add_column(column, justify="right", no_wrap=True)
    for name, difference in comparison.types.items():
        cells = difference_cells(name, difference)
        table.add_row(*cells)
    cells = difference_cells("micro", comparison.micro)
    table.add_row(*cells, style="bold")
    return table


def difference_cells(name: str, f1: F1Difference) -> list[Text]:
    """Write one row as Text objects: a label such as `[red]` is a label, not rich's markup."""
    cells = [printable(name), f"{f1.support:,}"]
    cells += [percent(f1.a), percent(f1.b)]
    cells.append(signed(f1.difference))
    cells.append(difference_bounds(f1))
    cells.append(NO_INTERVAL if f1.not_better is None else f"{f1.not_better:.1%}")
    cells.append(f"{f1.p:.4f}")
    if f1.p_holm is not None:
        cells.append(f"{f1.p_holm:.4f}")
    return list(map(Text, cells))


def difference_bounds(f1: F1Difference) -> str:
    """Write where a difference lay."""
    if f1.low is None or f1.high is None:
        return NO_INTERVAL
    low, high = signed(f1.low), signed(f1.high)
    return f"{low} to {high}"


def describe_draws(comparison: Comparison) -> list[str]:
    """Write what the columns of the table mean, as lines."""
    draws = f"{comparison.draws:,}"
    groups = f"{comparison.groups:,} documents"
    tested = f"{len(comparison.types)} that are tested together"
    lines = [f"{LEVEL:.0%} of draws: B-A in {draws} draws of {groups} with replacement"]
    lines.append("B≤A: share of these draws in which B is not better")
    either_way = "that differ as much, either way"
    lines.append(f"p: share of {draws} swaps of A and B by document {either_way}")
    lines.append(f"Holm: p of a type among {tested}")
    every = {"micro": comparison.micro, **comparison.types}
    if any(each.low is None for each in every.values()):
        lines.append(f"{NO_INTERVAL}: too few documents have such entities to say")
    drawn = {name: each.defined for name, each in every.items() if each.low is not None}
    lines += describe_undefined({name: comparison.draws - each for name, each in drawn.items()})
    if comparison.groups < comparison.documents:
        texts = f"{comparison.documents:,} texts"
        lines.append(f"{texts} are of {groups}, drawn as such")
    return lines


def describe_changes(changes: Changes) -> str:
    """Write how many documents changed.

    >>> counts = {"better": 61, "worse": 48, "different": 12, "same": 1888}
    >>> describe_changes(Changes(counts, ()))
    'Documents: 61 better, 48 worse, 12 different with as many errors, 1,888 the same'
    """
    counts = changes.counts
    named = [f"{counts['better']:,} better", f"{counts['worse']:,} worse"]
    named.append(f"{counts['different']:,} different with as many errors")
    named.append(f"{counts['same']:,} the same")
    shown = ", ".join(named)
    return f"Documents: {shown}"


def describe_change(change: Change) -> Iterator[tuple[str, str]]:
    """Write one document that changed, as lines with a style.

    They hold what stands in gold, A and B, where these do not agree.
    """
    before, after = change.errors
    yield "", ""
    heading = f"{change.direction}: {before} → {after} errors"
    yield f"{heading}  {change.document}", STYLES[change.direction]
    context = one_line(change.context)
    opening = "…" if change.offset else ""
    ending = "…" if change.cut_short else ""
    yield f"  {opening}{context}{ending}", ""
    for name, entities in (("gold", change.gold), ("A", change.a), ("B", change.b)):
        described = map(describe_entity, entities)
        found = ", ".join(described)
        yield f"  {name:<5}{found or '-'}", ""


def describe_entity(entity: Entity) -> str:
    """Write an entity as one line.

    >>> describe_entity(Entity(0, 8, "LOC", text="New York"))
    'LOC [New York]'
    """
    text = one_line(entity.text)
    return f"{entity.label} [{text}]"


def describe_dropped(name: str, counts: Mapping[str, int]) -> str:
    """Write what was dropped or repaired when a source was read.

    >>> describe_dropped("dev.conll", {"repaired": 2, "unknown_label": 1})
    'Dropped from dev.conll: 2 repaired, 1 unknown label'
    """
    named = []
    for reason, count in counts.items():
        words = reason.replace("_", " ")
        named.append(f"{count:,} {words}")
    dropped = ", ".join(named)
    return f"Dropped from {name}: {dropped}"
