"""JSON files: one record a line, or one array of them; their shapes are those of `records`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from tfner.config import ReadSettings
from tfner.corpus.ledger import Ledger
from tfner.documents import Document
from tfner.formats.record_documents import Item, RecordReader
from tfner.formats.text_files import read_text, stream_lines
from tfner.safeio.json_text import parse_json


def read_json_lines(path: Path, settings: ReadSettings, ledger: Ledger) -> Iterator[Document]:
    """Read one record a line, in a stream; a file with tags is read twice, first to find their scheme.

    Raises:
        DataError: a line is no JSON or no known record; under strict also a span that fits its text not.
    """
    return RecordReader(lambda: iterate_lines(path, settings), settings, ledger).documents()


def read_json_array(path: Path, settings: ReadSettings, ledger: Ledger) -> Iterator[Document]:
    """Read a file that is one array of records, or one record; one that holds a record a line is read as such.

    Raises:
        DataError: as `read_json_lines`; what is no JSON is named by line and column.
    """
    text = read_text(path, settings.encoding, settings.max_file).removeprefix("\ufeff")
    if holds_lines(text):
        return read_json_lines(path, settings, ledger)
    value = parse_json(text, path)
    values = value if isinstance(value, list) and not is_pair(value) else [value]
    items = [
        Item(value, f"{path}[{index}]", f"{path.name}[{index}]")
        for index, value in enumerate(values)
    ]
    return RecordReader(lambda: items, settings, ledger).documents()


def holds_lines(text: str) -> bool:
    """Whether a text is a record a line: an object, with something behind it."""
    begin = len(text) - len(text.lstrip())
    if not text.startswith("{", begin):
        return False
    try:
        _, end = json.JSONDecoder().raw_decode(text, begin)
    except (ValueError, RecursionError):
        return False
    return end < len(text.rstrip())


def iterate_lines(path: Path, settings: ReadSettings) -> Iterator[Item]:
    for number, line in enumerate(
        stream_lines(path, settings.encoding, settings.max_line), start=1
    ):
        if line.strip():
            yield Item(
                parse_json(line, path, line=number), f"{path}:{number}", f"{path.name}:{number}"
            )


def is_pair(value: list) -> bool:
    """Whether a list is one spaCy pair of text and annotations, not an array of records."""
    return len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], dict)
