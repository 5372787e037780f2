"""Judge whether splits share texts, word for word or nearly so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

from tfner.corpus.verdicts.minhash import near_duplicates, normalize
from tfner.corpus.verdicts.texts import digest_of
from tfner.corpus.verdicts.verdict import (
    Case,
    Located,
    Severity,
    Splits,
    Verdict,
    count_of,
    first_cases,
    locate,
    quote,
)

NEAR = 0.8  # Jaccard similarity of runs of five characters
# Shares of the documents of a split.
MANY, SOME = 0.1, 0.01


class Leak(NamedTuple):
    """Hold a document of a split, the one of an earlier split, and how similar they are."""

    document: Located
    source: Located
    similarity: float  # 1 where the texts are the same


def judge_leakage(splits: Splits) -> Iterator[Verdict]:
    """Find documents that stand in an earlier split too, for each pair of splits.

    A document that stands there word for word is compared no further.
    """
    by_split: dict[str, list[Located]] = defaultdict(list)
    for located in locate(splits):
        if located.document.text.strip():
            by_split[located.split].append(located)
    for earlier, later in combinations(splits, 2):
        leaks = find_leaks(by_split[earlier], by_split[later])
        if leaks:
            yield judge_leaks(leaks, earlier, later, len(splits[later]))


def find_leaks(earlier: Sequence[Located], later: Sequence[Located]) -> list[Leak]:
    """Find the documents of a later split that stand in an earlier one, in their order."""
    first_of = {}
    for located in earlier:
        first_of.setdefault(digest_of(located.document.text), located)
    leaks = []
    others = []
    for located in later:
        source = first_of.get(digest_of(located.document.text))
        if source is None:
            others.append(located)
        else:
            leaks.append(Leak(located, source, 1.0))
    sources = list(first_of.values())
    near = near_duplicates(normalized(sources), normalized(others), NEAR)
    for row, (source_row, similarity) in near.items():
        leaks.append(Leak(others[row], sources[source_row], similarity))
    return leaks


def normalized(documents: Sequence[Located]) -> list[str]:
    """Collect texts as they are compared."""
    return [normalize(located.document.text) for located in documents]


def judge_leaks(leaks: Sequence[Leak], earlier: str, later: str, documents: int) -> Verdict:
    """Count what leaks from one split into a later one; documents with entities come first."""
    exact = sum(leak.similarity == 1 for leak in leaks)
    marked = sum(bool(leak.document.document.entities) for leak in leaks)
    ways = f"{exact:,} word for word, {len(leaks) - exact:,} nearly, {marked:,} with entities"
    of_all = f"{len(leaks):,} of {count_of(documents, 'document')} of {later}"
    stand = "stands" if len(leaks) == 1 else "stand"
    ordered = sorted(leaks, key=lambda leak: not leak.document.document.entities)
    return Verdict(
        name="leakage",
        severity=grade(len(leaks) / documents),
        finding=f"{of_all} {stand} in {earlier} too ({ways})",
        advice=f"Take them out of one: the score on {later} is that of memory there.",
        count=len(leaks),
        cases=first_cases(map(describe, ordered)),
    )


def describe(leak: Leak) -> Case:
    """Name both documents, and how similar they are where they are not the same."""
    sign = "=" if leak.similarity == 1 else f"≈ {leak.similarity:.2f}"
    where = f"{leak.document.where} {sign} {leak.source.where}"
    return Case(quote(leak.document.document.text), (where,))


def grade(share: float) -> Severity:
    """Choose a severity by the share of documents that leak."""
    if share >= MANY:
        return "error"
    return "warning" if share >= SOME else "hint"
