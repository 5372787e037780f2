"""Read and write JSON Lines: one record a line, in one of the shapes that `records` knows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tfner.corpus.ledger import Ledger
from tfner.documents import Document, Entity
from tfner.formats.counts import count_filled_lines
from tfner.formats.record_documents import Item, RecordReader
from tfner.formats.registry import Format, register
from tfner.formats.resume import WrittenFile, one_line
from tfner.formats.settings import ReadSettings
from tfner.formats.text_files import stream_lines
from tfner.formats.writers import StreamWriter
from tfner.safeio.json_text import parse_json

# Beside \n, what str.splitlines cuts at.
LINE_BREAKS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def read_json_lines(path: Path, settings: ReadSettings, ledger: Ledger) -> Iterator[Document]:
    """Read one record a line as needed; a file with tags is read twice, first to find their scheme.

    Raises:
        DataError: a line is no JSON or no known record; under strict also a span that does not fit
            its text.
    """
    items = partial(iterate_lines, path, settings)
    return RecordReader(items, settings, ledger).documents()


def read_unmarked_lines(path: Path, settings: ReadSettings) -> Iterator[Document]:
    """Read the same records for prediction; their other fields are kept for its output."""
    items = partial(iterate_lines, path, settings)
    return RecordReader(items, settings, Ledger(), keeps_others=True).documents()


def iterate_lines(path: Path, settings: ReadSettings) -> Iterator[Item]:
    """Parse the lines that are not blank."""
    lines = stream_lines(path, settings.encoding, settings.max_line)
    for number, line in enumerate(lines, start=1):
        if line.strip():
            value = parse_json(line, path, line=number)
            yield Item(value, f"{path}:{number}", f"{path.name}:{number}")


def parse_line(text: str, path: str, line: int) -> Document | None:
    """Make a document of a record for prediction; None where its annotator rejected it.

    Raises:
        DataError: the line is no JSON or no known record.
    """
    item = Item(parse_json(text, path, line=line), f"{path}:{line}", "")
    # The scheme of tags is of no interest here, and finding it would take another reading.
    settings = ReadSettings(scheme="IOB2")
    reader = RecordReader(lambda: [item], settings, Ledger(), keeps_others=True)
    return next(reader.documents(), None)


class JsonlWriter(StreamWriter):
    """Write `{"id", "text", "entities": [{"start", "end", "label", "score", "text"}]}` a line.

    The other fields of the record that the document was read from follow.
    """

    unencodable = "backslashreplace"  # \udc80 is JSON's own way to write a lone surrogate

    def write(self, document: Document, entities: Sequence[Entity]) -> None:
        record = self.to_record(document, entities)
        self.write_record(record)

    def to_record(self, document: Document, entities: Sequence[Entity]) -> dict[str, Any]:
        """Make a document with predicted entities an object of JSON."""
        marked = [entity_record(document, entity) for entity in entities]
        record = {"id": document.id, "text": document.text, "entities": marked}
        return with_others(record, document)

    def write_record(self, record: Mapping[str, object]) -> None:
        """Write one object as it stands."""
        self._stream.write(json_line(record))


def json_line(record: Mapping[str, object]) -> str:
    """Write an object as a line of JSON that nothing takes for two."""
    text = json.dumps(record, ensure_ascii=False)
    return text.translate(LINE_BREAKS) + "\n"


def with_others(record: dict[str, Any], document: Document) -> dict[str, Any]:
    """Add the other fields of a document's record; one whose name is taken is left out.

    >>> with_others({"id": "7", "text": "a"}, Document("a", other_fields={"id": 7, "url": "b"}))
    {'id': '7', 'text': 'a', 'url': 'b'}
    """
    return {**record, **(document.other_fields or {}), **record}


def entity_record(document: Document, entity: Entity) -> dict[str, Any]:
    """Make an entity an object of JSON, with the characters that stand in the document."""
    text = document.text[entity.start : entity.end]
    return {**entity.to_dict(), "text": text}


def is_json_of(record: bytes, document: Document) -> bool:
    """Tell whether a record has the document's id and text."""
    # There and back, since two lone surrogates in a row come back as one character.
    expected = json.loads(json.dumps([document.id, document.text]))
    try:
        found = json.loads(record)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and [found.get("id"), found.get("text")] == expected


def json_lines_of(name: str, open_writer: Any, **more: Any) -> Format:
    """Make the record of a format whose files are JSON Lines; `more` are further fields of it."""
    return Format(
        name=name,
        read=read_json_lines,
        read_unmarked=read_unmarked_lines,
        count=count_filled_lines,
        open_writer=open_writer,
        resume=partial(WrittenFile, ends=one_line, belongs=is_json_of),
        **more,
    )


register(json_lines_of("jsonl", JsonlWriter, suffixes=(".jsonl", ".ndjson"), parse=parse_line))
