"""Writes the quickstart corpus: `python -m tfner.quickstart.generate FOLDER` gives train.jsonl, dev.jsonl and test.jsonl.

The texts are our own: hand-written templates (`templates/`) filled with invented names, each used once. So no name of
dev or test occurs in train, and a third of dev and of test comes from templates that train does not have. The same
bytes come out on every machine.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

from tfner.quickstart.grammar import Grammar, Segment, content_lines, read_rules
from tfner.quickstart.words import Inventor
from tfner.safeio.sources import embedded_path

SEED = 2021
CASE_AS_WRITTEN, BEARS_OPENER = "^", "+"
OPENER_SHARE = 0.2
POSSESSIVE = "'s"


class Split(NamedTuple):
    """How many sentences a split takes from the templates of train, and how many from a file of its own."""

    name: str
    seen: int
    unseen: int = 0
    unseen_templates: str = ""


SPLITS = (
    Split("train", 4600),
    Split("dev", 240, 120, "unseen_dev.txt"),
    Split("test", 400, 200, "unseen_test.txt"),
)


def main(arguments: Sequence[str]) -> int:
    """Parse the command line and write the splits."""
    if len(arguments) != 1:
        print("usage: python -m tfner.quickstart.generate FOLDER", file=sys.stderr)
        return 2
    for written in write_corpus(Path(arguments[0])):
        print(written)
    return 0


def write_corpus(folder: Path) -> list[Path]:
    """Write the three files to `folder`, which is made where it is missing; gives their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    grammar = quickstart_grammar()
    return [write_split(folder / f"{split.name}.jsonl", split, grammar) for split in SPLITS]


def write_split(target: Path, split: Split, grammar: Grammar) -> Path:
    """Write one split, a record a line: id, text, entities and whether train has its template."""
    lines = (
        json.dumps(record, ensure_ascii=False, separators=(",", ":"))
        for record in records(split, grammar)
    )
    target.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
    return target


def quickstart_grammar() -> Grammar:
    """The rules of the template files, with an inventor that avoids all their words."""
    rules = {**read_rules(template_text("fillers.txt")), **read_rules(template_text("names.txt"))}
    files = ("seen.txt", "unseen_dev.txt", "unseen_test.txt", "fillers.txt", "names.txt")
    ordinary = {word for file in files for word in re.findall(r"\w+", template_text(file))}
    return Grammar(rules, Inventor(Random(SEED), ordinary))


def template_text(name: str) -> str:
    """The text of a file in `templates/`."""
    return embedded_path(f"embedded:quickstart/templates/{name}").read_text(encoding="utf-8")


def records(split: Split, grammar: Grammar) -> Iterator[dict]:
    """The sentences of a split, those of its own templates last; every template comes about equally often."""
    plan = [("seen", template) for template in deal("seen.txt", split.seen)]
    plan += [("unseen", template) for template in deal(split.unseen_templates, split.unseen)]
    for number, (origin, template) in enumerate(plan, start=1):
        text, entities = assemble(
            grammar.expand(with_opener(template.removeprefix(CASE_AS_WRITTEN), grammar))
        )
        if not template.startswith(CASE_AS_WRITTEN):
            text = text[0].upper() + text[1:]
        yield {
            "id": f"{split.name}-{number}",
            "text": text,
            "entities": entities,
            "slice": f"{origin} templates",
        }


def with_opener(template: str, grammar: Grammar) -> str:
    """Now and then `However, ` or the like before a template that is marked for it."""
    if not template.startswith(BEARS_OPENER):
        return template
    opener = "{opener} " if grammar.inventor.chance(OPENER_SHARE) else ""
    return opener + template.removeprefix(BEARS_OPENER)


def deal(file: str, count: int) -> list[str]:
    """`count` templates of a file in turn, beginning again at its end."""
    templates = content_lines(template_text(file)) if count else []
    return [templates[number % len(templates)] for number in range(count)]


def assemble(segments: Iterator[Segment]) -> tuple[str, list[dict]]:
    """Join segments to a text and the entities in it, with offsets in code points."""
    text, entities = "", []
    for segment in segments:
        if segment.label:
            entities.append(
                {"start": len(text), "end": len(text) + len(segment.text), "label": segment.label}
            )
            text += segment.text
        else:
            text += shorten_possessive(text, segment.text)
    return text, entities


def shorten_possessive(before: str, after: str) -> str:
    """`Haldas's boat` is written `Haldas' boat`."""
    return (
        "'" + after.removeprefix(POSSESSIVE)
        if before[-1:] in "sxz" and after.startswith(POSSESSIVE)
        else after
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
