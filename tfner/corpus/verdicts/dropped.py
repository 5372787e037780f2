"""Judge what was dropped or changed when a corpus was read and labelled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tfner.corpus.ledger import Entry, Ledger, Reason
from tfner.corpus.verdicts.verdict import Case, Kind, Splits, Verdict, count_of, grade

MANY = 0.01  # of the entities


class Meaning(NamedTuple):
    """Say of a reason of the ledger what happened to one, to many, and what to do."""

    one: str
    many: str
    advice: str


# Reasons that are no mistake of the data, or that other verdicts have, are not here.
MEANINGS: dict[Reason, Meaning] = {
    "vanished": Meaning(
        "entity has no character that the tokenizer sees",
        "entities have no character that the tokenizer sees",
        "Take the marks away, or choose an encoder whose vocabulary knows their characters.",
    ),
    "invalid_span": Meaning(
        "mark lies outside its text or has no length",
        "marks lie outside their text or have no length",
        "Look at how they were exported: offsets are to count code points of the text as it is.",
    ),
    "overlapping": Meaning(
        "entity overlaps a longer one and is not learned",
        "entities overlap a longer one and are not learned",
        "Decide which of them count: a model finds entities that do not overlap.",
    ),
    "discontinuous": Meaning(
        "entity is made of fragments and is not learned",
        "entities are made of fragments and are not learned",
        "Mark each fragment, or the whole from the first to the last.",
    ),
    "misaligned": Meaning(
        "entity ends within a word and is learned as whole words",
        "entities end within a word and are learned as whole words",
        "Move the borders; where they are right, give the text its words.",
    ),
    "untagged": Meaning(
        "line of a column file has no tag",
        "lines of column files have no tag",
        "Look at the columns that were read; such words were taken as O.",
    ),
    "repaired": Meaning(
        "sequence of tags is illegal and was repaired",
        "sequences of tags are illegal and were repaired",
        "Name the scheme with --scheme, or mend the tags.",
    ),
}


def judge_dropped(splits: Splits, ledgers: Mapping[str, Ledger]) -> Iterator[Verdict]:
    """Find what was dropped or changed because of the data, a verdict for each reason."""
    documents = (document for split in splits.values() for document in split)
    entities = sum(len(document.entities) for document in documents)
    for reason, meaning in MEANINGS.items():
        cases = entered(ledgers, reason)
        if cases:
            finding = count_of(len(cases), meaning.one, meaning.many)
            severity = grade(len(cases), entities, MANY)
            name = reason.replace("_", " ")
            kind = Kind(name, severity, meaning.advice)
            yield kind.verdict(finding, cases)


def entered(ledgers: Mapping[str, Ledger], reason: Reason) -> list[Case]:
    """Make a case of each entry of some ledgers for one reason."""
    cases = []
    for ledger in ledgers.values():
        entries = (entry for entry in ledger.entries if entry.reason == reason)
        cases += map(case_of, entries)
    return cases


def case_of(entry: Entry) -> Case:
    """Show an entry of the ledger."""
    return Case(entry.detail, (entry.where,))
