"""Make records of batches of Arrow, and columns of what was found; Spark and Ray have it both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import pyarrow

from tfner.documents import Document, Entity
from tfner.exceptions import DataError
from tfner.formats.settings import MAX_LINE
from tfner.safeio.printable import show
from tfner.serving.runtime.recognizer import Recognizer
from tfner.serving.runtime.record_batches import MarkedRecord, mark_batches

ENTITY = pyarrow.struct(
    [
        ("start", pyarrow.int32()),
        ("end", pyarrow.int32()),
        ("label", pyarrow.string()),
        ("score", pyarrow.float64()),
        ("text", pyarrow.string()),
    ]
)
ENTITIES = pyarrow.list_(ENTITY)


class Columns(NamedTuple):
    """Name the columns that are read and added.

    Args:
        text: what is marked; texts of more than `max_characters` are refused.
        entities: a list a row, null where it holds no document.
        error: why it holds none, else null.
        corrupt: column of what a reader could not read, "" for none.
    """

    text: str = "text"
    entities: str = "entities"
    error: str = "error"
    max_characters: int = MAX_LINE
    corrupt: str = ""


class ArrowRecord(NamedTuple):
    """Hold the text of a row of a batch, or why it has none."""

    batch: pyarrow.RecordBatch
    row: int
    text: str
    document: Document | None
    error: str | None


def mark_arrow(
    recognizer: Recognizer,
    batches: Iterable[pyarrow.RecordBatch],
    columns: Columns,
    *,
    strict: bool = False,
) -> Iterator[pyarrow.RecordBatch]:
    """Add entities and errors to the rows of batches, in their order.

    The batches that come out are others: none reaches over two of those that went in.

    Raises:
        DataError: a row holds no document, and that is an error (`strict`).
    """
    read = (read_records(batch, columns) for batch in batches)
    for block in mark_batches(recognizer, read):
        for _, marked in groupby(block, key=batch_of):
            rows = list(marked)
            if strict:
                refuse_errors(rows, columns)
            yield add_columns(rows, columns)


def batch_of(marked: MarkedRecord[ArrowRecord]) -> int:
    """Tell rows of one batch from those of the next."""
    return id(marked.record.batch)


def read_records(batch: pyarrow.RecordBatch, columns: Columns) -> list[ArrowRecord]:
    """Make a record of each row."""
    texts = read_bytes(batch, columns.text)
    damaged: Sequence[bytes | None] = [None] * len(texts)
    if columns.corrupt:
        damaged = read_bytes(batch, columns.corrupt)
    records = []
    for row, content in enumerate(texts):
        text, error = decode(content, damaged[row], columns.max_characters)
        document = None if error else Document(text)
        records.append(ArrowRecord(batch, row, text, document, error))
    return records


def read_bytes(batch: pyarrow.RecordBatch, column: str) -> list[bytes | None]:
    """Read a column of texts as bytes: nobody has checked that they are UTF-8."""
    values = batch.column(column)
    as_bytes = values.cast(pyarrow.large_binary())
    return as_bytes.to_pylist()


def decode(content: bytes | None, damaged: bytes | None, most: int) -> tuple[str, str | None]:
    """Decode a text, or say why it is none.

    >>> decode(b"Bo left", None, 10)
    ('Bo left', None)
    >>> decode(b"\\xff", None, 10)
    ('', 'expected text in utf-8, got the byte 0xff')
    >>> decode(None, b"{", 10)
    ('', "expected an object of JSON, got '{'")
    """
    if damaged is not None:
        came = show(damaged.decode(errors="replace"))
        return "", f"expected an object of JSON, got {came}"
    if content is None:
        return "", "expected a text, got null"
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        wrong = content[error.start]
        return "", f"expected text in utf-8, got the byte 0x{wrong:02x}"
    if len(text) > most:
        limit = f"{most:,} characters (max_line)"
        return "", f"expected a text of at most {limit}, got {len(text):,}"
    return text, None


def marked_schema(schema: pyarrow.Schema, columns: Columns) -> pyarrow.Schema:
    """Add the new columns to a schema."""
    with_entities = schema.append(pyarrow.field(columns.entities, ENTITIES))
    return with_entities.append(pyarrow.field(columns.error, pyarrow.string()))


def refuse_errors(rows: Sequence[MarkedRecord[ArrowRecord]], columns: Columns) -> None:
    """Stop at a row that holds no document.

    Raises:
        DataError: there is one; the message shows its other columns.
    """
    for record, _ in rows:
        if record.error:
            kept = [name for name in record.batch.schema.names if name != columns.text]
            (values,) = record.batch.select(kept).slice(record.row, 1).to_pylist() or ({},)
            raise DataError(f"row {show(values)}: {record.error}")


def add_columns(rows: Sequence[MarkedRecord[ArrowRecord]], columns: Columns) -> pyarrow.RecordBatch:
    """Add what was found to rows that follow each other in one batch."""
    first = rows[0].record
    batch = first.batch.slice(first.row, len(rows))
    entities = pyarrow.array([entity_rows(marked.entities) for marked in rows], ENTITIES)
    errors = pyarrow.array([marked.record.error for marked in rows], pyarrow.string())
    with_entities = batch.append_column(columns.entities, entities)
    return with_entities.append_column(columns.error, errors)


def entity_rows(entities: Sequence[Entity] | None) -> list[dict] | None:
    """Write entities as the values of a row, as JSONL has them."""
    if entities is None:
        return None
    return [entity.to_dict() for entity in entities]
