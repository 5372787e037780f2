"""Write text for people to read, with its entities marked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TextIO
from zlib import crc32

from rich.console import Console
from rich.style import Style
from rich.text import Text

from tfner.documents import Document, Entity
from tfner.formats.registry import Format, register
from tfner.formats.resume import WrittenFile, as_many_lines
from tfner.formats.writers import StreamWriter, Target
from tfner.safeio.printable import printable
from tfner.tagging.spans import keep_longest

COLOURS = (
    "dark_orange",
    "deep_sky_blue1",
    "chartreuse3",
    "orchid",
    "gold1",
    "turquoise2",
    "salmon1",
    "medium_purple1",
)


class TextWriter(StreamWriter):
    """Colour entities and add their label in a terminal; write `[text](LABEL)` elsewhere.

    Of overlapping entities the longest is shown. Control characters are shown as pictures and do
    nothing.
    """

    def __init__(self, target: Target, *, resume: bool = False):
        super().__init__(target, resume=resume)
        self._console = None if self._path else colour_console(self._stream)

    def write(self, document: Document, entities: Sequence[Entity]) -> None:
        kept, overlapping = keep_longest(entities)
        for entity in overlapping:
            detail = f"{entity.label} {entity.start}-{entity.end}"
            self.ledger.record("overlapping", document.id, detail)
        cut = cut_text(document.text, kept)
        segments = [(printable(text), printable(label)) for text, label in cut]
        if self._console:
            # Text objects, not strings: brackets in the text are brackets, not rich's markup.
            pieces = [piece for text, label in segments for piece in coloured(text, label)]
            self._console.print(Text.assemble(*pieces), soft_wrap=True)
        else:
            marked = (f"[{text}]({label})" if label else text for text, label in segments)
            self._stream.write("".join(marked) + "\n")


def colour_console(stream: TextIO) -> Console | None:
    """Open a console on a stream that is a terminal with colours."""
    console = Console(file=stream, highlight=False)
    has_colours = console.is_terminal and not (console.no_color or console.is_dumb_terminal)
    return console if has_colours else None


def cut_text(text: str, entities: Sequence[Entity]) -> Iterator[tuple[str, str]]:
    """Cut a text at the borders of disjoint, sorted entities into (characters, label or "").

    >>> list(cut_text("in Oslo.", [Entity(3, 7, "LOC")]))
    [('in ', ''), ('Oslo', 'LOC'), ('.', '')]
    """
    position = 0
    for entity in entities:
        yield text[position : entity.start], ""
        yield text[entity.start : entity.end], entity.label
        position = entity.end
    yield text[position:], ""


def coloured(text: str, label: str) -> list[tuple[str, Style]]:
    """Give a label the same colour in every run."""
    if not label:
        return [(text, Style())]
    number = crc32(label.encode("utf-8", "replace"))
    colour = COLOURS[number % len(COLOURS)]
    marked = Style(color="black", bgcolor=colour)
    return [(text, marked), (f" {label}", Style(color=colour, bold=True))]


def is_text_of(record: bytes, document: Document) -> bool:
    """Tell whether the document's characters are there in order, among brackets and labels."""
    characters = iter(record.decode("utf-8", "replace"))
    expected = re.sub(r"\s", "", printable(document.text))
    return all(character in characters for character in expected)


register(
    Format(
        name="text",
        suffixes=(".txt",),
        open_writer=TextWriter,
        resume=partial(WrittenFile, ends=as_many_lines, belongs=is_text_of),
    )
)
