"""Read JSON files that are one array of records, in the shapes that `records` knows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from tfner.corpus.ledger import Ledger
from tfner.documents import Document
from tfner.formats.jsonl import read_json_lines
from tfner.formats.record_documents import Item, RecordReader
from tfner.formats.records import is_pair
from tfner.formats.registry import Format, register
from tfner.formats.settings import ReadSettings
from tfner.formats.text_files import read_text
from tfner.safeio.json_text import parse_json


def read_json_array(path: Path, settings: ReadSettings, ledger: Ledger) -> Iterator[Document]:
    """Read a file that is one array of records, or one record.

    One that holds a record a line is read as such.

    Raises:
        DataError: as `read_json_lines`; what is no JSON is named by line and column.
    """
    text = read_text(path, settings.encoding, settings.max_file).removeprefix("\ufeff")
    if holds_lines(text):
        return read_json_lines(path, settings, ledger)
    value = parse_json(text, path)
    values = value if isinstance(value, list) and not is_pair(value) else [value]
    items = []
    for index, item in enumerate(values):
        items.append(Item(item, f"{path}[{index}]", f"{path.name}[{index}]"))
    return RecordReader(lambda: items, settings, ledger).documents()


def holds_lines(text: str) -> bool:
    """Tell whether a text is a record a line: an object, with something behind it."""
    begin = len(text) - len(text.lstrip())
    if not text.startswith("{", begin):
        return False
    try:
        _, end = json.JSONDecoder().raw_decode(text, begin)
    except (ValueError, RecursionError):
        return False
    return end < len(text.rstrip())


register(Format(name="json", suffixes=(".json",), read=read_json_array))
