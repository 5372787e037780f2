"""Render the page of a search: one file without script, nothing from outside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Template

from tfner.evaluation.report.page import FOLDER as REPORT
from tfner.evaluation.report.page import page_environment
from tfner.training.search.plots import plot_setting, plot_trials
from tfner.training.search.progress import describe_result, plain
from tfner.training.search.records import TrialRecord, base_of, best_of, ranked

FOLDER = Path(__file__).parent
SHOWN = 20  # trials of the table


def render(
    name: str,
    records: Sequence[TrialRecord],
    importance: Mapping[str, float] | None,
    logarithmic: Collection[str] = (),
) -> str:
    """Make the page: trials in their order, by the value of each setting, what mattered, a table.

    Args:
        name: of the configuration.
        records: the trials that have ended, by number.
        importance: share of each setting; None: too few trials to say.
        logarithmic: settings whose axis is so.
    """
    names = list(records[0].settings) if records else []
    shares = importance or {}
    by_share = sorted(names, key=lambda each: -shares.get(each, 0.0))
    by_setting = []
    for each in by_share:
        is_log = each in logarithmic
        plot = plot_setting(each, records, is_log=is_log)
        by_setting.append(plot)
    values: dict[str, Any] = {"name": name, "names": names, "importance": importance}
    values["in_order"] = plot_trials(records)
    values["by_setting"] = by_setting
    values["best"] = best_of(records)
    values["base"] = base_of(records)
    values["top"] = ranked(records)[:SHOWN]
    values["total"] = len(records)
    values["counts"] = Counter(record.state for record in records)
    values["failed"] = [each for each in records if each.state == "failed"]
    return load_template().render(values)


@cache
def load_template() -> Template:
    """Compile the page, which shares the style of the report's."""
    environment = page_environment(FOLDER, REPORT)
    environment.filters["plain"] = plain
    environment.filters["result"] = describe_result
    return environment.get_template("search.html")
