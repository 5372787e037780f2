"""Prints the tables of compared recipes: one for each column of scores, and means over corpora.

A column is `CORPUS WAY` at home, `CORPUS > OTHER WAY` abroad; the way is empty for the best
sequence. Rows hold the number of seeds, mean and standard deviation, and the mean difference from
the baseline on the same seeds with its standard error. The peer has greedy scores alone: where the
baseline has no others, they are what a column is paired with, and its heading says so. Means over
corpora are of the seeds that both have; the standard error is that over corpora.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.recipes.results import describe_versions
from benchmarks.tables import gain, spread, table_row

GREEDY = " greedy"
ERROR = "ECE"  # of calibration: of several corpora there is no mean
Line = Mapping[str, Any]
Scores = dict[str, dict[str, dict[int, float]]]  # column, recipe, seed


class Base(NamedTuple):
    """Holds the scores that a column is paired with.

    column: where they stand.
    scores: by seed; none where the baseline has not run.
    """

    column: str
    scores: dict[int, float]


def print_tables(lines: Sequence[Line], recipes: Sequence[str], baseline: str) -> None:
    """Print the tables of some recipes, and of which versions the lines are."""
    scores = collect_scores(lines)
    for column in scores:
        print_column(scores, column, recipes, baseline)
    for way, columns in home_columns(lines).items():
        print_means(scores, way, columns, recipes, baseline)
    versions = describe_versions(lines)
    if versions:
        print(f"\n{versions}")


def collect_scores(lines: Sequence[Line]) -> Scores:
    """Collect scores and seconds by column, recipe and seed."""
    scores: Scores = defaultdict(lambda: defaultdict(dict))
    for line in lines:
        corpus, recipe, seed = line["corpus"], line["recipe"], line["seed"]
        for name, value in line["scores"].items():
            column = name if name.split()[0] == corpus else f"{corpus} > {name}"
            scores[column][recipe][seed] = value
        scores[f"{corpus} seconds"][recipe][seed] = line["seconds"]
    return scores


def home_columns(lines: Sequence[Line]) -> dict[str, list[str]]:
    """Collect by their way the columns at home that have a mean over corpora.

    >>> scores = {"ai": 50.0, "ai greedy": 48.0, "ai ECE raw": 9.0, "btc": 30.0}
    >>> home_columns([{"corpus": "ai", "scores": scores}])
    {'': ['ai'], 'greedy': ['ai greedy']}
    """
    found: dict[str, list[str]] = defaultdict(list)
    for line in lines:
        for name in line["scores"]:
            corpus, _, way = name.partition(" ")
            is_mean = corpus == line["corpus"] and not way.startswith(ERROR)
            if is_mean and name not in found[way]:
                found[way].append(name)
    return dict(found)


def find_base(scores: Scores, column: str, baseline: str) -> Base:
    """Find what a column is paired with: the baseline's scores in it, else its greedy ones."""
    for name in (column, column + GREEDY):
        found = scores.get(name, {}).get(baseline)
        if found:
            return Base(name, found)
    return Base(column, {})


def title(text: str, baseline: str, *, is_greedy: bool) -> str:
    """Write a heading; it says where differences are from greedy scores.

    >>> title("ai", "trainer", is_greedy=True)
    'ai (differences: from the greedy scores of trainer)'
    """
    return f"{text} (differences: from the greedy scores of {baseline})" if is_greedy else text


def print_column(scores: Scores, column: str, recipes: Sequence[str], baseline: str) -> None:
    """Print what each recipe has in a column, and what it gains over the baseline."""
    base = find_base(scores, column, baseline)
    print("\n" + title(column, baseline, is_greedy=base.column != column))
    for recipe in recipes:
        values = scores[column].get(recipe)
        if values:
            paired = [values[seed] - base.scores[seed] for seed in values if seed in base.scores]
            cells = (len(values), spread(list(values.values())), gain(paired))
            print(table_row(f"  {recipe}", cells, first=28, width=18))


def print_means(
    scores: Scores, way: str, columns: Sequence[str], recipes: Sequence[str], baseline: str
) -> None:
    """Print the means over corpora; nothing where the baseline has none of them."""
    bases = {column: find_base(scores, column, baseline) for column in columns}
    if not any(base.scores for base in bases.values()):
        return
    is_greedy = any(base.column != column for column, base in bases.items())
    print("\n" + title(f"mean over corpora {way}".rstrip(), baseline, is_greedy=is_greedy))
    print(table_row("", ("corpora", "mean", "difference"), first=28, width=18))
    for recipe in recipes:
        pairs = list(pairs_of(scores, recipe, bases))
        if pairs:
            mean = statistics.mean(score for score, _ in pairs)
            differences = [score - other for score, other in pairs]
            cells = (len(pairs), f"{mean:.2f}", gain(differences))
            print(table_row(f"  {recipe}", cells, first=28, width=18))


def pairs_of(
    scores: Scores, recipe: str, bases: Mapping[str, Base]
) -> Iterator[tuple[float, float]]:
    """Give by corpus the means of a recipe and of its baseline over the seeds that both have."""
    for column, base in bases.items():
        values = scores[column].get(recipe, {})
        seeds = [seed for seed in values if seed in base.scores]
        if seeds:
            mean = statistics.mean(values[seed] for seed in seeds)
            yield mean, statistics.mean(base.scores[seed] for seed in seeds)
