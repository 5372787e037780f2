"""Read a source of marked documents in whatever format it is, with entities that can be learned."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tfner.corpus.ledger import Ledger, Reason
from tfner.documents import Document, Entity, entity_at
from tfner.exceptions import DataError
from tfner.formats.column_choices import warn_of_columns
from tfner.formats.hub import read_hub
from tfner.formats.registry import (
    find_format,
    format_of_header,
    format_of_name,
    guess_unmarked,
    readable,
)
from tfner.formats.settings import ReadSettings
from tfner.formats.text_files import check_encoding
from tfner.safeio.printable import show
from tfner.safeio.sources import PREPARED, embedded_path
from tfner.tagging.borders import trim_span


def read_documents(
    path: str | os.PathLike[str], settings: ReadSettings, ledger: Ledger
) -> Iterator[Document]:
    """Read one source: a file, a folder, `hub:NAME` or `hub:NAME:SPLIT`, `embedded:FILE`.

    Documents hold all entities of the source, nested ones included, in code points of their text.
    What is repaired or left out on the way is entered in `ledger` with file and line; with
    `settings.strict` it is an error instead.

    Raises:
        DataError: there is no such source, or it cannot be read as asked; the message opens with
            file and line.
        MissingExtraError: a source of Hugging Face datasets, and `datasets` is not installed.
    """
    source = os.fspath(path)
    documents = open_source(source, settings, ledger)
    return (trim_borders(document, source, settings.strict, ledger) for document in documents)


def read_unmarked(path: Path, settings: ReadSettings, name: str = "auto") -> Iterator[Document]:
    """Read documents for their text, from a file or a folder; they may have marks all the same.

    Args:
        settings: by which files are read; its format does not count.
        name: of the format; `auto` goes by the file's name.
    """
    if name == "auto":
        name = guess_unmarked(path)
        if name == "lines":
            check_encoding(settings.encoding)
            warn_of_columns(path, settings)
    format = find_format(name)
    if format is not None and format.read_unmarked:
        return format.read_unmarked(path, settings)
    return read_documents(path, settings.model_copy(update={"format": name}), Ledger())


def read_unlabelled(source: str, settings: ReadSettings) -> Iterator[Document]:
    """Read a source of text that is to have no marks; those that it has are taken off.

    Raises:
        DataError: as `read_documents`.
    """
    if source.startswith("hub:"):
        documents = read_documents(source, settings, Ledger())
    else:
        is_embedded = source.startswith("embedded:")
        path = embedded_path(source) if is_embedded else Path(source)
        documents = read_unmarked(path, settings)
    return (replace(document, entities=()) for document in documents)


def open_source(source: str, settings: ReadSettings, ledger: Ledger) -> Iterator[Document]:
    """Read a source as its format gives it."""
    if source.startswith("hub:"):
        return read_hub(source, settings, ledger)
    if source.startswith(PREPARED):
        got = "windows that are prepared for training"
        raise DataError(f"{source}: expected documents, got {got}; name what they were made of")
    path = embedded_path(source) if source.startswith("embedded:") else Path(source)
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    name = pick_format(path) if settings.format == "auto" else settings.format
    format = find_format(name)
    if format is None or format.read is None:
        raise DataError(f"{path}: expected a format with entities, got {name!r}")
    return format.read(path, settings, ledger)


def pick_format(path: Path) -> str:
    """Guess the format of marked data from what lies at a path and from its name."""
    for format in readable():
        if format.recognize and format.recognize(path):
            return format.name
    if path.is_dir():
        expected = "a folder of BRAT files (.txt and .ann) or a saved Hugging Face dataset"
        raise DataError(f"{path}: expected {expected}, found neither")
    return format_of_header(path) or format_of_name(path.name, readable(), otherwise="columns")


def trim_borders(document: Document, source: str, strict: bool, ledger: Ledger) -> Document:
    """Trim blanks off the borders of gold entities, which no prediction could ever hold.

    An entity of nothing else is dropped. Both are entered in `ledger`, or with
    `strict` an error.

        >>> mara = Document("Mara left", (entity_at("Mara left", 0, 5, "PER"),))
        >>> trim_borders(mara, "a.jsonl", False, Ledger()).entities[0].key
        (0, 4, 'PER')
    """
    kept: list[Entity] = []
    for entity in document.entities:
        start, end = trim_span(document.text, entity.start, entity.end, document.words)
        if (start, end) == (entity.start, entity.end) and start < end:
            kept.append(entity)
            continue
        reason: Reason = "trimmed_border" if start < end else "vanished"
        detail = f"{entity.label} {entity.start}-{entity.end} {entity.text!r}"
        if strict:
            where = f"{source}: document {document.id!r}"
            expected = "an entity that begins and ends with characters that have a piece"
            raise DataError(f"{where}: expected {expected}, got {show(detail)}")
        ledger.record(reason, document.id, detail)
        if start < end:
            kept.append(entity_at(document.text, start, end, entity.label, entity.score))
    if tuple(kept) == document.entities:
        return document
    return replace(document, entities=tuple(kept))
