"""Define what a verdict is, and how documents are named in one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from tfner.documents import Document, Entity
from tfner.safeio.printable import one_line

Severity = Literal["error", "warning", "hint"]
SEVERITIES: tuple[str, ...] = get_args(Severity)  # the worst first
Splits = Mapping[str, Sequence[Document]]
CASES_KEPT = 50  # of a verdict, those that come first
CASES_NAMED = 3  # in its sentence
LOCATIONS_KEPT = 3  # of a case
LONGEST_QUOTE = 60  # characters


class Case(NamedTuple):
    """Hold one thing that a verdict is about, and the first few documents where it stands."""

    what: str
    where: tuple[str, ...] = ()

    def __str__(self) -> str:
        where = ", ".join(self.where)
        return f"{self.what} ({where})" if where else self.what


@dataclass(frozen=True)
class Verdict:
    """Hold what is wrong with a corpus.

    Args:
        name: what it is called in one or two words.
        severity: error, what makes a model or its score useless; warning, what costs much of it;
            hint, what is worth a look.
        finding: what was found and how often, without a full stop.
        advice: what to do, as a sentence.
        count: how many cases there are; `cases` holds the first CASES_KEPT.
    """

    name: str
    severity: Severity
    finding: str
    advice: str
    count: int
    cases: tuple[Case, ...]

    @property
    def sentence(self) -> str:
        """Say what, how often, and where the first few stand.

        >>> cases = (Case("PER 3", ("a.conll:1",)), Case("LOC 4"), Case("ORG 5"))
        >>> Verdict("few", "hint", "9 types are rare", "Mark more.", 9, cases).sentence
        '9 types are rare: PER 3 (a.conll:1); LOC 4; ORG 5; and 6 others'
        """
        shown = self.cases[:CASES_NAMED]
        if not shown:
            return self.finding
        named = list(map(str, shown))
        others = self.count - len(named)
        if others:
            counted = count_of(others, "other")
            named.append(f"and {counted}")
        listed = "; ".join(named)
        return f"{self.finding}: {listed}"


class Kind(NamedTuple):
    """Hold what the verdicts of a kind have in common; `advice` may name a `{split}`."""

    name: str
    severity: Severity
    advice: str

    def verdict(
        self,
        finding: str,
        cases: Sequence[Case] = (),
        *,
        severity: Severity | None = None,
        split: str = "",
    ) -> Verdict:
        """Make a verdict of this kind, with all its cases in the order of their weight."""
        advice = self.advice.replace("{split}", split)
        kept = tuple(cases[:CASES_KEPT])
        severity = severity or self.severity
        return Verdict(self.name, severity, finding, advice, len(cases), kept)


class Located(NamedTuple):
    """Hold a document, the split that it is of, and what it is called in a verdict."""

    split: str
    where: str
    document: Document


def locate(splits: Splits) -> Iterator[Located]:
    """Name every document: by its id, or by its number, with the split where the id lacks it.

    >>> splits = {"a/train.conll": [Document("x", id="train.conll:1")], "dev": [Document("y")]}
    >>> [located.where for located in locate(splits)]
    ['train.conll:1', 'dev document 1']
    """
    names = {split: Path(split).name for split in splits}
    is_unique = len(set(names.values())) == len(names)
    for split, documents in splits.items():
        name = names[split] if is_unique else split
        for number, document in enumerate(documents, 1):
            where = document.id or f"document {number}"
            if not where.startswith(name):
                where = f"{name} {where}"
            yield Located(split, where, document)


def marked_texts(document: Document) -> Iterator[tuple[Entity, str]]:
    """Give each entity with the characters that it spans."""
    for entity in document.entities:
        yield entity, document.text[entity.start : entity.end]


def grade(count: int, total: int, many: float) -> Severity:
    """Choose a warning where the share of what is found is large, else a hint.

    >>> grade(2, 100, many=0.05), grade(5, 100, many=0.05)
    ('hint', 'warning')
    """
    return "warning" if count >= many * total else "hint"


def add_location(locations: list[str], where: str) -> None:
    """Add a document to the first few that a case names, once."""
    if len(locations) < LOCATIONS_KEPT and where not in locations:
        locations.append(where)


def quote(text: str) -> str:
    """Show a text of a corpus within a sentence, cut where it is long.

    >>> quote("New York")
    '"New York"'
    """
    cut = text[:LONGEST_QUOTE]
    shown = one_line(cut)
    ending = "…" if len(text) > LONGEST_QUOTE else ""
    return f'"{shown}{ending}"'


def count_of(count: int, one: str, many: str = "") -> str:
    """Write a number with its noun.

    >>> count_of(1, "type"), count_of(1200, "entity", "entities")
    ('1 type', '1,200 entities')
    """
    noun = one if count == 1 else many or f"{one}s"
    return f"{count:,} {noun}"
