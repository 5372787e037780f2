"""Keep what `inspect` finds in a corpus: as a printed text and as a page."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from tfner.corpus.statistics import CorpusStatistics, size_rows, type_rows
from tfner.corpus.verdicts.verdict import SEVERITIES, Verdict, count_of
from tfner.evaluation.report.page import render_corpus
from tfner.evaluation.report.report import write_report
from tfner.safeio.printable import printable

STYLES = {"error": "bold red", "warning": "bold yellow", "hint": "bold cyan"}


@dataclass(frozen=True, kw_only=True)
class CorpusReport:
    """Hold the statistics and the verdicts of a corpus.

    Args:
        verdicts: the worst first.
        training: what the settings will do with it, as a line; "" where there are none.
    """

    statistics: CorpusStatistics
    verdicts: Sequence[Verdict]
    training: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Make plain dicts and lists: what the page shows."""
        splits = self.statistics.splits
        verdicts = [{**asdict(each), "sentence": each.sentence} for each in self.verdicts]
        for values, verdict in zip(verdicts, self.verdicts, strict=True):
            values["cases"] = [case._asdict() for case in verdict.cases]
        return {
            "splits": list(splits),
            "sizes": size_rows(splits),
            "types": type_rows(splits),
            "counts": count_severities(self.verdicts),
            "verdicts": verdicts,
            "training": self.training,
        }

    def write_html(self, path: str | os.PathLike[str]) -> None:
        """Write the page: one file, nothing from outside, no script."""
        page = render_corpus(self.to_dict())
        write_report(Path(path), page)

    def print_table(self, console: Console) -> None:
        """Print the statistics, then the verdicts, the worst first."""
        self.statistics.print_table(console)
        if self.training:
            console.print(Text(self.training))
        console.print(Text(describe_severities(self.verdicts), style="bold"))
        for verdict in self.verdicts:
            line = Text(f"{verdict.severity}: ", style=STYLES[verdict.severity])
            said = printable(f"{verdict.sentence}. {verdict.advice}")
            line.append(said, style="not bold default")
            console.print(line)

    def print_cases(self, console: Console) -> None:
        """Print a line for each case that is kept: the verdict, what it is, and where."""
        for verdict in self.verdicts:
            for case in verdict.cases:
                where = ", ".join(case.where)
                line = printable(f"{verdict.name}\t{case.what}\t{where}")
                console.print(line, markup=False)


def count_severities(verdicts: Sequence[Verdict]) -> dict[str, int]:
    """Count the verdicts of each severity, the worst first."""
    counts = Counter(verdict.severity for verdict in verdicts)
    return {severity: counts[severity] for severity in SEVERITIES}


def describe_severities(verdicts: Sequence[Verdict]) -> str:
    """Sum up verdicts in a line.

    >>> describe_severities([])
    'verdicts: none'
    """
    counts = count_severities(verdicts)
    named = [count_of(count, severity) for severity, count in counts.items() if count]
    return f"verdicts: {', '.join(named) or 'none'}"
