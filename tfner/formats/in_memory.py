"""Read what a program holds: documents, dicts, spaCy Docs, DataFrames, datasets.

Neither pandas nor datasets nor spaCy is imported: whoever holds such data has done so.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tfner.corpus.ledger import Ledger
from tfner.documents import Document
from tfner.exceptions import DataError
from tfner.formats.document_records import document_record
from tfner.formats.frames import frame_items, is_missing, to_plain
from tfner.formats.hub import class_names_of, record_items
from tfner.formats.reading import adjust_entities
from tfner.formats.record_documents import Item, RecordReader
from tfner.formats.records import parse_id
from tfner.formats.settings import ReadSettings
from tfner.safeio.printable import show

if TYPE_CHECKING:
    import datasets
    import pandas

    # Docs of spaCy's are Any.
    Given = Iterable[Document | Mapping[str, Any] | Any] | pandas.DataFrame | datasets.Dataset
    Data = Given | str | os.PathLike[str] | Sequence[str | os.PathLike[str]]

KINDS = "Documents, dicts, spaCy Docs, a DataFrame, a Dataset, or the name of a file"


def is_source(data: Any) -> bool:
    """Tell the name of a file or of another source, or several, from data."""
    if isinstance(data, (str, os.PathLike)):
        return True
    is_list = isinstance(data, (list, tuple)) and len(data) > 0
    return is_list and all(isinstance(each, (str, os.PathLike)) for each in data)


def read_given(
    data: Given, name: str, settings: ReadSettings, ledger: Ledger
) -> Iterator[Document]:
    """Read data that a program holds, as `read_documents` reads a source.

    Args:
        name: what messages call the data: `train[3]` is the record or row of number 3, from 0.

    Raises:
        DataError: it is something else, or a record has none of the known shapes.
    """
    given = given_items(data, name, settings)
    items = list(given)
    documents = RecordReader(lambda: items, settings, ledger).documents()
    return adjust_entities(documents, name, settings, ledger)


def given_items(data: Given, name: str, settings: ReadSettings) -> Iterator[Item]:
    """Make records of plain values; each has an id.

    Raises:
        DataError: as `read_given`.
    """
    for raw, where, id in raw_items(data, name, settings):
        value = plain_record(raw, where)
        if isinstance(value, dict) and not parse_id(value):
            value["id"] = id
        yield Item(value, where, id)


def raw_items(data: Any, name: str, settings: ReadSettings) -> Iterator[Item]:
    """Make records of data by what it is."""
    if is_a(data, "pandas", "DataFrame"):
        return frame_items(data, name, settings)
    if is_a(data, "datasets", "Dataset") or is_a(data, "datasets", "IterableDataset"):
        class_names = class_names_of(data)
        return record_items(data, class_names, name, name)
    if is_a(data, "datasets", "DatasetDict"):
        splits = map(show, data)
        got = ", ".join(splits)
        expected = "expected one split of a dataset"
        raise DataError(f"{name}: {expected}, got several: {got}")
    if isinstance(data, (str, bytes, Mapping, Document)) or not isinstance(data, Iterable):
        raise DataError(f"{name}: expected {KINDS}, got {describe(data)}")
    return list_items(data, name)


def list_items(data: Iterable[Any], name: str) -> Iterator[Item]:
    """Make records of documents, dicts, pairs of text and annotations, and Docs of spaCy's."""
    for index, value in enumerate(data):
        where = f"{name}[{index}]"
        if is_a(value, "spacy.tokens", "Doc"):
            value = Document.from_spacy(value)
        if isinstance(value, Document):
            value = document_record(value)
        is_pair = isinstance(value, (list, tuple)) and len(value) == 2
        if not isinstance(value, Mapping) and not is_pair:
            expected = "expected a Document, a dict or a spaCy Doc"
            raise DataError(f"{where}: {expected}, got {describe(value)}")
        yield Item(value, where, where)


def is_a(data: Any, module: str, name: str) -> bool:
    """Tell an object of a class of a library that may not be imported."""
    modules = sys.modules
    loaded = modules.get(module)
    kind = getattr(loaded, name, None)
    if kind is None:
        return False
    return isinstance(data, kind)


def describe(value: Any) -> str:
    """Name a value's type, and show what it is."""
    return f"{type(value).__name__} {show(value)}"


def plain_record(value: Any, where: str) -> Any:
    """Make a record of values that JSON has; keys whose value is missing are left out.

    Raises:
        DataError: it holds itself, or a key that is no name.
    """
    if isinstance(value, Mapping):
        value = {str(key): each for key, each in value.items() if not is_missing(each)}
    try:
        text = json.dumps(value, default=to_plain)
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError(f"{where}: expected values that JSON has: {error}") from None
    return json.loads(text)
