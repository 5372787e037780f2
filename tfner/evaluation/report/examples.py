"""Cut the context of an error at the borders of its entities, for a page that marks them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

from tfner.evaluation.errors import CONTEXT

MARKS = {"g": "gold", "p": "predicted"}  # class in the page -> key of an example


def marked_pieces(example: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Cut a context into (text, marks): `g` within the gold entity, `p` within the predicted one.

    Entities count from the start of their document, the context begins at its code point `offset`.

    >>> gold, predicted = {"start": 10, "end": 14}, {"start": 12, "end": 18}
    >>> context = {"context": "in New York", "offset": 7}
    >>> marked_pieces({**context, "gold": gold, "predicted": predicted})
    [('in ', ''), ('Ne', 'g'), ('w ', 'g p'), ('York', 'p')]
    """
    context: str = example["context"]
    spans = spans_in_context(example)
    borders = {0, len(context)}.union(*spans.values())
    pieces = []
    for start, end in pairwise(sorted(borders)):
        marks = (mark for mark, (first, last) in spans.items() if first <= start and end <= last)
        pieces.append((context[start:end], " ".join(marks)))
    return pieces


def marked_spans(
    example: Mapping[str, Any], entities: Iterable[Mapping[str, Any]]
) -> list[tuple[str, bool]]:
    """Cut a context into (text, whether it is within one of some entities), which may overlap.

    >>> context = {"context": "in New York", "offset": 7}
    >>> marked_spans(context, [{"start": 10, "end": 18}, {"start": 14, "end": 18}])
    [('in ', False), ('New ', True), ('York', True)]
    """
    context, offset = example["context"], example["offset"]
    spans = [(entity["start"] - offset, entity["end"] - offset) for entity in entities]
    within = [min(border, len(context)) for span in spans for border in span]
    borders = {0, len(context), *within}
    pieces = []
    for start, end in pairwise(sorted(borders)):
        is_marked = any(first <= start and end <= last for first, last in spans)
        pieces.append((context[start:end], is_marked))
    return pieces


def cut_short(example: Mapping[str, Any]) -> bool:
    """Tell whether the text goes on behind the context: then it ends CONTEXT after its entities."""
    last = max(end for _, end in spans_in_context(example).values())
    return len(example["context"]) - last == CONTEXT


def spans_in_context(example: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Count the spans of the entities that are there from the start of the context, by mark."""
    spans = {}
    for mark, key in MARKS.items():
        if entity := example[key]:
            start = entity["start"] - example["offset"]
            end = entity["end"] - example["offset"]
            spans[mark] = (start, end)
    return spans
