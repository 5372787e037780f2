"""Write a text as HTML with its entities in colour, for pages and notebooks; all is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from markupsafe import Markup, escape

from tfner.safeio.printable import one_line, printable

GOLDEN_ANGLE = 137.508  # degrees between hues: those of any number of types stay apart
# The text is as it stands, and has the direction of its script.
TEXT = Markup('<div dir="auto" style="white-space:pre-wrap;line-height:1.8">{}</div>')
OPEN = Markup('<mark style="background:{}" title="{}">')
CLOSE = Markup("<small><bdi> {}</bdi></small></mark>")
SAMPLE = Markup('<span style="background:{}">&emsp;</span> <bdi>{}</bdi>')


class Marked(Protocol):
    """Describe what is marked: a labelled span of a text with its score."""

    @property
    def start(self) -> int: ...

    @property
    def end(self) -> int: ...

    @property
    def label(self) -> str: ...

    @property
    def score(self) -> float: ...


class Colours:
    """Give each type a colour, in the order in which types are first seen."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def of(self, label: str) -> str:
        """Give the colour of a type as CSS writes it; black text can be read on it.

        >>> colours = Colours()
        >>> colours.of("PER"), colours.of("LOC"), colours.of("PER")
        ('hsl(0 80% 82%)', 'hsl(138 80% 82%)', 'hsl(0 80% 82%)')
        """
        number = self.numbers.setdefault(label, len(self.numbers))
        hue = round(number * GOLDEN_ANGLE) % 360
        return f"hsl({hue} 80% 82%)"


def text_block(text: str, entities: Iterable[Marked], colours: Colours) -> Markup:
    """Write a text as a block of its own; entities that cross another one are not marked."""
    kept, _ = nest(entities)
    return TEXT.format(mark_text(text, kept, colours))


def legend(colours: Colours) -> Markup:
    """Write what the colours mean.

    >>> colours = Colours()
    >>> _ = colours.of("a&b")
    >>> legend(colours)
    Markup('<span style="background:hsl(0 80% 82%)">&emsp;</span> <bdi>a&amp;b</bdi>')
    """
    samples = [SAMPLE.format(colours.of(label), label) for label in colours.numbers]
    return Markup("&ensp;").join(samples)


def mark_text(text: str, nested: Iterable[Marked], colours: Colours) -> Markup:
    r"""Write a text with its entities, each with its type behind it and its score as a title.

        >>> from tfner.documents import Entity
        >>> marked = mark_text("<Bo>", [Entity(1, 3, "PER", 0.5)], Colours())
        >>> print(str(marked).replace("<", "\n<"))
        &lt;
        <mark style="background:hsl(0 80% 82%)" title="PER 0.50">Bo
        <small>
        <bdi> PER
        </bdi>
        </small>
        </mark>&gt;

    Args:
        nested: as `nest` keeps them.
    """
    shown = printable(text)
    pieces = []
    position = 0
    for border, mark in borders(nested, colours):
        pieces.append(escape(shown[position:border]))
        pieces.append(mark)
        position = border
    rest = shown[position:]
    pieces.append(escape(rest))
    return Markup("").join(pieces)


def borders(nested: Iterable[Marked], colours: Colours) -> Iterator[tuple[int, Markup]]:
    """Yield where in the text a mark opens or closes, and the mark, in their order."""
    open_marks: list[Marked] = []
    for entity in nested:
        while open_marks and open_marks[-1].end <= entity.start:
            yield closing(open_marks.pop())
        label = one_line(entity.label)
        colour = colours.of(label)
        yield entity.start, OPEN.format(colour, f"{label} {entity.score:.2f}")
        open_marks.append(entity)
    while open_marks:
        yield closing(open_marks.pop())


def closing(entity: Marked) -> tuple[int, Markup]:
    """Give where an entity ends, and what closes its mark."""
    label = one_line(entity.label)
    return entity.end, CLOSE.format(label)


def nest(entities: Iterable[Marked]) -> tuple[list[Marked], list[Marked]]:
    """Keep entities that are apart or one within another, as elements of HTML have to be.

        >>> from tfner.documents import Entity
        >>> city, new, across = Entity(0, 8, "LOC"), Entity(0, 3, "X"), Entity(4, 12, "Y")
        >>> nest([across, new, city]) == ([city, new], [across])
        True

    Returns:
        (kept, crossing), both sorted by start, the longest first.
    """
    kept: list[Marked] = []
    crossing: list[Marked] = []
    ends: list[int] = []
    for entity in sorted(entities, key=outer_first):
        while ends and ends[-1] <= entity.start:
            ends.pop()
        if ends and ends[-1] < entity.end:
            crossing.append(entity)
        else:
            kept.append(entity)
            ends.append(entity.end)
    return kept, crossing


def outer_first(entity: Marked) -> tuple[int, int]:
    """Order entities by their start, and the longest first."""
    return entity.start, -entity.end
