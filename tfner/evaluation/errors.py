"""What kinds of mistakes there are: every gold and every predicted entity is put in exactly one class."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, NamedTuple, get_args

from tfner.documents import Document, Entity

Kind = Literal[
    "correct",
    "missed",  # a gold entity without a counterpart
    "spurious",  # a predicted entity without a counterpart
    "wrong_type",  # the same span, another label
    "wrong_border",  # an overlapping span, the same label
    "wrong_border_and_type",  # an overlapping span, another label
]
ERROR_KINDS: tuple[Kind, ...] = get_args(Kind)[1:]
CONTEXT = 40  # characters shown on either side of an example


class Match(NamedTuple):
    """A gold entity and the prediction it was matched with, or one of them alone."""

    kind: Kind
    gold: Entity | None
    predicted: Entity | None


@dataclass(frozen=True)
class Example:
    """One mistake, as it first stood, and how often the same characters and labels went wrong in the same way.

    `gold` and `predicted` keep their place in the document; `context` begins at its code point `offset`.
    """

    kind: Kind
    count: int
    document: str
    context: str
    offset: int
    gold: Entity | None
    predicted: Entity | None


@dataclass(frozen=True)
class ErrorAnalysis:
    """Mistakes counted by class and by type, with examples.

    `confusion` counts matched pairs, correct ones included, as {gold type: {predicted type: n}}; `missed` and
    `spurious` count by type what was matched with nothing.
    """

    correct: int
    counts: dict[Kind, int]
    confusion: dict[str, dict[str, int]]
    missed: dict[str, int]
    spurious: dict[str, int]
    examples: dict[Kind, tuple[Example, ...]]

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts and lists, for JSON."""
        return asdict(self)


def analyse_errors(
    pairs: Iterable[tuple[Document, Sequence[Entity]]], max_examples: int = 10
) -> ErrorAnalysis:
    """Compare each document's own (gold) entities with the predicted ones that come with it.

    Args:
        pairs: documents with predictions, in code points of the document's text.
        max_examples: at most so many examples a class, the most frequent first, equally frequent ones by alphabet.
    """
    kinds: Counter[str] = Counter()
    types: Counter[tuple[str, str]] = Counter()
    firsts: dict[tuple[str, ...], Example] = {}
    occurrences: Counter[tuple[str, ...]] = Counter()
    for document, predicted in pairs:
        for match in match_entities(document.entities, predicted):
            kinds[match.kind] += 1
            types[_label(match.gold), _label(match.predicted)] += 1
            if match.kind != "correct":
                group = _group(document, match)
                occurrences[group] += 1
                firsts.setdefault(group, _example(document, match))
    return ErrorAnalysis(
        kinds["correct"],
        {kind: kinds[kind] for kind in ERROR_KINDS},
        _confusion(types),
        {gold: n for (gold, predicted), n in sorted(types.items()) if not predicted},
        {predicted: n for (gold, predicted), n in sorted(types.items()) if not gold},
        {kind: _most_frequent(kind, firsts, occurrences, max_examples) for kind in ERROR_KINDS},
    )


def match_entities(gold: Sequence[Entity], predicted: Sequence[Entity]) -> list[Match]:
    """Match each entity with at most one of the other side, so that the classes add up to the numbers of entities.

    Equal entities come first, then the same span, then overlapping spans of the same label, then overlapping spans;
    within these the longest overlap, then the place in the text. What is left over is missed or spurious: of two
    predictions inside one gold entity, one has a wrong border and the other is spurious.
    """
    candidates = sorted(_candidates(gold, predicted), key=lambda candidate: candidate[:-1])
    open_gold, open_predicted = set(range(len(gold))), set(range(len(predicted)))
    matches = []
    for *_, g, p, kind in candidates:
        if g in open_gold and p in open_predicted:
            open_gold.remove(g)
            open_predicted.remove(p)
            matches.append(Match(kind, gold[g], predicted[p]))
    matches += [Match("missed", gold[g], None) for g in sorted(open_gold)]
    matches += [Match("spurious", None, predicted[p]) for p in sorted(open_predicted)]
    return matches


def _candidates(gold: Sequence[Entity], predicted: Sequence[Entity]) -> Iterator[tuple]:
    """Yield (rank, -shared characters, places, index of gold, index of predicted, kind) for pairs that could be matched."""
    by_start = sorted(range(len(gold)), key=lambda g: gold[g].start)
    starts = [gold[g].start for g in by_start]
    longest = max((entity.end - entity.start for entity in gold), default=0)
    for p, guess in enumerate(predicted):
        # No gold entity that begins further left than the longest one is long can reach this one.
        first, last = (
            bisect_left(starts, guess.start - longest),
            bisect_left(starts, max(guess.end, guess.start + 1)),
        )
        for g in by_start[first:last]:
            rank, kind = _compare(gold[g], guess)
            if kind is not None:
                yield rank, -_shared(gold[g], guess), gold[g].key, guess.key, g, p, kind


def _compare(gold: Entity, predicted: Entity) -> tuple[int, Kind | None]:
    if (gold.start, gold.end) == (predicted.start, predicted.end):
        return (0, "correct") if gold.label == predicted.label else (1, "wrong_type")
    if _shared(gold, predicted) > 0:
        return (
            (2, "wrong_border") if gold.label == predicted.label else (3, "wrong_border_and_type")
        )
    return 4, None


def _shared(one: Entity, other: Entity) -> int:
    return min(one.end, other.end) - max(one.start, other.start)


def _label(entity: Entity | None) -> str:
    return entity.label if entity else ""


def _group(document: Document, match: Match) -> tuple[str, ...]:
    def parts(entity: Entity | None) -> tuple[str, str]:
        return (document.text[entity.start : entity.end], entity.label) if entity else ("", "")

    return match.kind, *parts(match.gold), *parts(match.predicted)


def _example(document: Document, match: Match) -> Example:
    entities = [entity for entity in (match.gold, match.predicted) if entity]
    offset = max(0, min(entity.start for entity in entities) - CONTEXT)
    context = document.text[offset : max(entity.end for entity in entities) + CONTEXT]
    return Example(match.kind, 1, document.id, context, offset, match.gold, match.predicted)


def _most_frequent(
    kind: Kind,
    firsts: dict[tuple[str, ...], Example],
    occurrences: Counter[tuple[str, ...]],
    most: int,
) -> tuple[Example, ...]:
    groups = sorted(
        (group for group in firsts if group[0] == kind),
        key=lambda group: (-occurrences[group], group),
    )
    return tuple(replace(firsts[group], count=occurrences[group]) for group in groups[:most])


def _confusion(types: Counter[tuple[str, str]]) -> dict[str, dict[str, int]]:
    table: dict[str, dict[str, int]] = {}
    for (gold, predicted), count in sorted(types.items()):
        if gold and predicted:
            table.setdefault(gold, {})[predicted] = count
    return table
