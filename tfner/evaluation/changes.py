"""Find the documents in which two systems found different entities, and how those differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple, get_args

from tfner.documents import Document, Entity, entity_at
from tfner.evaluation.errors import CONTEXT

Verdict = Literal[
    "better",  # B has fewer errors than A
    "worse",  # B has more
    "different",  # other entities, as many errors
    "same",  # the same entities
]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
SIDES = ("gold", "a", "b")
LONGEST_CONTEXT = 400  # characters of a text that are shown


class Errors(NamedTuple):
    """Count the gold entities that were missed and the predictions that are none, together."""

    a: int
    b: int


@dataclass(frozen=True)
class Change:
    """Show a document in which A and B found different entities.

    `gold`, `a` and `b` hold the entities on which these three do not agree, with their spans in the
    document. `context` is what stands around them, and begins at code point `offset`; it is
    `cut_short` where the text goes on behind it.
    """

    verdict: Verdict
    document: str
    group: str
    errors: Errors
    context: str
    offset: int
    cut_short: bool
    gold: tuple[Entity, ...]
    a: tuple[Entity, ...]
    b: tuple[Entity, ...]

    def to_dict(self) -> dict[str, Any]:
        """Give plain dicts and lists, for JSON."""
        return {**asdict(self), "errors": self.errors._asdict()}


class Changes(NamedTuple):
    """Count the documents of each verdict; `listed` are those that changed most."""

    counts: dict[Verdict, int]
    listed: tuple[Change, ...]

    def to_dict(self) -> dict[str, Any]:
        """Give plain dicts and lists, for JSON."""
        return {"counts": self.counts, "listed": [change.to_dict() for change in self.listed]}


def find_changes(
    documents: Sequence[Document],
    found_a: Sequence[Sequence[Entity]],
    found_b: Sequence[Sequence[Entity]],
    most: int,
) -> Changes:
    """Sort documents by what changed from A to B.

    At most `most` are listed: those whose number of errors changed most, of these the worse ones
    first, then in the order of the data.

        >>> mara = Document("Mara left", (Entity(0, 4, "PER"),), id="1")
        >>> changes = find_changes([mara], [[]], [[Entity(0, 4, "PER")]], most=5)
        >>> changes.counts
        {'better': 1, 'worse': 0, 'different': 0, 'same': 0}
        >>> changes.listed[0].errors
        Errors(a=1, b=0)
    """
    verdicts: Counter[Verdict] = Counter()
    changed = []
    for number, (document, a, b) in enumerate(zip(documents, found_a, found_b, strict=True)):
        errors = Errors(count_errors(document.entities, a), count_errors(document.entities, b))
        verdict = judge(errors, a, b)
        verdicts[verdict] += 1
        if verdict != "same":
            key = (-abs(errors.b - errors.a), verdict != "worse", number)
            changed.append((key, verdict, errors))
    listed = []
    for (*_, number), verdict, errors in sorted(changed)[:most]:
        found = (found_a[number], found_b[number])
        listed.append(describe_change(documents[number], *found, verdict, errors))
    counts: dict[Verdict, int] = {verdict: verdicts[verdict] for verdict in VERDICTS}
    return Changes(counts, tuple(listed))


def count_errors(gold: Iterable[Entity], found: Iterable[Entity]) -> int:
    """Count what was missed and what is spurious; a wrong border or label is both.

    >>> count_errors([Entity(0, 8, "LOC")], [Entity(4, 8, "LOC")])
    2
    """
    gold_keys = Counter(entity.key for entity in gold)
    found_keys = Counter(entity.key for entity in found)
    missed = gold_keys - found_keys
    spurious = found_keys - gold_keys
    return missed.total() + spurious.total()


def judge(errors: Errors, a: Iterable[Entity], b: Iterable[Entity]) -> Verdict:
    """Tell whether B is better than A on a document."""
    if errors.a != errors.b:
        return "better" if errors.b < errors.a else "worse"
    same = Counter(entity.key for entity in a) == Counter(entity.key for entity in b)
    return "same" if same else "different"


def describe_change(
    document: Document,
    a: Sequence[Entity],
    b: Sequence[Entity],
    verdict: Verdict,
    errors: Errors,
) -> Change:
    """Cut what is not agreed on out of a document."""
    keys = [Counter(entity.key for entity in side) for side in (document.entities, a, b)]
    agreed = keys[0] & keys[1] & keys[2]
    disputed = [tuple(entities_of(document.text, side - agreed)) for side in keys]
    spans = [(entity.start, entity.end) for side in disputed for entity in side]
    offset = max(0, min(start for start, _ in spans) - CONTEXT)
    end = min(max(end for _, end in spans) + CONTEXT, offset + LONGEST_CONTEXT)
    context = document.text[offset:end]
    shown = (context, offset, end < len(document.text))
    return Change(verdict, document.id, document.group, errors, *shown, *disputed)


def entities_of(text: str, keys: Counter[tuple[int, int, str]]) -> Iterator[Entity]:
    """Make the entities of keys again, in the order of the text, with their characters."""
    for start, end, label in sorted(keys.elements()):
        yield entity_at(text, start, end, label)
