"""Judge entity types: those that cannot be learned or scored, and names that mean the same."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

from tfner.corpus.verdicts.verdict import Case, Kind, Splits, Verdict, count_of, locate

FEW_EXAMPLES = 50  # marked entities of a type in the split that is learned from
SEPARATORS = re.compile(r"[\s_.-]+")
SHORTEST_SINGULAR = 3  # letters; GAS is no plural of GA

Counts = Mapping[str, Counter[str]]  # split -> type -> entities
Examples = Mapping[str, Mapping[str, str]]  # split -> type -> the first document


NO_ENTITIES = Kind(
    "no entities", "error", "Check the format, the scheme and the columns that were read."
)
UNLEARNED = Kind(
    "unlearned types",
    "error",
    "Mark them in {split} too, or drop them: each of their entities counts as a miss.",
)
UNSCORED = Kind(
    "unscored types",
    "warning",
    "Add texts with them to {split}: its score says nothing of them.",
)
FEW = Kind(
    "few examples", "warning", "Mark more of them, or make them one with a type that is near."
)
NAMES = Kind("type names", "warning", "Give each one name, or a model learns to tell them apart.")


def judge_types(splits: Splits) -> Iterator[Verdict]:
    """Find types with few examples, types in one split alone, and names of one type twice.

    The first split is the one that is learned from.
    """
    counts, examples = count_types(splits)
    learned = next(iter(splits))
    if not counts[learned]:
        yield NO_ENTITIES.verdict(f"{learned} has no entity to learn from")
        return
    yield from judge_unlearned(learned, counts, examples)
    yield from judge_unscored(learned, counts, examples)
    yield from judge_few(learned, counts, examples)
    yield from judge_names(counts, examples)


def count_types(splits: Splits) -> tuple[Counts, Examples]:
    """Count entities by split and type, and name the first document of each."""
    counts = {split: Counter() for split in splits}
    examples = {split: {} for split in splits}
    for split, where, document in locate(splits):
        for entity in document.entities:
            counts[split][entity.label] += 1
            examples[split].setdefault(entity.label, where)
    return counts, examples


def judge_unlearned(learned: str, counts: Counts, examples: Examples) -> Iterator[Verdict]:
    """Find types that only stand where nothing is learned from."""
    known = counts[learned]
    missing = Counter()
    where: dict[str, str] = {}
    for split, own in counts.items():
        missing += without(own, known)
        where = {**examples[split], **where}
    if missing:
        entities = count_of(missing.total(), "entity", "entities")
        types = count_of(len(missing), "type stands", "types stand")
        cases = list_types(missing, where)
        finding = f"{types} in no text of {learned}, with {entities}"
        yield UNLEARNED.verdict(finding, cases, split=learned)


def without(counts: Counter[str], others: Counter[str]) -> Counter[str]:
    """Keep the counts of types that others lack.

    >>> without(Counter(PER=3, LOC=2), Counter(PER=1))
    Counter({'LOC': 2})
    """
    kept = {label: count for label, count in counts.items() if label not in others}
    return Counter(kept)


def judge_unscored(learned: str, counts: Counts, examples: Examples) -> Iterator[Verdict]:
    """Find types that a split with entities lacks."""
    known = counts[learned]
    for split, own in counts.items():
        lacking = without(known, own)
        if own and lacking:
            types = count_of(len(lacking), "type", "types")
            cases = list_types(lacking, examples[learned])
            finding = f"{split} has nothing of {types} of {learned}"
            yield UNSCORED.verdict(finding, cases, split=split)


def judge_few(learned: str, counts: Counts, examples: Examples) -> Iterator[Verdict]:
    """Find types with fewer than FEW_EXAMPLES entities to learn from."""
    own = counts[learned]
    frequent = {label for label, count in own.items() if count >= FEW_EXAMPLES}
    few = without(own, Counter(frequent))
    if few:
        types = count_of(len(few), "type has", "types have")
        cases = list_types(few, examples[learned])
        yield FEW.verdict(f"{types} fewer than {FEW_EXAMPLES} examples in {learned}", cases)


def list_types(counts: Counter[str], where: Mapping[str, str]) -> list[Case]:
    """Make a case of each type, the rarest first."""
    by_name = sorted(counts)
    rarest_first = sorted(by_name, key=counts.__getitem__)
    return [Case(f"{label} {counts[label]:,}", (where[label],)) for label in rarest_first]


def judge_names(counts: Counts, examples: Examples) -> Iterator[Verdict]:
    """Find types whose names differ in case, in a separator or by a plural."""
    totals = Counter()
    where: dict[str, str] = {}
    for split, own in counts.items():
        totals += own
        where = {**examples[split], **where}
    cases = []
    for names in same_names(totals):
        counted = [f"{name} {totals[name]:,}" for name in names]
        shown = [where[name] for name in names]
        what = ", ".join(counted)
        cases.append(Case(what, tuple(shown)))
    if cases:
        types = count_of(len(cases), "type has", "types have")
        finding = f"{types} names that differ in case, in a separator or by a plural alone"
        yield NAMES.verdict(finding, cases)


def same_names(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Group the names that differ in case, in a separator or by a plural alone.

    >>> same_names(["PER", "per", "Disease", "DISEASES", "LOC", "Cities", "city", "AS", "A"])
    [('Cities', 'city'), ('DISEASES', 'Disease'), ('PER', 'per')]
    """
    by_key = defaultdict(list)
    for name in sorted(names):
        joined = SEPARATORS.sub("", name)
        key = joined.casefold()
        names_of_key = by_key[key]
        names_of_key.append(name)
    groups = {key: {key} for key in by_key}
    for key in by_key:
        for singular in singulars(key) & by_key.keys():
            joined = groups[key] | groups[singular]
            groups |= dict.fromkeys(joined, joined)
    found = set()
    for keys in groups.values():
        names = sorted(name for key in keys for name in by_key[key])
        if len(names) > 1:
            found.add(tuple(names))
    return sorted(found)


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
