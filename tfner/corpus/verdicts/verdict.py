"""Define what a verdict is, and how documents are named in one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from tfner.documents import Document
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


@dataclass(frozen=True, kw_only=True)
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
        >>> named = {"name": "few examples", "severity": "hint", "advice": "Mark more."}
        >>> Verdict(finding="9 types are few", count=9, cases=cases, **named).sentence
        '9 types are few: PER 3 (a.conll:1); LOC 4; ORG 5; and 6 others'
        """
        named = list(map(str, self.cases[:CASES_NAMED]))
        if not named:
            return self.finding
        others = self.count - len(named)
        if others > 0:
            named.append(f"and {others:,} {'other' if others == 1 else 'others'}")
        listed = "; ".join(named)
        return f"{self.finding}: {listed}"


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
    files = Counter(Path(split).name for split in splits)
    for split, documents in splits.items():
        file = Path(split).name
        is_one = files[file] == 1
        for number, document in enumerate(documents, 1):
            name = document.id or f"document {number}"
            says_split = is_one and name.startswith(file)
            where = name if says_split else f"{file if is_one else split} {name}"
            yield Located(split, where, document)


def first_cases(cases: Iterable[Case]) -> tuple[Case, ...]:
    """Keep the first CASES_KEPT."""
    kept = [case for case, _ in zip(cases, range(CASES_KEPT), strict=False)]
    return tuple(kept)


def add_location(locations: list[str], where: str) -> None:
    """Add a document to the first few that a case names, once."""
    if len(locations) < LOCATIONS_KEPT and where not in locations:
        locations.append(where)


def quote(text: str) -> str:
    """Show a text of a corpus within a sentence, cut where it is long.

    >>> quote("New York")
    '"New York"'
    """
    shown = one_line(text[: LONGEST_QUOTE + 1], LONGEST_QUOTE)
    if len(text) > LONGEST_QUOTE:
        shown = f"{shown.partition('…')[0]}…"
    return f'"{shown}"'


def count_of(count: int, one: str, many: str = "") -> str:
    """Write a number with its noun.

    >>> count_of(1, "type"), count_of(1200, "entity", "entities")
    ('1 type', '1,200 entities')
    """
    noun = one if count == 1 else many or f"{one}s"
    return f"{count:,} {noun}"
