"""Read a source of marked documents in whatever format it is, with entities that can be learned."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from tfner.corpus.ledger import Ledger, Reason
from tfner.documents import Document, Entity, entity_at
from tfner.exceptions import DataError
from tfner.formats.column_choices import warn_of_columns
from tfner.formats.folders import list_files
from tfner.formats.hub import read_hub
from tfner.formats.registry import (
    find_format,
    format_of_header,
    format_of_name,
    guess_unmarked,
    holds_texts,
    readable,
    readable_unmarked,
    recognized,
)
from tfner.formats.settings import ReadSettings
from tfner.formats.split_record import SplitRecord
from tfner.formats.text_files import check_encoding
from tfner.safeio.printable import show
from tfner.safeio.sources import (
    PREPARED,
    RUN,
    Source,
    embedded_path,
    exists,
    expand_source,
    recorded_split,
)
from tfner.tagging.borders import trim_span

logger = logging.getLogger(__name__)


def read_documents(
    path: str | os.PathLike[str] | Sequence[str], settings: ReadSettings, ledger: Ledger
) -> Iterator[Document]:
    """Read one source: a file, a folder, `hub:NAME` or `hub:NAME:SPLIT`, `embedded:FILE`.

    Or `run:FOLDER:SPLIT`, what a run or a cross-validation took from its training data. Or several,
    one behind the other: a list, or a pattern such as `more/*.conll` or a folder, whose files come
    in the order of their names. Documents hold all entities of the source, nested ones included, in
    code points of their text. What is repaired or left out on the way is entered in `ledger` with
    file and line; with `settings.strict` it is an error instead.

    Raises:
        DataError: there is no such source, or it cannot be read as asked; the message opens with
            file and line.
        MissingExtraError: a source of Hugging Face datasets, and `datasets` is not installed.
    """
    sources = list_files(expand_source(as_source(path)), settings.format, readable())
    if len(sources) == 1:
        return read_one(sources[0], settings, ledger)
    return chain_sources(sources, lambda one: read_one(one, settings, ledger))


def read_one(source: str, settings: ReadSettings, ledger: Ledger) -> Iterator[Document]:
    """Read a source that is no pattern."""
    documents = open_source(source, settings, ledger)
    if source.startswith(RUN):  # read as its record says, types and all
        return documents
    return adjust_entities(documents, source, settings, ledger)


def as_source(path: str | os.PathLike[str] | Sequence[str]) -> Source:
    """Make a source of what names one or several."""
    if isinstance(path, (str, os.PathLike)):
        return os.fspath(path)
    sources = tuple(map(os.fspath, path))
    return sources[0] if len(sources) == 1 else sources


def chain_sources(
    sources: Sequence[str], read: Callable[[str], Iterator[Document]]
) -> Iterator[Document]:
    """Read sources one behind the other; one without a document is said in the log.

    Ids and groups that begin with a file's name have its folders too, where several files are of
    one name, so that they stay different.
    """
    counts = Counter(Path(source).name for source in sources)
    for source in sources:
        name = Path(source).name
        rename = partial(rename_document, name=name, longer=source)
        documents = read(source)
        count = 0
        for document in documents:
            yield rename(document) if counts[name] > 1 else document
            count += 1
        if not count:
            logger.warning("%s: holds no document", source)


def rename_document(document: Document, name: str, longer: str) -> Document:
    """Put a longer name before a document's id and group, where they begin with that of its file.

    >>> rename_document(Document("a", id="x.conll:7", group="g"), "x.conll", "b/x.conll").id
    'b/x.conll:7'
    """

    def renamed(text: str) -> str:
        is_of_file = text.startswith((f"{name}:", f"{name}["))
        return f"{longer}{text.removeprefix(name)}" if is_of_file else text

    return replace(document, id=renamed(document.id), group=renamed(document.group))


def read_unmarked(
    path: Path | Sequence[str], settings: ReadSettings, name: str = "auto"
) -> Iterator[Document]:
    """Read documents for their text, from a file or a folder; they may have marks all the same.

    Args:
        path: of one, or several files, folders and patterns.
        settings: by which files are read; its format does not count.
        name: of the format; `auto` goes by the file's name.
    """
    sources = unmarked_sources(as_source(path), name)
    if len(sources) == 1:
        return read_one_unmarked(Path(sources[0]), settings, name)
    return chain_sources(sources, lambda one: read_one_unmarked(Path(one), settings, name))


def unmarked_sources(source: Source, name: str = "auto") -> list[str]:
    """List what is read of a source for prediction; a folder with texts is read as it is."""
    found: list[str] = []
    for one in expand_source(source):
        is_whole = name == "auto" and exists(Path(one)) and holds_texts(Path(one))
        found += [one] if is_whole else list_files([one], name, readable_unmarked())
    return found


def read_one_unmarked(path: Path, settings: ReadSettings, name: str) -> Iterator[Document]:
    """Read documents for their text from a path that is no pattern."""
    if name == "auto":
        name = guess_unmarked(path)
        if name == "lines":
            check_encoding(settings.encoding)
            warn_of_columns(path, settings)
    format = find_format(name)
    if format is not None and format.read_unmarked:
        return format.read_unmarked(path, settings)
    return read_documents(path, settings.model_copy(update={"format": name}), Ledger())


def read_unlabelled(source: Source, settings: ReadSettings) -> Iterator[Document]:
    """Read a source of text that is to have no marks; those that it has are taken off.

    Raises:
        DataError: as `read_documents`.
    """
    read = partial(read_one_unlabelled, settings=settings)
    sources = unmarked_sources(source)
    documents = read(sources[0]) if len(sources) == 1 else chain_sources(sources, read)
    return (replace(document, entities=(), other_fields=None) for document in documents)


def read_one_unlabelled(source: str, settings: ReadSettings) -> Iterator[Document]:
    """Read a source that is no pattern, marks included where that costs nothing."""
    if source.startswith(("hub:", RUN)):
        return read_documents(source, settings, Ledger())
    path = embedded_path(source) if source.startswith("embedded:") else Path(source)
    return read_one_unmarked(path, settings, "auto")


def open_source(source: str, settings: ReadSettings, ledger: Ledger) -> Iterator[Document]:
    """Read a source as its format gives it."""
    if source.startswith("hub:"):
        return read_hub(source, settings, ledger)
    if source.startswith(RUN):
        return read_recorded(source, ledger)
    if source.startswith(PREPARED):
        got = "windows that are prepared for training"
        raise DataError(f"{source}: expected documents, got {got}; name what they were made of")
    path = embedded_path(source) if source.startswith("embedded:") else Path(source)
    if not exists(path):
        raise DataError(f"{path}: no such file or folder")
    name = pick_format(path) if settings.format == "auto" else settings.format
    format = find_format(name)
    if format is None or format.read is None:
        raise DataError(f"{path}: expected a format with entities, got {name!r}")
    return format.read(path, settings, ledger)


def read_recorded(source: str, ledger: Ledger) -> Iterator[Document]:
    """Read the documents that a record says are of a split, as they were read when it was made.

    Raises:
        DataError: there is no such record or split, or its source holds other texts now.
    """
    folder, split = recorded_split(source)
    record = SplitRecord.read(folder)
    numbers = record.numbers(split)
    heard = Ledger()
    read = read_documents(record.source, record.reading, heard)
    entries = []
    documents = []
    for document in read:
        documents.append(document)
        own = heard.take()
        entries.append(own)
    record.check_texts(documents)
    for number in numbers:
        ledger.entries += entries[number]
        yield documents[number]


def pick_format(path: Path) -> str:
    """Guess the format of marked data from what lies at a path and from its name."""
    if name := recognized(path):
        return name
    if path.is_dir():
        expected = "a folder of BRAT files (.txt and .ann), of files such as .conll, or a dataset"
        raise DataError(f"{path}: expected {expected} that Hugging Face's save_to_disk wrote")
    return format_of_header(path) or format_of_name(path.name, readable(), otherwise="columns")


def adjust_entities(
    documents: Iterable[Document], name: str, settings: ReadSettings, ledger: Ledger
) -> Iterator[Document]:
    """Give entities the types that settings name, and borders that a prediction can have.

    Args:
        name: of the source, for messages.
    """
    for document in documents:
        renamed = rename_types(document, settings.types, ledger)
        yield trim_borders(renamed, name, settings.strict, ledger)


def rename_types(document: Document, types: Mapping[str, str | None], ledger: Ledger) -> Document:
    """Call the types of entities by other names; those of a type without one are left out.

    The latter are entered in `ledger`.

        >>> mara = Document("Mara left", (entity_at("Mara left", 0, 4, "person"),))
        >>> rename_types(mara, {"person": "PER"}, Ledger()).entities[0].key
        (0, 4, 'PER')
    """
    if not types:
        return document
    kept = []
    for entity in document.entities:
        label = types.get(entity.label, entity.label)
        if label is None:
            detail = f"{entity.label} {entity.start}-{entity.end} {entity.text!r}"
            ledger.record("left_out", document.id, detail)
        else:
            kept.append(replace(entity, label=label))
    return replace(document, entities=tuple(kept))


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
