"""BRAT standoff: a text in `NAME.txt`, its annotations in `NAME.ann`, offsets in code points of the file as it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tfner.config import ReadSettings
from tfner.corpus.ledger import Ledger
from tfner.documents import Document, Entity, entity_at
from tfner.exceptions import DataError
from tfner.formats.record_documents import find_fault
from tfner.formats.records import Mark
from tfner.formats.text_files import read_lines, read_text
from tfner.safeio.printable import show
from tfner.safeio.sources import check_inside

PLACE = r"\d{1,15} \d{1,15}"
ENTITY_LINE = re.compile(
    rf"T[^\t]*\t(?P<label>(?=[^ \t]*\S)[^ \t]+) (?P<places>{PLACE}(?:;{PLACE})*)(?:\t(?P<surface>.*))?",
    re.DOTALL,
)
OTHER_KINDS = (
    "REAMN#*"  # relations, events, attributes, modifications, references, notes, equivalences
)


def is_brat(path: Path) -> bool:
    """A folder with annotation files at any depth, or one file of such a pair."""
    if path.is_dir():
        return next(path.rglob("*.ann"), None) is not None
    return path.suffix == ".ann" or (path.suffix == ".txt" and path.with_suffix(".ann").is_file())


def read_brat(path: Path, settings: ReadSettings, ledger: Ledger) -> Iterator[Document]:
    """One document a `.txt` file, those without an `.ann` too; its id is the path inside the folder, without ending.

    Raises:
        DataError: an annotation file without its text, a link out of the folder, or a line that is no annotation; under strict also
            what would be counted as invalid.
    """
    folder = path if path.is_dir() else path.parent
    found = (*path.rglob("*.txt"), *path.rglob("*.ann")) if path.is_dir() else (path,)
    for stem in sorted({file.with_suffix("") for file in found}):
        text_file, annotation_file = (
            stem.with_name(stem.name + ".txt"),
            stem.with_name(stem.name + ".ann"),
        )
        check_inside(
            folder,
            [str(file.relative_to(folder)) for file in (text_file, annotation_file)],
            DataError,
        )
        if not text_file.is_file():
            raise DataError(
                f"{annotation_file}: expected its text in {text_file.name} beside it, found no such file"
            )
        text = read_text(
            text_file, settings.encoding, settings.max_file
        )  # newlines and a byte order mark count as characters
        entities = (
            tuple(read_entities(annotation_file, text, settings, ledger))
            if annotation_file.is_file()
            else ()
        )
        yield Document(text, entities, id=stem.relative_to(folder).as_posix())


def read_entities(
    path: Path, text: str, settings: ReadSettings, ledger: Ledger
) -> Iterator[Entity]:
    for number, line in enumerate(read_lines(path, settings.encoding, settings.max_line), start=1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        mark = read_mark(line, where, ledger)
        fault = find_fault(mark, text) if mark else None
        if fault and settings.strict:
            raise DataError(f"{where}: expected a span that fits the text, got {fault}")
        if fault:
            ledger.record("invalid_span", where, fault)
        elif mark:
            yield entity_at(text, mark.start, mark.end, mark.label)


def read_mark(line: str, where: str, ledger: Ledger) -> Mark | None:
    """The span of an entity; None for what is no entity or has several fragments, which is entered in the ledger."""
    match = ENTITY_LINE.fullmatch(line)
    if match is None and line[0] not in OTHER_KINDS:
        raise DataError(
            f"{where}: expected an annotation such as T1<TAB>PER 0 5<TAB>Alice, got {show(line)}"
        )
    if match is None or ";" in match["places"]:
        ledger.record(
            "discontinuous" if match else "skipped_annotation", where, line.replace("\t", " ")
        )
        return None
    start, end = map(int, match["places"].split())
    return Mark(start, end, match["label"], match["surface"])
