"""Print scores as a table, with where their F1 lay in draws of the documents."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table
from rich.text import Text

from tfner.evaluation.intervals import SAMPLES, Interval, Intervals
from tfner.evaluation.report.page import percent
from tfner.evaluation.resampling import LEVEL
from tfner.evaluation.scores import EntityScores, Score
from tfner.safeio.printable import printable

DRAWS = f"{LEVEL:.0%} of draws"
NO_INTERVAL = "–"


def score_table(scores: EntityScores, title: str, intervals: Intervals | None = None) -> Table:
    """Make the table that is printed, with a row for each type and two averages.

    Where there are intervals it has a column of those of F1.
    """
    shown = intervals if intervals and not intervals.no_interval else None
    shown_title = Text(printable(title)) if title else None
    table = Table(title=shown_title, header_style="bold", title_justify="left")
    table.add_column("type", overflow="fold")
    for column in ("precision", "recall", "F1"):
        table.add_column(column, justify="right")
    if shown:
        table.add_column(DRAWS, justify="right", no_wrap=True)
    table.add_column("support", justify="right")
    for name, score in scores.types.items():
        drawn = [between(shown.types[name]["f1"])] if shown else []
        table.add_row(*score_cells(name, score, drawn))
    table.add_section()
    drawn = [between(shown.micro["f1"])] if shown else []
    table.add_row(*score_cells("micro", scores.micro, drawn), style="bold")
    table.add_row(*score_cells("macro", scores.macro, [""] if shown else []))
    return table


def score_cells(name: str, score: Score, drawn: list[str]) -> list[Text]:
    """Write one row as Text objects: a label such as `[red]` is a label, not rich's markup."""
    cells = [printable(name), *map(percent, score[:3]), *drawn]
    cells.append(f"{score.support:,}")
    return [Text(cell) for cell in cells]


def between(interval: Interval | None) -> str:
    """Write the bounds of an interval.

    >>> between(Interval(0.541, 0.6)), between(None)
    ('54.1 to 60.0', '–')
    """
    if interval is None:
        return NO_INTERVAL
    low, high = percent(interval.low), percent(interval.high)
    return f"{low} to {high}"


def describe_intervals(intervals: Intervals) -> list[str]:
    """Write what was drawn as lines, or as one why there is no interval.

    >>> none = dict.fromkeys(("precision", "recall", "f1"))
    >>> describe_intervals(Intervals(100, 1, none, {"PER": none}))
    ['entities in 1 of 100 documents: no interval']
    >>> micro = none | {"f1": Interval(0.541, 0.6), "recall": Interval(0.5, 0.62)}
    >>> for line in describe_intervals(Intervals(1009, 400, micro, {"PER": none})):
    ...     print(line)
    micro F1 on other such documents: 54.1 to 60.0 in 95% of 1,000 draws of 1,009
    micro precision –, recall 50.0 to 62.0 in the same draws
    –: too few documents have such entities for an interval
    """
    if intervals.no_interval:
        return [f"{intervals.no_interval}: no interval"]
    micro = {name: between(interval) for name, interval in intervals.micro.items()}
    draws = f"{LEVEL:.0%} of {SAMPLES:,} draws of {intervals.documents:,}"
    lines = [f"micro F1 on other such documents: {micro['f1']} in {draws}"]
    lines.append(
        f"micro precision {micro['precision']}, recall {micro['recall']} in the same draws"
    )
    every = {"micro": intervals.micro, **intervals.types}
    f1 = {name: by_score["f1"] for name, by_score in every.items()}
    if None in (*intervals.micro.values(), *f1.values()):
        lines.append(f"{NO_INTERVAL}: too few documents have such entities for an interval")
    undefined = {name: SAMPLES - one.defined for name, one in f1.items() if one}
    return [*lines, *describe_undefined(undefined)]


def describe_undefined(draws: Mapping[str, int]) -> list[str]:
    """Write of each type how many draws were left out, where any were.

    >>> describe_undefined({"PER": 0, "LOC": 47, "ORG": 2})
    ['draws without such entities are left out: LOC 47, ORG 2']
    """
    named = [f"{printable(name)} {count:,}" for name, count in draws.items() if count]
    left_out = ", ".join(named)
    return [f"draws without such entities are left out: {left_out}"] if named else []
