"""Render the page of a search: one file without script, nothing from outside."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path

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
    by_share = sorted(names, key=lambda each: -(importance or {}).get(each, 0.0))
    by_setting = [plot_setting(each, records, is_log=each in logarithmic) for each in by_share]
    plots = {"in_order": plot_trials(records), "by_setting": by_setting}
    states = ("finished", "pruned", "failed")
    counts = {state: sum(each.state == state for each in records) for state in states}
    scores = {"best": best_of(records), "base": base_of(records)}
    tables = {"top": ranked(records)[:SHOWN], "names": names, "importance": importance}
    failed = [each for each in records if each.state == "failed"]
    about = {"name": name, "counts": counts, "failed": failed, "total": len(records)}
    return load_template().render(**about, **scores, **plots, **tables)


@cache
def load_template() -> Template:
    """Compile the page, which shares the style of the report's."""
    environment = page_environment(FOLDER, REPORT)
    environment.filters |= {"plain": plain, "result": describe_result}
    return environment.get_template("search.html")
