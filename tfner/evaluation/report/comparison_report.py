"""Keep how two systems compare: as JSON, as a page and as a printed table."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tfner.documents import Entity
from tfner.evaluation.changes import Change, Changes
from tfner.evaluation.comparison import LEVEL, Comparison, F1Difference
from tfner.evaluation.report.page import percent, render_comparison, signed
from tfner.evaluation.report.report import write_report
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
        data: the name of the documents, "" where it is the systems' own files.
        dropped: `Ledger.counts` of what was read, by its name.
        seconds: wall time of each step.
    """

    comparison: Comparison
    changes: Changes
    a: str
    b: str
    data: str = ""
    dropped: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Give what the JSON file holds: fractions in [0, 1], differences as B - A."""
        scores_a, scores_b = self.comparison.scores_a, self.comparison.scores_b
        systems = {
            "a": {"name": self.a, "entity": scores_a.to_dict()},
            "b": {"name": self.b, "entity": scores_b.to_dict()},
        }
        dropped = {name: dict(counts) for name, counts in self.dropped.items()}
        about = {"data": self.data, "dropped": dropped, "seconds": dict(self.seconds)}
        return {**systems, **self.comparison.to_dict(), "changes": self.changes.to_dict(), **about}

    def write_json(self, path: str | os.PathLike[str]) -> None:
        """Write `to_dict()` as UTF-8; a reader sees the old file or the whole new one."""
        content = json.dumps(self.to_dict(), ensure_ascii=False, indent=2)
        write_report(Path(path), content + "\n")

    def write_html(self, path: str | os.PathLike[str]) -> None:
        """Write the page: one file, nothing from outside, no script."""
        write_report(Path(path), render_comparison(self.to_dict()))

    def print_table(self, console: Console) -> None:
        """Print a row for each type, what its columns mean, and the documents that changed."""
        console.print(Text(f"A: {printable(self.a)}\nB: {printable(self.b)}"))
        console.print(difference_table(self.comparison, self.data))
        console.print(Text(describe_draws(self.comparison), style="dim"))
        console.print(Text(describe_changes(self.changes)))
        for change in self.changes.listed:
            print_change(change, console)
        for name, counts in self.dropped.items():
            named = [f"{count:,} {reason.replace('_', ' ')}" for reason, count in counts.items()]
            if named:
                dropped = f"Dropped from {printable(name)}: {', '.join(named)}"
                console.print(Text(dropped, style="yellow"))


def difference_table(comparison: Comparison, title: str) -> Table:
    """Make the table that is printed, with a row for each type and one for all."""
    shown_title = Text(printable(title)) if title else None
    # Without borders: eight columns of numbers are to fit in 80 characters.
    table = Table(title=shown_title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("type", overflow="fold")
    for column in COLUMNS:
        table.add_column(Text(column), justify="right", no_wrap=True)
    for name, difference in comparison.types.items():
        table.add_row(*difference_cells(name, difference))
    table.add_row(*difference_cells("micro", comparison.micro), style="bold")
    return table


def difference_cells(name: str, difference: F1Difference) -> list[Text]:
    """Write one row as Text objects: a label such as `[red]` is a label, not rich's markup."""
    a, b, support, low, high, not_better, p, p_holm = difference
    interval = f"{signed(low)} to {signed(high)}"
    cells = [printable(name), f"{support:,}", percent(a), percent(b), signed(b - a), interval]
    cells += [f"{not_better:.1%}", f"{p:.4f}", "" if p_holm is None else f"{p_holm:.4f}"]
    return [Text(cell) for cell in cells]


def describe_draws(comparison: Comparison) -> str:
    """Write what the columns of the table mean."""
    draws, groups = f"{comparison.draws:,}", f"{comparison.groups:,}"
    lines = [
        f"{LEVEL:.0%} of draws: B-A in {draws} draws of {groups} documents with replacement",
        "B≤A: share of these draws in which B is not better",
        f"p: share of {draws} swaps of A and B by document that differ as much, either way",
        f"Holm: p of a type among {len(comparison.types)} that are tested together",
    ]
    if comparison.groups < comparison.documents:
        lines.append(f"{comparison.documents:,} texts are of {groups} documents, drawn as such")
    return "\n".join(lines)


def describe_changes(changes: Changes) -> str:
    """Write how many documents changed.

    >>> counts = {"better": 61, "worse": 48, "different": 12, "same": 1888}
    >>> describe_changes(Changes(counts, ()))
    'Documents: 61 better, 48 worse, 12 different with as many errors, 1,888 the same'
    """
    counts = {verdict: f"{count:,}" for verdict, count in changes.counts.items()}
    changed = f"{counts['better']} better, {counts['worse']} worse"
    others = f"{counts['different']} different with as many errors, {counts['same']} the same"
    return f"Documents: {changed}, {others}"


def print_change(change: Change, console: Console) -> None:
    """Print one document that changed: what stands in gold, A and B, where they do not agree."""
    errors = change.errors
    heading = f"{change.verdict}: {errors.a} → {errors.b} errors"
    console.print(Text(f"\n{heading}  {printable(change.document)}", style=STYLES[change.verdict]))
    before, behind = "…" if change.offset else "", "…" if change.cut_short else ""
    console.print(Text(f"  {before}{one_line(change.context)}{behind}"))
    for name, entities in (("gold", change.gold), ("A", change.a), ("B", change.b)):
        found = ", ".join(map(describe_entity, entities)) or "-"
        console.print(Text(f"  {name:<5}{found}"))


def describe_entity(entity: Entity) -> str:
    """Write an entity as one line.

    >>> describe_entity(Entity(0, 8, "LOC", text="New York"))
    'LOC [New York]'
    """
    return f"{printable(entity.label)} [{one_line(entity.text)}]"
