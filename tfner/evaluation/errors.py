"""Sort mistakes by kind: every gold and every predicted entity is put in exactly one class."""

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
    """Pair a gold entity with its prediction; one of them is None where it stands alone."""

    kind: Kind
    gold: Entity | None
    predicted: Entity | None

    @property
    def types(self) -> tuple[str, str]:
        """Give the gold and the predicted label, "" for no entity."""
        gold = self.gold.label if self.gold else ""
        predicted = self.predicted.label if self.predicted else ""
        return gold, predicted


TypeCounts = dict[str, int]  # entities by type
Confusion = dict[str, TypeCounts]  # pairs by gold type, then by predicted type
# Mistakes that count as the same: kind, gold text, gold label, predicted text, predicted label.
ErrorGroup = tuple[str, ...]


@dataclass(frozen=True)
class Example:
    """Show one mistake where it first stood, and count those with the same characters and labels.

    `gold` and `predicted` keep their spans in the document; `context` begins at its code point
    `offset`.
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
    """Count mistakes by class and by type, with examples.

    `confusion` counts matched pairs, correct ones included, as {gold type: {predicted type: n}};
    `missed` and `spurious` count by type what was matched with nothing.
    """

    correct: int
    counts: dict[Kind, int]
    confusion: Confusion
    missed: TypeCounts
    spurious: TypeCounts
    examples: dict[Kind, tuple[Example, ...]]

    def to_dict(self) -> dict[str, Any]:
        """Give plain dicts and lists, for JSON."""
        return asdict(self)


def analyse_errors(
    pairs: Iterable[tuple[Document, Sequence[Entity]]], max_examples: int = 10
) -> ErrorAnalysis:
    """Compare each document's own (gold) entities with the predicted ones that come with it.

    Args:
        pairs: documents with predictions, in code points of the document's text.
        max_examples: at most so many examples a class, the most frequent first, equally frequent
            ones by alphabet.
    """
    kinds, types = Counter(), Counter()
    firsts: dict[ErrorGroup, Example] = {}
    occurrences = Counter()
    for document, predicted in pairs:
        for match in match_entities(document.entities, predicted):
            kinds[match.kind] += 1
            types[match.types] += 1
            if match.kind != "correct":
                group = _group(document, match)
                occurrences[group] += 1
                firsts.setdefault(group, _example(document, match))
    confusion, missed, spurious = _count_types(types)
    examples = _most_frequent(firsts, occurrences, max_examples)
    counts: dict[Kind, int] = {kind: kinds[kind] for kind in ERROR_KINDS}
    return ErrorAnalysis(kinds["correct"], counts, confusion, missed, spurious, examples)


def match_entities(gold: Sequence[Entity], predicted: Sequence[Entity]) -> list[Match]:
    """Match each entity with at most one of the other side, so that classes add up to entities.

    Equal entities come first, then the same span, then overlapping spans of the same label, then
    overlapping spans; within these the longest overlap, then the order in the text. What is left
    over is missed or spurious: of two predictions inside one gold entity, one has a wrong border
    and the other is spurious.

    >>> gold = [Entity(0, 14, "ORG"), Entity(20, 24, "LOC")]
    >>> predicted = [Entity(0, 3, "ORG"), Entity(4, 14, "ORG"), Entity(20, 24, "PER")]
    >>> for kind, expected, found in match_entities(gold, predicted):
    ...     print(kind, expected and expected.key, found and found.key)
    wrong_type (20, 24, 'LOC') (20, 24, 'PER')
    wrong_border (0, 14, 'ORG') (4, 14, 'ORG')
    spurious None (0, 3, 'ORG')
    """
    open_gold = set(range(len(gold)))
    open_predicted = set(range(len(predicted)))
    matches = []
    for *_, g, p, kind in sorted(_candidates(gold, predicted)):
        if g in open_gold and p in open_predicted:
            open_gold.remove(g)
            open_predicted.remove(p)
            matches.append(Match(kind, gold[g], predicted[p]))
    missed = [Match("missed", gold[g], None) for g in sorted(open_gold)]
    spurious = [Match("spurious", None, predicted[p]) for p in sorted(open_predicted)]
    return matches + missed + spurious


def _candidates(gold: Sequence[Entity], predicted: Sequence[Entity]) -> Iterator[tuple]:
    """Yield the pairs that could be matched, as tuples that sort by preference.

    Returns:
        (rank, -shared characters, gold key, predicted key, gold index, predicted index, kind).
    """
    by_start = sorted(enumerate(gold), key=lambda item: item[1].start)
    starts = [entity.start for _, entity in by_start]
    lengths = [entity.end - entity.start for entity in gold]
    longest = max(lengths, default=0)
    for p, guess in enumerate(predicted):
        # A gold entity that begins further left than the longest one is long cannot reach this one.
        first = bisect_left(starts, guess.start - longest)
        behind = max(guess.end, guess.start + 1)
        last = bisect_left(starts, behind)
        for g, entity in by_start[first:last]:
            rank, kind = _compare(entity, guess)
            if kind is not None:
                shared = _shared(entity, guess)
                yield rank, -shared, entity.key, guess.key, g, p, kind


def _compare(gold: Entity, predicted: Entity) -> tuple[int, Kind | None]:
    """Rank a pair, 0 the best, and name its class; None where the two share nothing."""
    same_label = gold.label == predicted.label
    if (gold.start, gold.end) == (predicted.start, predicted.end):
        return (0, "correct") if same_label else (1, "wrong_type")
    if _shared(gold, predicted) > 0:
        return (2, "wrong_border") if same_label else (3, "wrong_border_and_type")
    return 4, None


def _shared(one: Entity, other: Entity) -> int:
    """Count the characters that two entities share; negative where they are apart."""
    end = min(one.end, other.end)
    return end - max(one.start, other.start)


def _group(document: Document, match: Match) -> ErrorGroup:
    """Key mistakes by class, characters and labels."""
    gold = _text(document, match.gold)
    predicted = _text(document, match.predicted)
    gold_label, predicted_label = match.types
    return match.kind, gold, gold_label, predicted, predicted_label


def _text(document: Document, entity: Entity | None) -> str:
    """Give the characters of an entity, "" for none."""
    return document.text[entity.start : entity.end] if entity else ""


def _example(document: Document, match: Match) -> Example:
    """Cut the context of a mistake out of its document."""
    entities = filter(None, (match.gold, match.predicted))
    context, offset = cut_context(document.text, list(entities))
    return Example(match.kind, 1, document.id, context, offset, match.gold, match.predicted)


def cut_context(text: str, entities: Sequence[Entity]) -> tuple[str, int]:
    """Cut some entities with CONTEXT characters on either side out of a text; say where it begins.

    >>> cut_context("Mara left", [Entity(0, 4, "PER")])
    ('Mara left', 0)
    """
    first = min(entity.start for entity in entities)
    last = max(entity.end for entity in entities)
    offset = max(0, first - CONTEXT)
    return text[offset : last + CONTEXT], offset


def _most_frequent(
    firsts: dict[ErrorGroup, Example], occurrences: Counter[ErrorGroup], most: int
) -> dict[Kind, tuple[Example, ...]]:
    """Choose for each class the examples that stand for most mistakes, then by alphabet."""
    examples: dict[Kind, list[Example]] = {kind: [] for kind in ERROR_KINDS}
    alphabetical = sorted(firsts)
    for group in sorted(alphabetical, key=occurrences.__getitem__, reverse=True):
        example = replace(firsts[group], count=occurrences[group])
        examples[example.kind].append(example)
    return {kind: tuple(found[:most]) for kind, found in examples.items()}


def _count_types(types: Counter[tuple[str, str]]) -> tuple[Confusion, TypeCounts, TypeCounts]:
    """Nest the counts of (gold type, predicted type), "" where one side is missing.

    Returns:
        Pairs as {gold: {predicted: count}}, then missed and spurious entities by type.

    >>> _count_types(Counter({("PER", "LOC"): 2, ("PER", ""): 1, ("", "LOC"): 3}))
    ({'PER': {'LOC': 2}}, {'PER': 1}, {'LOC': 3})
    """
    confusion, missed, spurious = {}, {}, {}
    for (gold, predicted), count in sorted(types.items()):
        if not predicted:
            missed[gold] = count
        elif not gold:
            spurious[predicted] = count
        else:
            row = confusion.setdefault(gold, {})
            row[predicted] = count
    return confusion, missed, spurious
