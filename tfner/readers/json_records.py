"""JSON files: one record a line, or one array of them; their shapes are those of `records`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from tfner.config import ReadSettings
from tfner.documents import Document
from tfner.exceptions import DataError
from tfner.ledger import Ledger
from tfner.readers.record_documents import Item, RecordReader
from tfner.readers.text_files import read_text, stream_lines


def read_json_lines(path: Path, settings: ReadSettings, ledger: Ledger) -> Iterator[Document]:
    """Read one record a line, in a stream; a file with tags is read twice, first to find their scheme.

    Raises:
        DataError: a line is no JSON or no known record; under strict also a span that fits its text not.
    """
    return RecordReader(lambda: iterate_lines(path, settings.encoding), settings, ledger).documents()


def read_json_array(path: Path, settings: ReadSettings, ledger: Ledger) -> Iterator[Document]:
    """Read a file that is one array of records, or one record; one that holds a record a line is read as such.

    Raises:
        DataError: as `read_json_lines`; what is no JSON is named by line and column.
    """
    text = read_text(path, settings.encoding).removeprefix("\ufeff")
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" and text.lstrip().startswith("{"):
            return read_json_lines(path, settings, ledger)
        raise json_error(f"{path}:{error.lineno}:{error.colno}", error.msg) from None
    except (ValueError, RecursionError) as error:
        raise json_error(f"{path}", str(error)) from None
    values = value if isinstance(value, list) and not is_pair(value) else [value]
    items = [Item(value, f"{path}[{index}]", f"{path.name}[{index}]") for index, value in enumerate(values)]
    return RecordReader(lambda: items, settings, ledger).documents()


def iterate_lines(path: Path, encoding: str) -> Iterator[Item]:
    for number, line in enumerate(stream_lines(path, encoding), start=1):
        if not line.strip():
            continue
        try:
            yield Item(json.loads(line), f"{path}:{number}", f"{path.name}:{number}")
        except json.JSONDecodeError as error:
            raise json_error(f"{path}:{number}:{error.colno}", error.msg) from None
        except (ValueError, RecursionError) as error:
            raise json_error(f"{path}:{number}", str(error)) from None


def json_error(where: str, message: str) -> DataError:
    return DataError(f"{where}: not valid JSON: {message[:1].lower()}{message[1:]}")


def is_pair(value: list) -> bool:
    """Whether a list is one spaCy pair of text and annotations, not an array of records."""
    return len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], dict)
