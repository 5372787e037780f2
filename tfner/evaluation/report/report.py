"""The outcome of an evaluation: kept as JSON, shown as a page and printed as a table."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tfner.evaluation.errors import ErrorAnalysis
from tfner.evaluation.report.page import percent, render
from tfner.evaluation.scores import EntityScores, Score
from tfner.safeio.printable import printable


@dataclass(frozen=True, kw_only=True)
class Report:
    """Scores with all that is needed to judge them.

    Args:
        scores: counts over all evaluated documents.
        name: the settings' name; `split` names the data that was evaluated.
        dropped: `Ledger.counts` of each split, by the split's name.
        seconds: wall time of each step.
        versions: of the packages that took part.
        errors: the kinds of mistakes, with examples.
        slices: scores of named subsets of the documents.
        splits: scores of the other splits of the same run.
        documents, units: how many were evaluated.
    """

    scores: EntityScores
    name: str = ""
    split: str = ""
    dropped: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    errors: ErrorAnalysis | None = None
    slices: Mapping[str, EntityScores] = field(default_factory=dict)
    splits: Mapping[str, EntityScores] = field(default_factory=dict)
    documents: int | None = None
    units: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """What `report.json` holds; `data` sums what was dropped over the splits, what is unknown is left out."""
        known = {
            "name": self.name,
            "split": self.split,
            "documents": self.documents,
            "units": self.units,
            "slices": {name: scores.to_dict() for name, scores in self.slices.items()},
            "splits": {name: scores.to_dict() for name, scores in self.splits.items()},
            "errors": self.errors.to_dict() if self.errors else None,
        }
        return {
            "entity": self.scores.to_dict(),
            "data": self.total_dropped(),
            "data_by_split": {split: dict(counts) for split, counts in self.dropped.items()},
            "seconds": {step: float(value) for step, value in self.seconds.items()},
            "versions": dict(self.versions),
            **{key: value for key, value in known.items() if value not in (None, "", {})},
        }

    def total_dropped(self) -> dict[str, int]:
        """Losses by reason over all splits."""
        total: Counter[str] = Counter()
        for counts in self.dropped.values():
            total.update(counts)
        return dict(total)

    def write_json(self, path: str | os.PathLike[str]) -> None:
        """Write `to_dict()` as UTF-8; a reader sees the old file or the whole new one."""
        write_atomically(
            Path(path), json.dumps(self.to_dict(), ensure_ascii=False, indent=2) + "\n"
        )

    def write_html(self, path: str | os.PathLike[str]) -> None:
        """Write the page: one file, nothing from outside, no script."""
        write_atomically(Path(path), render(self.to_dict()))

    def print_table(self, console: Console) -> None:
        """Print a row for each type, the averages, and what was lost in the data."""
        console.print(_score_table(self.scores, self.split))
        for name, scores in self.slices.items():
            console.print(
                Text(
                    f"{printable(name)}: micro F1 {percent(scores.micro.f1)} on {scores.micro.support:,} entities"
                )
            )
        dropped = ", ".join(
            f"{count:,} {reason.replace('_', ' ')}" for reason, count in self.total_dropped().items()
        )
        console.print(
            Text(f"Dropped from the data: {dropped or 'none'}", style="yellow" if dropped else "dim")
        )


def write_atomically(path: Path, content: str) -> None:
    """Write beside the file, then take its place, so that a crash leaves no half file; makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        # A lone surrogate has no UTF-8; written as \udc80 it is right in JSON and legible in a page.
        temporary.write_text(content, encoding="utf-8", errors="backslashreplace", newline="\n")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _score_table(scores: EntityScores, title: str) -> Table:
    table = Table(
        title=Text(printable(title)) if title else None, header_style="bold", title_justify="left"
    )
    table.add_column("type")
    for column in ("precision", "recall", "F1", "support"):
        table.add_column(column, justify="right")
    for name, score in scores.types.items():
        table.add_row(*_cells(name, score))
    table.add_section()
    table.add_row(*_cells("micro", scores.micro), style="bold")
    table.add_row(*_cells("macro", scores.macro))
    return table


def _cells(name: str, score: Score) -> tuple[Text, ...]:
    """Text objects: a label such as `[red]` is a label, not rich's markup."""
    return (
        Text(printable(name)),
        *(Text(percent(value)) for value in score[:3]),
        Text(f"{score.support:,}"),
    )
