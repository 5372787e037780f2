"""Show suspects for people to judge: as a table, a page, lines of JSON, and texts to mark again."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Template
from rich.console import Console
from rich.table import Table

from tfner.annotation.suspects import Suspect
from tfner.documents import Document, Entity
from tfner.evaluation.errors import ERROR_KINDS, cut_context
from tfner.evaluation.report.page import FOLDER as REPORT
from tfner.evaluation.report.page import page_environment
from tfner.evaluation.report.report import write_report
from tfner.formats.jsonl import entity_record
from tfner.formats.registry import Format, writable
from tfner.safeio.printable import one_line, printable
from tfner.safeio.whole_files import written_whole
from tfner.tagging.spans import overlap

FOLDER = Path(__file__).parent
EVEN = 0.5  # a mark that scores more is more likely wrong than right
SCORE_DIGITS = 6
LONGEST_CELL = 40  # characters
MEANINGS = {
    "missed": "nothing is marked where the model finds an entity",
    "spurious": "marked where the model finds none",
    "wrong_type": "marked with another label than the model's",
    "wrong_border": "marked with other borders than the model's",
    "wrong_border_and_type": "marked with other borders and another label",
}


class Counts(NamedTuple):
    """Count what was judged: marks, spots where one may be missing, and doubtful ones of both."""

    marks: int
    unmarked: int
    doubtful: dict[str, int]  # above EVEN, by kind

    def __str__(self) -> str:
        both = f"{self.marks:,} marks and {self.unmarked:,} unmarked spots were judged"
        total = sum(self.doubtful.values())
        kinds = [f"{count:,} {kind}" for kind, count in self.doubtful.items() if count]
        listed = ", ".join(kinds).replace("_", " ")
        doubtful = f"{total:,} are more likely wrong than right"
        return f"{both}; {doubtful} ({listed})" if kinds else f"{both}; none is likely wrong"


def count_suspects(suspects: Iterable[Suspect]) -> Counts:
    """Count suspects by what they are."""
    is_mark = Counter[bool]()
    kinds = Counter[str]()
    for suspect in suspects:
        is_mark[suspect.marked is not None] += 1
        if suspect.score > EVEN:
            kinds[suspect.kind] += 1
    return Counts(is_mark[True], is_mark[False], {kind: kinds[kind] for kind in ERROR_KINDS})


def suspect_record(suspect: Suspect) -> dict[str, Any]:
    """Make an object of JSON of a suspect, with the text around it."""
    document = suspect.document
    record: dict[str, Any] = {"id": document.id, "number": suspect.number, "kind": suspect.kind}
    record["score"] = round(suspect.score, SCORE_DIGITS)
    spans = {"marked": suspect.marked, "proposed": suspect.proposed}
    for name, entity in spans.items():
        record[name] = None
        if entity is not None:
            values = entity_record(document, entity)
            del values["score"]
            record[name] = values
    record["elsewhere"] = suspect.elsewhere._asdict()
    there = [entity for entity in spans.values() if entity is not None]
    record["context"], record["offset"] = cut_context(document.text, there)
    return record


def write_suspects(path: Path, suspects: Iterable[Suspect]) -> None:
    """Write a line of JSON for each."""
    with written_whole(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for suspect in suspects:
            record = suspect_record(suspect)
            line = json.dumps(record)
            file.write(f"{line}\n")


def print_suspects(console: Console, suspects: Iterable[Suspect]) -> None:
    """Print a row for each."""
    table = Table("score", "kind", "document", "marked", "proposed")
    for column in table.columns[:3]:
        column.no_wrap = True
    for suspect in suspects:
        said = describe(suspect.marked), describe(suspect.proposed)
        kind = suspect.kind.replace("_", " ")
        name = suspect.document.id or f"document {suspect.number}"
        table.add_row(f"{suspect.score:.2f}", kind, printable(name), *said)
    console.print(table)


def describe(entity: Entity | None) -> str:
    """Show an entity in a cell.

    >>> describe(Entity(0, 2, "PER", text="Bo")), describe(None)
    ('PER Bo', '–')
    """
    if entity is None:
        return "–"
    shown = one_line(f"{entity.label} {entity.text}")
    return shown if len(shown) <= LONGEST_CELL else f"{shown[:LONGEST_CELL]}…"


def write_page(path: Path, name: str, suspects: Sequence[Suspect], counts: Counts) -> None:
    """Write suspects as a page that needs nothing from outside."""
    values: dict[str, Any] = {"name": name, "meanings": MEANINGS, "counts": counts._asdict()}
    values["suspects"] = list(map(page_record, suspects))
    page = load_template().render(values)
    write_report(path, page)


def page_record(suspect: Suspect) -> dict[str, Any]:
    """Make what the page shows; marks are called there as in reports, gold and predicted."""
    record = suspect_record(suspect)
    record["gold"] = record["marked"]
    record["predicted"] = record["proposed"]
    return record


@cache
def load_template() -> Template:
    """Compile the page, which shares the style of the report's."""
    return page_environment(FOLDER, REPORT).get_template("suspects.html")


def output_formats() -> list[Format]:
    """List the formats that texts are written in, to be marked by people."""
    return [format for format in writable() if not format.needs_gold]


def propose(suspects: Iterable[Suspect]) -> Iterator[tuple[Document, list[Entity]]]:
    """Mark documents as is proposed, for people to check; that of the first suspect first."""
    by_document: dict[int, list[Suspect]] = {}
    for suspect in suspects:
        by_document.setdefault(suspect.number, []).append(suspect)
    for of_document in by_document.values():
        document = of_document[0].document
        yield document, mark_proposed(document, of_document)


def mark_proposed(document: Document, suspects: Iterable[Suspect]) -> list[Entity]:
    """Mark what is proposed in a document; of proposals that overlap the first one stands.

    >>> from tfner.annotation.elsewhere import Elsewhere
    >>> marked, proposed = Entity(0, 2, "PER"), Entity(0, 7, "PER", text="Bo Lind")
    >>> document = Document("Bo Lind left", (marked,))
    >>> suspect = Suspect(document, 0, "wrong_border", 0.9, marked, proposed, Elsewhere(0, 0))
    >>> mark_proposed(document, [suspect])
    [Entity(start=0, end=7, label='PER', score=0.9, text='Bo Lind')]
    """
    entities = list(document.entities)
    accepted: list[Entity] = []
    for suspect in suspects:
        proposed = suspect.proposed
        is_taken = proposed is not None and any(shares(proposed, each) for each in accepted)
        if is_taken:
            continue
        entities = [each for each in entities if not is_replaced(each, suspect)]
        if proposed is not None:
            score = round(suspect.score, SCORE_DIGITS)
            accepted.append(replace(proposed, score=score))
    return sorted([*entities, *accepted], key=lambda each: each.key)


def is_replaced(entity: Entity, suspect: Suspect) -> bool:
    """Tell whether a mark is the suspect, or in the way of what is proposed.

    A border inside a unit was moved to the unit's when it was judged.
    """
    marked, proposed = suspect.marked, suspect.proposed
    if proposed is not None and shares(entity, proposed):
        return True
    return marked is not None and entity.label == marked.label and shares(entity, marked)


def shares(one: Entity, other: Entity) -> bool:
    """Tell whether two entities share a character."""
    return overlap(one.start, one.end, other.start, other.end)
