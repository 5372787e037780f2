"""Read Parquet and Arrow files, a record a row; integer tags get the names that datasets gave them.

They are read in batches, so that a file may be larger than memory.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tfner.corpus.ledger import Ledger
from tfner.documents import Document
from tfner.exceptions import DataError, MissingExtraError
from tfner.formats.hub import fetch, read_records
from tfner.formats.records import TAG_KEYS
from tfner.formats.registry import Format, register
from tfner.formats.settings import ReadSettings

MAGIC = b"ARROW1"  # of a file; a stream begins without it
ROWS_AT_ONCE = 1000
Batches = Callable[[Any, Path], tuple[Any, Iterator[Any]]]  # pyarrow, path -> schema, batches


def open_parquet(pyarrow: Any, path: Path) -> tuple[Any, Iterator[Any]]:
    """Open a Parquet file: its schema, and its rows in batches."""
    file = importlib.import_module("pyarrow.parquet").ParquetFile(str(path))
    return file.schema_arrow, file.iter_batches(ROWS_AT_ONCE)


def open_arrow(pyarrow: Any, path: Path) -> tuple[Any, Iterator[Any]]:
    """Open an Arrow file, Feather too, or a stream as `save_to_disk` of datasets writes it."""
    mapped = pyarrow.memory_map(str(path))
    if mapped.read(len(MAGIC)) == MAGIC:
        file = pyarrow.ipc.open_file(mapped)
        batches = (file.get_batch(index) for index in range(file.num_record_batches))
        return file.schema, batches
    mapped.seek(0)
    stream = pyarrow.ipc.open_stream(mapped)
    return stream.schema, iter(stream)


def read_table(
    path: Path, settings: ReadSettings, ledger: Ledger, *, open_batches: Batches
) -> Iterator[Document]:
    """Read the rows of a table as records, which hold text or tokens and what marks them.

    Raises:
        DataError: it is no such file, is damaged, or a row has none of the known shapes.
        MissingExtraError: the package pyarrow is not installed.
    """
    try:
        pyarrow = importlib.import_module("pyarrow")
    except ImportError:
        raise MissingExtraError("pyarrow", "hub", f"reading {path}") from None
    if not path.is_file():
        raise DataError(f"{path}: expected a file, got a folder")
    source = str(path)
    kind = "a table"
    schema, _ = fetch(lambda: open_batches(pyarrow, path), source, kind)
    rows = partial(iterate_rows, partial(open_batches, pyarrow, path), source, kind)
    names = class_names(schema.metadata or {})
    return read_records(rows, names, source, path.name, settings, ledger)


def iterate_rows(
    open_batches: Callable[[], tuple[Any, Iterator[Any]]], source: str, kind: str
) -> Iterator[dict[str, Any]]:
    """Read the rows of a file as plain values."""
    _, batches = fetch(open_batches, source, kind)
    while (batch := fetch(lambda: next(batches, None), source, kind)) is not None:
        yield from fetch(partial(plain_rows, batch), source, kind)


def plain_rows(batch: Any) -> list[dict[str, Any]]:
    """Make plain values of a batch.

    Values that point outside of the file are refused first: to read one ends the process.
    """
    batch.validate(full=True)
    return batch.to_pylist()


def class_names(metadata: Mapping[bytes, bytes]) -> dict[str, Sequence[str]]:
    """Find the names of integer tags in what datasets writes into a schema.

    >>> tags = {"feature": {"names": ["O", "B-PER"], "_type": "ClassLabel"}, "_type": "List"}
    >>> features = {"info": {"features": {"ner_tags": tags}}}
    >>> class_names({b"huggingface": json.dumps(features).encode()})
    {'ner_tags': ['O', 'B-PER']}
    """
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return {}
    found = {}
    for key in TAG_KEYS:
        feature = features.get(key) if isinstance(features, dict) else None
        if isinstance(feature, list):
            feature = {"feature": feature[0]} if feature else None
        inner = feature.get("feature") if isinstance(feature, dict) else None
        names = inner.get("names") if isinstance(inner, dict) else None
        if isinstance(names, list) and all(isinstance(name, str) for name in names):
            found[key] = names
    return found


register(
    Format(
        name="parquet",
        suffixes=(".parquet",),
        read=partial(read_table, open_batches=open_parquet),
    )
)
register(
    Format(
        name="arrow",
        suffixes=(".arrow", ".feather"),
        read=partial(read_table, open_batches=open_arrow),
    )
)
