"""Say where a recognizer is from: to show it, and to open it again in another process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from markupsafe import Markup

from tfner.corpus.context import Context
from tfner.safeio.printable import one_line

if TYPE_CHECKING:
    from tfner.serving.runtime.recognizer import Recognizer

MEMORY = "in memory"
# Of a card: what says how texts are read.
SHOWN = ("encoder", "tag_scheme", "max_length", "overlap")
ROW = Markup("<tr><th style='text-align:left'>{}</th><td style='text-align:left'>{}</td></tr>")
TABLE = Markup("<table>{}</table>")


class Origin(NamedTuple):
    """Name a recognizer's folder or URL; `open` gives the same recognizer anew."""

    name: str
    open: Callable[[], Recognizer]


def from_origin(
    recognizer: Recognizer, open: Callable[..., Recognizer], name: str, **options: Any
) -> Recognizer:
    """Note that `open(name, **options)` has made a recognizer."""
    recognizer.origin = Origin(name, partial(open, name, **options))
    return recognizer


def reopen(open: Callable[[], Recognizer], context: Context) -> Recognizer:
    """Open a recognizer that was pickled."""
    recognizer = open()
    recognizer.context = context
    return recognizer


def describe(recognizer: Recognizer) -> dict[str, str]:
    """List what a recognizer is, as texts by name."""
    origin = recognizer.origin
    card: Mapping[str, Any] = recognizer.card
    described = {"model": origin.name if origin else MEMORY}
    labels = ", ".join(recognizer.labels)
    described["labels"] = labels or "the server does not say"
    for key in SHOWN:
        value = card.get(key)
        if isinstance(value, (str, int)):
            described[key] = str(value)
    described["context"] = recognizer.context
    return {key: one_line(value) for key, value in described.items()}


def describe_as_table(recognizer: Recognizer) -> str:
    """Write what a recognizer is as a table of HTML."""
    described = describe(recognizer)
    rows = [ROW.format(key.replace("_", " "), value) for key, value in described.items()]
    return TABLE.format(Markup("").join(rows))
