"""Examples of errors as HTML: the context with the gold and the predicted entity marked in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from tfner.evaluation.errors import CONTEXT
from tfner.evaluation.report.markup import Markup, element, join


def examples_section(examples: Mapping[str, Sequence[Mapping[str, Any]]]) -> Markup | None:
    """A list for each class of errors, the first one open; None where there are no examples."""
    filled = [(kind, items) for kind, items in examples.items() if items]
    if not filled:
        return None
    legend = element(
        "p",
        element("mark", "gold", class_="g"),
        " ",
        element("mark", "predicted", class_="p"),
        class_="quiet",
    )
    lists = [_list(kind, items, opened=number == 0) for number, (kind, items) in enumerate(filled)]
    return element("section", element("h2", "Examples, the most frequent first"), legend, *lists)


def _list(kind: str, items: Sequence[Mapping[str, Any]], opened: bool) -> Markup:
    summary = element("summary", element("i", class_=kind), kind.replace("_", " "))
    return element("details", summary, element("ol", *(_item(item) for item in items)), open=opened)


def _item(item: Mapping[str, Any]) -> Markup:
    gold, predicted = item["gold"], item["predicted"]
    facts = [
        element("span", gold["label"], class_="chip g") if gold else None,
        element("span", predicted["label"], class_="chip p") if predicted else None,
        element("span", f"{item['count']:,} times") if item["count"] > 1 else None,
        element("bdi", item["document"]),
    ]
    return element(
        "li",
        element("p", marked_context(item), dir="auto", class_="context"),
        element("p", *facts, class_="facts quiet"),
    )


def marked_context(item: Mapping[str, Any]) -> Markup:
    """The context cut at the borders of both entities, each part marked for the entities it lies in."""
    spans = [
        (name, *_place(item[key], item["offset"]))
        for name, key in (("g", "gold"), ("p", "predicted"))
        if item[key]
    ]
    context: str = item["context"]
    borders = sorted(
        {0, len(context), *(border for _, start, end in spans for border in (start, end))}
    )
    parts = [_part(context, start, end, spans) for start, end in pairwise(borders)]
    cut = len(context) - max(end for _, _, end in spans) == CONTEXT
    return join("…" if item["offset"] else None, *parts, "…" if cut else None)


def _place(entity: Mapping[str, Any], offset: int) -> tuple[int, int]:
    return entity["start"] - offset, entity["end"] - offset


def _part(
    context: str, start: int, end: int, spans: Sequence[tuple[str, int, int]]
) -> Markup | str:
    names = " ".join(name for name, first, last in spans if first <= start and end <= last)
    return element("mark", context[start:end], class_=names) if names else context[start:end]
