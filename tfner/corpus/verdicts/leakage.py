"""Judge whether splits share texts, word for word or nearly so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

from tfner.corpus.verdicts.minhash import near_duplicates, normalize
from tfner.corpus.verdicts.texts import digest_of
from tfner.corpus.verdicts.verdict import (
    Case,
    Kind,
    Located,
    Severity,
    Splits,
    Verdict,
    count_of,
    locate,
    quote,
)

NEAR = 0.8  # Jaccard similarity of runs of five characters
# Shares of the documents of a split.
MANY, SOME = 0.1, 0.01


class Leak(NamedTuple):
    """Hold a document of a split, the one of an earlier split, and how similar they are."""

    located: Located
    source: Located
    similarity: float
    is_same: bool = True  # word for word

    @property
    def has_entities(self) -> bool:
        return bool(self.located.document.entities)


LEAKAGE = Kind(
    "leakage", "error", "Take them out of one: the score on {split} is that of memory there."
)


def judge_leakage(splits: Splits) -> Iterator[Verdict]:
    """Find documents that stand in an earlier split too, for each pair of splits.

    A document that stands there word for word is compared no further.
    """
    by_split: dict[str, list[Located]] = {split: [] for split in splits}
    for located in locate(splits):
        if located.document.text.strip():
            members = by_split[located.split]
            members.append(located)
    for earlier, later in combinations(splits, 2):
        leaks = find_leaks(by_split[earlier], by_split[later])
        if leaks:
            documents = len(splits[later])
            finding = count_leaks(leaks, documents, earlier, later)
            share = len(leaks) / documents
            severity = severity_of(share)
            ordered = marked_first(leaks)
            cases = list(map(describe, ordered))
            yield LEAKAGE.verdict(finding, cases, severity=severity, split=later)


def find_leaks(earlier: Sequence[Located], later: Sequence[Located]) -> list[Leak]:
    """Find the documents of a later split that stand in an earlier one, the same texts first."""
    first_of: dict[bytes, Located] = {}
    for located in earlier:
        text = located.document.text
        digest = digest_of(text)
        first_of.setdefault(digest, located)
    leaks = []
    others = []
    for located in later:
        text = located.document.text
        digest = digest_of(text)
        source = first_of.get(digest)
        if source is None:
            others.append(located)
        else:
            leaks.append(Leak(located, source, 1.0))
    sources = list(first_of.values())
    known = normalized(sources)
    asked = normalized(others)
    near = near_duplicates(known, asked, NEAR)
    for row, (source_row, similarity) in near.items():
        source = sources[source_row]
        leak = Leak(others[row], source, similarity, is_same=False)
        leaks.append(leak)
    return leaks


def normalized(documents: Sequence[Located]) -> list[str]:
    """Collect texts as they are compared."""
    return [normalize(located.document.text) for located in documents]


def count_leaks(leaks: Sequence[Leak], documents: int, earlier: str, later: str) -> str:
    """Say how many documents leak, in which way, and how many of them have entities."""
    exact = sum(leak.is_same for leak in leaks)
    near = len(leaks) - exact
    marked = sum(leak.has_entities for leak in leaks)
    ways = f"{exact:,} word for word, {near:,} nearly, {marked:,} with entities"
    of_all = f"{len(leaks):,} of {count_of(documents, 'document')} of {later}"
    verb = "is" if len(leaks) == 1 else "are"
    return f"{of_all} {verb} in {earlier} too ({ways})"


def marked_first(leaks: Sequence[Leak]) -> list[Leak]:
    """Sort leaks so that documents with entities come first."""
    return sorted(leaks, key=lambda leak: not leak.has_entities)


def describe(leak: Leak) -> Case:
    """Name both documents, and how similar they are where they are not the same."""
    sign = "=" if leak.is_same else f"≈ {leak.similarity:.2f}"
    where = f"{leak.located.where} {sign} {leak.source.where}"
    what = quote(leak.located.document.text)
    return Case(what, (where,))


def severity_of(share: float) -> Severity:
    """Choose a severity by the share of documents that leak."""
    if share >= MANY:
        return "error"
    return "warning" if share >= SOME else "hint"
