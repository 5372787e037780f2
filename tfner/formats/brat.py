"""Read and write BRAT standoff: a text in `NAME.txt`, its annotations in `NAME.ann`.

Offsets count code points of the file as it is, newlines and a byte order mark included.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from tfner.corpus.ledger import Ledger
from tfner.documents import Document, Entity, entity_at
from tfner.exceptions import DataError
from tfner.formats.record_documents import find_fault
from tfner.formats.records import Mark
from tfner.formats.registry import Format, register
from tfner.formats.resume import SAME_INPUT
from tfner.formats.settings import ReadSettings
from tfner.formats.text_files import read_lines, read_text
from tfner.formats.writers import PredictionWriter
from tfner.safeio.portable_names import FileNames
from tfner.safeio.printable import show
from tfner.safeio.sources import check_inside

SPAN = r"\d{1,15} \d{1,15}"
LABEL = r"(?P<label>(?=[^ \t]*\S)[^ \t]+)"
ENTITY_LINE = re.compile(
    rf"T[^\t]*\t{LABEL} (?P<spans>{SPAN}(?:;{SPAN})*)(?:\t(?P<surface>.*))?", re.DOTALL
)
LINE = re.compile(r"[^\r\n]+")
# Relations, events, attributes, modifications, references, notes, equivalences.
OTHER_KINDS = "REAMN#*"


def is_brat(path: Path) -> bool:
    """Recognize a folder with annotation files at any depth, or one file of such a pair."""
    if path.is_dir():
        return next(path.rglob("*.ann"), None) is not None
    return path.suffix == ".ann" or (path.suffix == ".txt" and path.with_suffix(".ann").is_file())


def read_brat(path: Path, settings: ReadSettings, ledger: Ledger) -> Iterator[Document]:
    """Read one document a `.txt` file, those without an `.ann` too.

    Its id is the path inside the folder, without ending.

    Raises:
        DataError: an annotation file without its text, a link out of the folder, or a line that is
            no annotation; under strict also what would be counted as invalid.
    """
    folder = path if path.is_dir() else path.parent
    found = (*path.rglob("*.txt"), *path.rglob("*.ann")) if path.is_dir() else (path,)
    for stem in sorted({file.with_suffix("") for file in found}):
        name = stem.relative_to(folder)
        check_inside(folder, [f"{name}.txt", f"{name}.ann"], DataError)
        text_file = stem.with_name(f"{stem.name}.txt")
        annotation_file = stem.with_name(f"{stem.name}.ann")
        if not text_file.is_file():
            expected = f"its text in {text_file.name} beside it"
            raise DataError(f"{annotation_file}: expected {expected}, found no such file")
        text = read_text(text_file, settings.encoding, settings.max_file)
        entities: list[Entity] = []
        if annotation_file.is_file():
            entities = list(read_entities(annotation_file, text, settings, ledger))
        yield Document(text, tuple(entities), id=name.as_posix())


def read_entities(
    path: Path, text: str, settings: ReadSettings, ledger: Ledger
) -> Iterator[Entity]:
    """Read the entities of an annotation file that fit the text."""
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
    """Read the span of an entity.

    Returns:
        None for what is no entity or has several fragments, which is entered in the ledger.
    """
    match = ENTITY_LINE.fullmatch(line)
    if match is None and line[0] not in OTHER_KINDS:
        expected = "an annotation such as T1<TAB>PER 0 5<TAB>Alice"
        raise DataError(f"{where}: expected {expected}, got {show(line)}")
    if match is None or ";" in match["spans"]:
        reason = "discontinuous" if match else "skipped_annotation"
        ledger.record(reason, where, line.replace("\t", " "))
        return None
    start, end = map(int, match["spans"].split())
    return Mark(start, end, match["label"], match["surface"])


def count_pairs(path: Path) -> int:
    """Count the texts of a folder, at any depth, or one."""
    return sum(1 for _ in path.rglob("*.txt")) if path.is_dir() else 1


class BratWriter(PredictionWriter):
    """Write a folder with `ID.txt` and `ID.ann` for each document, ids made safe as file names.

    White space in labels becomes `_`. BRAT lets no annotation run over a line end: such an entity
    gets a fragment a line. An `.ann` appears whole or not at all, after its `.txt`.

    Raises:
        DataError: the folder already holds annotations, which would be mixed with these, and that
            is not asked for by `resume`.
    """

    def __init__(self, folder: str | os.PathLike[str], *, resume: bool = False):
        super().__init__()
        self._folder = Path(folder)
        self._folder.mkdir(parents=True, exist_ok=True)
        if not resume and next(self._folder.glob("*.ann"), None):
            got = "one with .ann files in it"
            raise DataError(f"{self._folder}: expected a new or empty folder, got {got}")
        self._names = FileNames()

    def write(self, document: Document, entities: Sequence[Entity]) -> None:
        name = self._names.name(document.id)
        marks = [annotation(document.text, entity) for entity in entities]
        lines = [f"T{number}\t{mark}\n" for number, mark in enumerate(marks, start=1)]
        self._put(f"{name}.txt", document.text)
        temporary = self._put(f".{name}.part", "".join(lines))
        temporary.replace(self._folder / f"{name}.ann")

    def skip(self, document: Document) -> None:
        super().skip(document)
        self._names.name(document.id)  # is taken

    def _put(self, name: str, content: str) -> Path:
        path = self._folder / name
        if path.is_symlink():  # it would be written through, to wherever it leads
            got = f"a link to {path.readlink()}"
            raise DataError(f"{path}: expected a place for a new file, got {got}")
        # Untranslated newlines: offsets count the file's characters.
        path.write_text(content, encoding="utf-8", errors="replace", newline="")
        return path


def annotation(text: str, entity: Entity) -> str:
    """Write an entity as BRAT does, with a fragment a line of the text.

    >>> annotation("in New\\nYork", Entity(3, 11, "LOC"))
    'LOC 3 6;7 11\\tNew York'
    """
    lines = LINE.finditer(text, entity.start, entity.end)
    fragments = [line.span() for line in lines] or [(entity.start, entity.end)]
    label = re.sub(r"\s", "_", entity.label)
    spans = ";".join(f"{start} {end}" for start, end in fragments)
    surface = " ".join(text[start:end] for start, end in fragments)
    return f"{label} {spans}\t" + re.sub(r"[\r\n]", " ", surface)


class WrittenFolder:
    """Find documents in the BRAT files of a folder.

    An annotation file appears whole or not at all, and after its text.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self._names = FileNames()

    def holds(self, document: Document) -> bool:
        name = self._names.name(document.id)
        if not (self._folder / f"{name}.ann").exists():
            return False
        text = self._folder / f"{name}.txt"
        expected = document.text.encode("utf-8", "replace")
        if not text.is_file() or text.read_bytes() != expected:
            expected = f"the text of document {document.id!r} of this input"
            raise DataError(f"{text}: expected {expected}, got another; {SAME_INPUT}")
        return True

    def finish(self) -> None:
        return  # what else is in a folder says nothing


register(
    Format(
        name="brat",
        recognize=is_brat,
        read=read_brat,
        count=count_pairs,
        open_writer=BratWriter,
        resume=WrittenFolder,
        folder=True,
    )
)
