"""The small language of the templates: `{slot}`, `{LABEL}`, `{LABEL:form}` and `<one|other>`, expanded at random."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from tfner.quickstart.words import KINDS, Inventor

INNERMOST_CHOICE = re.compile(r"<([^<>]*)>")
SLOT = re.compile(r"\{([^{}]+)\}")
CONTINUATION = re.compile(r"\n +")
Rules = Mapping[str, Sequence[str]]


class Segment(NamedTuple):
    """A stretch of a sentence; `label` is empty outside names."""

    text: str
    label: str = ""


def read_rules(text: str) -> dict[str, list[str]]:
    """Lines of `name: choice | choice`; an indented line continues the one before it."""
    pairs = (line.split(": ", 1) for line in content_lines(CONTINUATION.sub(" ", text)))
    return {name: choices.split(" | ") for name, choices in pairs}


def content_lines(text: str) -> list[str]:
    """The lines that are neither empty nor comments."""
    return [line for line in text.splitlines() if line and not line.startswith("#")]


class Grammar:
    """Expands templates with `rules`; slots that no rule names are words for the inventor."""

    def __init__(self, rules: Rules, inventor: Inventor):
        self.rules = rules
        self.inventor = inventor

    def expand(self, template: str) -> Iterator[Segment]:
        """The segments of one sentence; a slot in capitals becomes one segment with a label."""
        for literal, slot in slots(self._choose(template)):
            if literal:
                yield Segment(literal)
            if slot in KINDS:
                yield Segment(self.inventor.word(slot))
            elif slot:
                yield from self._fill(slot)

    def _fill(self, slot: str) -> Iterator[Segment]:
        segments = self.expand(self.inventor.pick(self.rules[slot]))
        label = slot.split(":")[0]
        if label.isupper():
            yield Segment("".join(segment.text for segment in segments), label)
        else:
            yield from segments

    def _choose(self, template: str) -> str:
        while match := INNERMOST_CHOICE.search(template):
            choice = self.inventor.pick(match[1].split("|"))
            template = template[: match.start()] + choice + template[match.end() :]
        return template


def slots(template: str) -> Iterator[tuple[str, str]]:
    """Pairs of literal text and the slot after it; the last slot is empty."""
    parts = SLOT.split(template)
    return zip(parts[::2], [*parts[1::2], ""], strict=True)
