"""Readers: files in the formats that people have become Documents; one function picks the reader."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from tfner.config import ReadSettings
from tfner.corpus.ledger import Ledger
from tfner.documents import Document
from tfner.exceptions import DataError
from tfner.formats.brat import is_brat, read_brat
from tfner.formats.columns import read_columns
from tfner.formats.hub import is_dataset_folder, read_hub, read_saved_dataset
from tfner.formats.json_records import read_json_array, read_json_lines
from tfner.safeio.sources import PREPARED, embedded_path

__all__ = ["read_documents"]

READERS = {
    "columns": read_columns,
    "json": read_json_array,
    "jsonl": read_json_lines,
    "brat": read_brat,
    "datasets": read_saved_dataset,
}


def read_documents(
    path: str | os.PathLike[str], settings: ReadSettings, ledger: Ledger
) -> Iterator[Document]:
    """Read one source: a file, a folder, `hub:NAME` or `hub:NAME:SPLIT`, `embedded:FILE`.

    Documents hold all entities of the source, nested ones included, in code points of their text. What is repaired or
    left out on the way is entered in `ledger` with file and line; with `settings.strict` it is an error instead.

    Raises:
        DataError: there is no such source, or it cannot be read as asked; the message opens with file and line.
        MissingExtraError: a source of Hugging Face datasets, and the package `datasets` is not installed.
    """
    source = os.fspath(path)
    if source.startswith("hub:"):
        return read_hub(source, settings, ledger)
    if source.startswith(PREPARED):
        raise DataError(
            f"{source}: expected documents, got windows that are prepared for training; name what they were made of"
        )
    place = embedded_path(source) if source.startswith("embedded:") else Path(source)
    if not place.exists():
        raise DataError(f"{place}: no such file or folder")
    return READERS[pick_format(place, settings)](place, settings, ledger)


def pick_format(path: Path, settings: ReadSettings) -> str:
    """The format asked for, or what the path looks like."""
    if settings.format != "auto":
        return settings.format
    if is_dataset_folder(path):
        return "datasets"
    if is_brat(path):
        return "brat"
    if path.is_dir():
        raise DataError(
            f"{path}: expected a folder of BRAT files (.txt and .ann) or a saved Hugging Face dataset, found neither"
        )
    return {".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl"}.get(
        path.suffix.lower(), "columns"
    )
