"""Make records of the rows of a pandas DataFrame: a token or a text a row, as in a CSV file.

pandas is not imported here: whoever has a DataFrame has done so.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from tfner.exceptions import DataError
from tfner.formats.csv_dialect import Dialect, Row
from tfner.formats.csv_layout import Table, TableLayout
from tfner.formats.csv_table import cut_sentences, other_columns, to_record
from tfner.formats.record_documents import Item
from tfner.formats.settings import ReadSettings
from tfner.safeio.printable import show

logger = logging.getLogger(__name__)
LOOKED_AT = 1000  # rows of which the columns are found out
NULL_HINT = "read_csv(…, keep_default_na=False) keeps words such as null"


def frame_items(frame: Any, name: str, settings: ReadSettings) -> Iterator[Item]:
    """Make a record of each sentence or text of a DataFrame.

    Columns are found as those of a CSV file are, or are those that the settings name.

    Args:
        name: for messages, which say `name[row]`, rows counted from 0.

    Raises:
        DataError: there is no column of tags or entities, or a row has no word, text or tag.
    """
    table = Table([], Dialect(","), Path(name), settings)
    names = list(map(str, frame.columns))
    header = Row(0, names)
    first = islice(iterate_rows(frame), LOOKED_AT)
    table.has_header = True
    table.rows = [header, *first]
    layout = table.layout()
    for note in layout.notes:
        logger.warning("%s: %s", name, note.text)
    if layout.tag is None:
        names = map(repr, layout.names)
        columns = ", ".join(names)
        expected = "expected a column of tags or entities"
        raise DataError(f"{name}: {expected}, found none among {columns}; set tag_column")
    path = Path(name)
    rows = checked_rows(frame, layout, name)
    if layout.a_token_a_row:
        for sentence in cut_sentences(rows, layout, path):
            first = sentence.lines[0]
            where = f"{name}[{first}]"
            record: dict[str, Any] = {}
            record["tokens"] = sentence.words
            record["tags"] = sentence.tags
            yield Item(record, where, where)
        return
    others = other_columns(layout)
    for row in rows:
        where = f"{name}[{row.line}]"
        record = to_record(row, layout, where, True)
        cells = row.cells
        for other, column in others.items():
            record[other] = cells[column]
        yield Item(record, where, where)


def iterate_rows(frame: Any) -> Iterator[Row]:
    """Write the cells of each row as text, lists as JSON; a missing value is an empty text."""
    for number, cells in enumerate(frame.itertuples(index=False, name=None)):
        yield Row(number, list(map(to_text, cells)))


def checked_rows(frame: Any, layout: TableLayout, name: str) -> Iterator[Row]:
    """Check that each row has what is read of it.

    Raises:
        DataError: a word, a text or the tag of a word is missing or of another type.
    """
    needed = [layout.token]
    if layout.a_token_a_row and layout.tag is not None:
        needed.append(layout.tag)
    values = frame.itertuples(index=False, name=None)
    for row, cells in zip(iterate_rows(frame), values, strict=True):
        if row.is_blank and layout.a_token_a_row:
            yield row  # which ends a sentence
            continue
        for column in needed:
            where = f"{name}[{row.line}]: column {layout.name(column)}"
            check_cell(cells[column], where, may_be_list=not layout.a_token_a_row)
        yield row


def check_cell(value: Any, where: str, *, may_be_list: bool) -> None:
    """Refuse a cell that holds no text and, where it may, no list."""
    is_list = may_be_list and hasattr(value, "__len__")
    if not isinstance(value, str) and not is_list:
        what = "a text or a list" if may_be_list else "a text"
        hint = f"; {NULL_HINT}" if is_missing(value) else ""
        raise DataError(f"{where}: expected {what}, got {show(value)}{hint}")


def to_text(value: Any) -> str:
    """Write a cell as text."""
    if isinstance(value, str):
        return value
    if is_missing(value):
        return ""
    return json.dumps(value, default=to_plain)


def is_missing(value: Any) -> bool:
    """Tell None, NaN and pandas's NA and NaT from values, lists and arrays included."""
    if value is None:
        return True
    if hasattr(value, "__len__"):
        return False
    try:
        return bool(value != value)
    except TypeError:  # of pandas's NA, which is neither true nor false
        return True


def to_plain(value: Any) -> Any:
    """Make what JSON can hold of arrays and scalars of NumPy; write anything else as text."""
    to_list = getattr(value, "tolist", None)
    if to_list is None:
        return str(value)
    return to_list()
