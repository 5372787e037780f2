"""Read JSON files that are one array of records, in the shapes that `records` knows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from tfner.corpus.ledger import Ledger
from tfner.documents import Document
from tfner.formats.jsonl import iterate_lines
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
    items = open_array(path, settings)
    return RecordReader(items, settings, ledger).documents()


def read_unmarked_array(path: Path, settings: ReadSettings) -> Iterator[Document]:
    """Read the same records for prediction; their other fields are kept for its output."""
    items = open_array(path, settings)
    return RecordReader(items, settings, Ledger(), keeps_others=True).documents()


def open_array(path: Path, settings: ReadSettings) -> Callable[[], Iterable[Item]]:
    """Read the records of a file, or find out that it is to be read a line at a time."""
    text = read_text(path, settings.encoding, settings.max_file).removeprefix("\ufeff")
    if holds_lines(text):
        return partial(iterate_lines, path, settings)
    value = parse_json(text, path)
    values = value if isinstance(value, list) and not is_pair(value) else [value]
    items = []
    for index, item in enumerate(values):
        items.append(Item(item, f"{path}[{index}]", f"{path.name}[{index}]"))
    return lambda: items


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


register(
    Format(
        name="json", suffixes=(".json",), read=read_json_array, read_unmarked=read_unmarked_array
    )
)
