"""Judge entity types: those that cannot be learned or scored, and names that mean the same."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from tfner.corpus.verdicts.verdict import (
    Case,
    Splits,
    Verdict,
    add_location,
    count_of,
    first_cases,
    locate,
)

FEW_EXAMPLES = 50  # marked entities of a type in the split that is learned from
SEPARATORS = re.compile(r"[\s_.-]+")
SHORTEST_SINGULAR = 3  # letters; GAS is no plural of GA

Counts = Mapping[str, Counter[str]]  # split -> type -> entities
Examples = Mapping[tuple[str, str], Sequence[str]]  # (split, type) -> the first documents


def judge_types(splits: Splits) -> Iterator[Verdict]:
    """Find types with few examples, types in one split alone, and names of one type twice.

    The first split is the one that is learned from.
    """
    counts, examples = count_types(splits)
    learned, *scored = counts
    yield from judge_unlearned(learned, scored, counts, examples)
    yield from judge_unscored(learned, scored, counts, examples)
    yield from judge_few(learned, counts, examples)
    yield from judge_names(counts, examples)


def count_types(splits: Splits) -> tuple[Counts, Examples]:
    """Count entities by split and type, and name the first documents of each."""
    counts = {split: Counter() for split in splits}
    examples = defaultdict(list)
    for split, where, document in locate(splits):
        for entity in document.entities:
            counts[split][entity.label] += 1
            add_location(examples[split, entity.label], where)
    return counts, examples


def judge_unlearned(
    learned: str, scored: Sequence[str], counts: Counts, examples: Examples
) -> Iterator[Verdict]:
    """Find types that only stand where nothing is learned from, each entity of which is a miss."""
    if not counts[learned]:
        finding = f"{learned} has no entity to learn from"
        advice = "Check the format, the scheme and the columns that were read."
        named = {"name": "no entities", "count": 1, "cases": ()}
        yield Verdict(severity="error", finding=finding, advice=advice, **named)
        return
    missing = Counter()
    for split in scored:
        missing.update(counts[split])
    missing = Counter({label: missing[label] for label in missing if label not in counts[learned]})
    if missing:
        types = count_of(len(missing), "type")
        entities = count_of(missing.total(), "entity", "entities")
        stand = "stands" if len(missing) == 1 else "stand"
        finding = f"{types} with {entities} {stand} in no text of {learned}"
        yield Verdict(
            name="unlearned types",
            severity="error",
            finding=finding,
            advice=f"Mark them in {learned} too, or drop them: each of these counts as a miss.",
            count=len(missing),
            cases=list_types(missing, scored, examples),
        )


def judge_unscored(
    learned: str, scored: Sequence[str], counts: Counts, examples: Examples
) -> Iterator[Verdict]:
    """Find types that a split which is scored lacks."""
    for split in scored:
        if not counts[split]:
            continue
        lacking = {label: n for label, n in counts[learned].items() if label not in counts[split]}
        if lacking:
            stand = "stands" if len(lacking) == 1 else "stand"
            types = count_of(len(lacking), "type")
            yield Verdict(
                name="unscored types",
                severity="warning",
                finding=f"{types} of {learned} {stand} nowhere in {split}",
                advice=f"Add texts with them to {split}: its score says nothing of them.",
                count=len(lacking),
                cases=list_types(Counter(lacking), [learned], examples),
            )


def judge_few(learned: str, counts: Counts, examples: Examples) -> Iterator[Verdict]:
    """Find types with less than FEW_EXAMPLES entities to learn from."""
    few = Counter({label: n for label, n in counts[learned].items() if n < FEW_EXAMPLES})
    if few:
        types = count_of(len(few), "type")
        have = "has" if len(few) == 1 else "have"
        yield Verdict(
            name="few examples",
            severity="warning",
            finding=f"{types} of {learned} {have} less than {FEW_EXAMPLES} examples",
            advice="Mark more of them, or make them one with a type that is near.",
            count=len(few),
            cases=list_types(few, [learned], examples),
        )


def list_types(totals: Counter[str], splits: Sequence[str], examples: Examples) -> tuple[Case, ...]:
    """Make a case of each type, the rarest first."""
    cases = []
    for label, count in sorted(totals.items(), key=rarest_first):
        where = [name for split in splits for name in examples.get((split, label), ())]
        cases.append(Case(f"{label} {count:,}", tuple(where[:1])))
    return first_cases(cases)


def rarest_first(item: tuple[str, int]) -> tuple[int, str]:
    """Sort types by their number of entities, then by name."""
    label, count = item
    return count, label


def judge_names(counts: Counts, examples: Examples) -> Iterator[Verdict]:
    """Find types whose names differ in case, in a separator or by a plural."""
    totals = Counter()
    for split in counts.values():
        totals.update(split)
    groups = same_names(totals)
    if groups:
        cases = []
        for names in groups:
            counted = ", ".join(f"{name} {totals[name]:,}" for name in names)
            where = tuple(examples_of(names, counts, examples))
            cases.append(Case(counted, where))
        pairs = count_of(len(groups), "type has", "types have")
        yield Verdict(
            name="type names",
            severity="warning",
            finding=f"{pairs} names that differ in case, in a separator or by a plural alone",
            advice="Give each one name, or a model learns to tell them apart.",
            count=len(groups),
            cases=first_cases(cases),
        )


def examples_of(names: Sequence[str], counts: Counts, examples: Examples) -> Iterator[str]:
    """Name the first document of each type."""
    for name in names:
        found = [where for split in counts for where in examples.get((split, name), ())]
        yield from found[:1]


def same_names(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Group the names that differ in case, in a separator or by a plural alone.

    >>> same_names(["PER", "per", "Disease", "DISEASES", "LOC", "Cities", "city", "AS", "A"])
    [('Cities', 'city'), ('DISEASES', 'Disease'), ('PER', 'per')]
    """
    by_key = defaultdict(list)
    for name in sorted(names):
        key = SEPARATORS.sub("", name).casefold()
        by_key[key].append(name)
    groups = {key: {key} for key in by_key}
    for key in by_key:
        for singular in singulars(key) & by_key.keys():
            joined = groups[key] | groups[singular]
            groups |= dict.fromkeys(joined, joined)
    distinct = {frozenset(keys) for keys in groups.values()}
    found = (tuple(sorted(name for key in keys for name in by_key[key])) for keys in distinct)
    return sorted(names for names in found if len(names) > 1)


def singulars(name: str) -> set[str]:
    """Guess what a name is the English plural of.

    >>> sorted(singulars("cities")), singulars("gas")
    (['citi', 'citie', 'city'], set())
    """
    if not name.endswith("s"):
        return set()
    found = {name[:-1]}
    if name.endswith("es"):
        found.add(name[:-2])
    if name.endswith("ies"):
        found.add(f"{name[:-3]}y")
    return {each for each in found if len(each) >= SHORTEST_SINGULAR}
