"""Expand the templates' language at random: `{slot}`, `{LABEL}`, `{LABEL:form}`, `<one|other>`."""

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
    """Hold a piece of a sentence's text; `label` is empty outside names."""

    text: str
    label: str = ""


def read_rules(text: str) -> dict[str, list[str]]:
    """Read lines of `name: choice | choice`; an indented line continues the one before it.

    >>> read_rules("town: Oslo |\\n  Lima")
    {'town': ['Oslo', 'Lima']}
    """
    rules = {}
    for line in content_lines(CONTINUATION.sub(" ", text)):
        name, choices = line.split(": ", 1)
        rules[name] = choices.split(" | ")
    return rules


def content_lines(text: str) -> list[str]:
    """Select the lines that are neither empty nor comments."""
    return [line for line in text.splitlines() if line and not line.startswith("#")]


class Grammar:
    """Expand templates with `rules`; slots that no rule names are words for the inventor."""

    def __init__(self, rules: Rules, inventor: Inventor):
        self.rules = rules
        self.inventor = inventor

    def expand(self, template: str) -> Iterator[Segment]:
        """Yield the segments of one sentence; a slot in capitals becomes one with a label."""
        for literal, slot in slots(self._choose(template)):
            if literal:
                yield Segment(literal)
            if slot in KINDS:
                yield Segment(self.inventor.word(slot))
            elif slot:
                yield from self._fill(slot)

    def _fill(self, slot: str) -> Iterator[Segment]:
        choices = self.rules[slot]
        choice = self.inventor.pick(choices)
        segments = self.expand(choice)
        label, *_ = slot.split(":")
        if label.isupper():
            text = "".join(segment.text for segment in segments)
            yield Segment(text, label)
        else:
            yield from segments

    def _choose(self, template: str) -> str:
        while match := INNERMOST_CHOICE.search(template):
            choices = match[1].split("|")
            choice = self.inventor.pick(choices)
            begin, end = match.span()
            template = f"{template[:begin]}{choice}{template[end:]}"
        return template


def slots(template: str) -> Iterator[tuple[str, str]]:
    """Pair each literal text with the slot after it; the last slot is empty.

    >>> list(slots("In {town}."))
    [('In ', 'town'), ('.', '')]
    """
    texts_and_slots = SLOT.split(template)
    texts = texts_and_slots[::2]
    names = texts_and_slots[1::2]
    return zip(texts, [*names, ""], strict=True)
