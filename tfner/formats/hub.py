"""Read Hugging Face datasets, saved in a folder or on the hub, which name their integer tags."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tfner.corpus.ledger import Ledger
from tfner.documents import Document
from tfner.exceptions import DataError, MissingExtraError
from tfner.formats.record_documents import Item, RecordReader
from tfner.formats.records import TAG_KEYS
from tfner.formats.registry import Format, register
from tfner.formats.settings import ReadSettings
from tfner.safeio.printable import one_line, show

FILES = ("state.json", "dataset_info.json", "dataset_dict.json")  # of a split, of several
LONGEST_REASON = 500  # characters of what the library says, which may list all that it knows


def is_dataset_folder(path: Path) -> bool:
    """Recognize what `save_to_disk` writes."""
    return path.is_dir() and any((path / name).is_file() for name in FILES)


def read_saved_dataset(path: Path, settings: ReadSettings, ledger: Ledger) -> Iterator[Document]:
    """Read a folder that `save_to_disk` wrote; one of several splits is named by its folder.

    Raises:
        DataError: it is no such folder, holds several splits, or a record has an unknown shape.
        MissingExtraError: the package datasets is not installed.
    """
    if not path.is_dir():
        raise DataError(f"{path}: expected the folder of a saved Hugging Face dataset, got a file")
    load = import_datasets(str(path)).load_from_disk
    dataset = fetch(lambda: load(str(path)), str(path))
    if isinstance(dataset, dict):
        if len(dataset) != 1:
            splits = ", ".join(dataset)
            got = splits or "none"
            hint = f"name the folder of one, such as {path / next(iter(dataset), '')}"
            raise DataError(f"{path}: expected one split, got {got}; {hint}")
        (dataset,) = dataset.values()
    return read_rows(dataset, str(path), path.name, settings, ledger)


def read_hub(source: str, settings: ReadSettings, ledger: Ledger) -> Iterator[Document]:
    """Read `hub:NAME` or `hub:NAME:SPLIT`, by default the split `train`.

    Raises:
        DataError: it cannot be had, or a record has none of the known shapes.
        MissingExtraError: the package datasets is not installed.
    """
    name, _, split = source.removeprefix("hub:").partition(":")
    if not name:
        raise DataError(f"{source}: expected hub:NAME or hub:NAME:SPLIT")
    load = import_datasets(source).load_dataset
    dataset = fetch(lambda: load(name, split=split or "train"), source)
    return read_rows(dataset, source, source, settings, ledger)


def import_datasets(source: str) -> Any:
    """Import the library, which is an extra."""
    try:
        return importlib.import_module("datasets")
    except ImportError:
        raise MissingExtraError("datasets", "hub", f"reading {source}") from None


def fetch(load: Callable[[], Any], source: str, kind: str = "a dataset") -> Any:
    """Call the library; its errors become DataErrors that name the source."""
    try:
        return load()
    # Not found, no network, unknown split, a loading script.
    except (OSError, ValueError, RuntimeError) as error:
        raise unusable(source, str(error), kind) from None
    # Its files are damaged: the library looks for what is not there, or for very much of it.
    except (LookupError, TypeError, AttributeError, MemoryError, OverflowError) as error:
        raise unusable(source, f"{type(error).__name__}: {error}", kind) from None


def unusable(source: str, reason: str, kind: str) -> DataError:
    """Put the library's words into one line."""
    words = reason.split()
    reason = " ".join(words)
    return DataError(f"{source}: cannot be read as {kind}: {one_line(reason, LONGEST_REASON)}")


def read_rows(
    dataset: Any, source: str, name: str, settings: ReadSettings, ledger: Ledger
) -> Iterator[Document]:
    """Read the rows of a dataset as records; integer tags get their names."""
    fetch(lambda: check_values(dataset), source)
    class_names = class_names_of(dataset)

    def rows() -> Iterator[Any]:
        iterator = iter(dataset)
        while (row := fetch(lambda: next(iterator, None), source)) is not None:
            yield row

    return read_records(rows, class_names, source, name, settings, ledger)


def read_records(
    rows: Callable[[], Iterator[Any]],
    class_names: Mapping[str, Sequence[str]],
    source: str,
    name: str,
    settings: ReadSettings,
    ledger: Ledger,
) -> Iterator[Document]:
    """Make documents of rows.

    Args:
        rows: opens them, each a mapping of columns to values.
        class_names: names of the integers in a column of tags.
        source: for messages.
        name: begins the ids of documents that have none.
    """

    def items() -> Iterator[Item]:
        return record_items(rows(), class_names, source, name)

    return RecordReader(items, settings, ledger).documents()


def record_items(
    rows: Iterable[Any], class_names: Mapping[str, Sequence[str]], source: str, name: str
) -> Iterator[Item]:
    """Make records of rows; see `read_records`."""
    for index, row in enumerate(rows):
        where = f"{source}[{index}]"
        record = dict(row)
        for column, names in class_names.items():
            if column in record:
                record[column] = name_classes(record[column], names, column, where)
        yield Item(record, where, f"{name}[{index}]")


def check_values(dataset: Any) -> None:
    """Refuse values that point outside of their mapped file: to read one ends the process."""
    table = getattr(dataset, "data", None)
    if table is not None:
        table.validate(full=True)


def class_names_of(dataset: Any) -> dict[str, Sequence[str]]:
    """Name the classes of each column of tags that holds their numbers."""
    names = {key: names_of(dataset.features.get(key)) for key in TAG_KEYS}
    return {key: found for key, found in names.items() if found}


def names_of(feature: Any) -> Sequence[str] | None:
    """Name the classes of a column that holds lists of class labels."""
    inner = feature[0] if isinstance(feature, list) else getattr(feature, "feature", None)
    return getattr(inner, "names", None)


def name_classes(ids: Any, names: Sequence[str], column: str, where: str) -> list[str]:
    """Put class names in the place of their numbers."""
    expected = f"classes in 0..{len(names) - 1} in {column}"
    if not isinstance(ids, list | None):
        raise DataError(f"{where}: expected a list of {expected}, got {show(ids)}")
    for id in ids or ():
        if not isinstance(id, int) or not 0 <= id < len(names):
            raise DataError(f"{where}: expected {expected}, got {show(id)}")
    return [names[int(id)] for id in ids or ()]


register(Format(name="datasets", recognize=is_dataset_folder, read=read_saved_dataset, folder=True))
