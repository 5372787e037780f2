"""Find the documents in which two systems found different entities, and how those differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any, Literal, NamedTuple, get_args

from tfner.documents import Document, Entity, entity_at
from tfner.evaluation.errors import CONTEXT

Direction = Literal[
    "better",  # B has fewer errors than A
    "worse",  # B has more
    "different",  # other entities, as many errors
    "same",  # the same entities
]
DIRECTIONS: tuple[Direction, ...] = get_args(Direction)
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

    direction: Direction
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
    """Count the documents of each direction; `listed` are those that changed most."""

    counts: dict[Direction, int]
    listed: tuple[Change, ...]

    def to_dict(self) -> dict[str, Any]:
        """Give plain dicts and lists, for JSON."""
        listed = [change.to_dict() for change in self.listed]
        return {"counts": self.counts, "listed": listed}


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
    directions = Counter[Direction]()
    changed = []
    for number, (document, a, b) in enumerate(zip(documents, found_a, found_b, strict=True)):
        errors = Errors(count_errors(document, a), count_errors(document, b))
        direction = judge(errors, a, b)
        directions[direction] += 1
        if direction != "same":
            size = abs(errors.b - errors.a)
            key = -size, direction != "worse", number
            changed.append((key, direction, errors))
    listed = []
    for (*_, number), direction, errors in sorted(changed)[:most]:
        found = found_a[number], found_b[number]
        change = describe_change(documents[number], found, direction, errors)
        listed.append(change)
    counts: dict[Direction, int] = {direction: directions[direction] for direction in DIRECTIONS}
    return Changes(counts, tuple(listed))


def count_errors(document: Document, found: Iterable[Entity]) -> int:
    """Count what was missed and what is spurious; a wrong border or label is both.

    >>> document = Document("New York", (Entity(0, 8, "LOC"),))
    >>> count_errors(document, [Entity(4, 8, "LOC")])
    2
    """
    gold_keys = count_keys(document.entities)
    found_keys = count_keys(found)
    missed = gold_keys - found_keys
    spurious = found_keys - gold_keys
    both = missed + spurious
    return both.total()


def count_keys(entities: Iterable[Entity]) -> Counter[tuple[int, int, str]]:
    """Count how often each span and label occurs."""
    return Counter(entity.key for entity in entities)


def judge(errors: Errors, a: Iterable[Entity], b: Iterable[Entity]) -> Direction:
    """Tell whether B is better than A on a document."""
    if errors.b < errors.a:
        return "better"
    if errors.b > errors.a:
        return "worse"
    same = count_keys(a) == count_keys(b)
    return "same" if same else "different"


def describe_change(
    document: Document, found: tuple[Iterable[Entity], ...], direction: Direction, errors: Errors
) -> Change:
    """Cut what is not agreed on out of a document; `found` are the entities of A and B."""
    text = document.text
    gold, a, b = map(count_keys, (document.entities, *found))
    agreed = gold & a & b
    disputed = []
    for side in (gold, a, b):
        entities = entities_of(text, side - agreed)
        disputed.append(tuple(entities))
    spans = list(chain(*disputed))
    first = min(entity.start for entity in spans)
    last = max(entity.end for entity in spans)
    offset = max(0, first - CONTEXT)
    most = offset + LONGEST_CONTEXT
    end = min(last + CONTEXT, most)
    context, cut_short = text[offset:end], end < len(text)
    about = direction, document.id, document.group, errors
    return Change(*about, context, offset, cut_short, *disputed)


def entities_of(text: str, keys: Counter[tuple[int, int, str]]) -> Iterator[Entity]:
    """Make the entities of keys again, in the order of the text, with their characters."""
    for start, end, label in sorted(keys.elements()):
        yield entity_at(text, start, end, label)
