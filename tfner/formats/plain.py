"""Unmarked input for prediction: lines, or whole files of text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from tfner.config import MAX_FILE, MAX_LINE
from tfner.documents import Document
from tfner.exceptions import DataError
from tfner.formats.text_files import read_text, stream_lines
from tfner.safeio.sources import check_inside


def read_text_lines(lines: Iterable[str], name: str) -> Iterator[Document]:
    """Each line is a document, empty ones too, so that output lines answer input lines."""
    for number, line in enumerate(lines, start=1):
        yield Document(line, id=f"{name}:{number}")


def read_line_file(path: Path, encoding: str, longest: int = MAX_LINE) -> Iterator[Document]:
    """The lines of a file, read as they are needed."""
    return read_text_lines(stream_lines(path, encoding, longest), path.name)


def read_whole_files(path: Path, encoding: str, largest: int = MAX_FILE) -> Iterator[Document]:
    """A file, or each .txt file of a folder in order of their names, as one document each.

    Raises:
        DataError: a folder without .txt files, a link out of it, or a file that cannot be read.
    """
    files = sorted(path.glob("*.txt")) if path.is_dir() else [path]
    if not files:
        raise DataError(f"{path}: expected .txt files in this folder, found none")
    if path.is_dir():
        check_inside(path, [file.name for file in files], DataError)
    for file in files:
        yield Document(read_text(file, encoding, largest), id=file.stem)
