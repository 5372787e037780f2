"""Write the quickstart corpus: `python -m tfner.quickstart.generate FOLDER`.

It makes train.jsonl, dev.jsonl and test.jsonl. The texts are our own: hand-written templates
(`templates/`) filled with invented names, each used once. So no name of dev or test occurs in
train, and a third of dev and of test comes from templates that train does not have. The same bytes
come out on every machine.
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
    """Count the sentences of a split: from the templates of train, and from a file of its own."""

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
    """Write the three files to `folder`, which is made where it is missing; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    grammar = quickstart_grammar()
    return [write_split(folder / f"{split.name}.jsonl", split, grammar) for split in SPLITS]


def write_split(target: Path, split: Split, grammar: Grammar) -> Path:
    """Write one split, a record a line: id, text, entities and whether train has its template."""
    compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
    lines = [compact.encode(record) + "\n" for record in records(split, grammar)]
    target.write_text("".join(lines), encoding="utf-8", newline="\n")
    return target


def quickstart_grammar() -> Grammar:
    """Read the rules of the template files, with an inventor that avoids all their words."""
    rule_files = ("fillers.txt", "names.txt")
    template_files = ("seen.txt", "unseen_dev.txt", "unseen_test.txt")
    rules = {}
    ordinary = set()
    for file in (*template_files, *rule_files):
        text = template_text(file)
        ordinary.update(re.findall(r"\w+", text))
        if file in rule_files:
            rules.update(read_rules(text))
    return Grammar(rules, Inventor(Random(SEED), ordinary))


def template_text(name: str) -> str:
    """Read a file in `templates/`."""
    path = embedded_path(f"embedded:quickstart/templates/{name}")
    return path.read_text(encoding="utf-8")


def records(split: Split, grammar: Grammar) -> Iterator[dict]:
    """Yield the sentences of a split, those of its own templates last.

    Every template comes about equally often.
    """
    plan = [("seen", template) for template in deal("seen.txt", split.seen)]
    plan += [("unseen", template) for template in deal(split.unseen_templates, split.unseen)]
    for number, (origin, template) in enumerate(plan, start=1):
        as_written = template.startswith(CASE_AS_WRITTEN)
        marked = template.removeprefix(CASE_AS_WRITTEN)
        opened = with_opener(marked, grammar)
        segments = grammar.expand(opened)
        text, entities = assemble(segments)
        if not as_written:
            text = text[0].upper() + text[1:]
        record = {"id": f"{split.name}-{number}", "text": text, "entities": entities}
        yield {**record, "slice": f"{origin} templates"}


def with_opener(template: str, grammar: Grammar) -> str:
    """Put `However, ` or the like now and then before a template that is marked for it."""
    if not template.startswith(BEARS_OPENER):
        return template
    opener = "{opener} " if grammar.inventor.chance(OPENER_SHARE) else ""
    return opener + template.removeprefix(BEARS_OPENER)


def deal(file: str, count: int) -> list[str]:
    """Take `count` templates of a file in turn, beginning again at its end."""
    templates = content_lines(template_text(file)) if count else []
    return [templates[number % len(templates)] for number in range(count)]


def assemble(segments: Iterator[Segment]) -> tuple[str, list[dict]]:
    """Join segments to a text and the entities in it, with offsets in code points.

    >>> assemble(iter([Segment("In "), Segment("Oslo", "LOC"), Segment(".")]))
    ('In Oslo.', [{'start': 3, 'end': 7, 'label': 'LOC'}])
    """
    text = ""
    entities = []
    for segment in segments:
        start = len(text)
        label = segment.label
        if label:
            text += segment.text
            entities.append({"start": start, "end": len(text), "label": label})
        else:
            text += shorten_possessive(text, segment.text)
    return text, entities


def shorten_possessive(before: str, after: str) -> str:
    """Write `Haldas's boat` as `Haldas' boat`.

    >>> shorten_possessive("Haldas", "'s boat")
    "' boat"
    """
    if before[-1:] in "sxz" and after.startswith(POSSESSIVE):
        return "'" + after.removeprefix(POSSESSIVE)
    return after


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
