"""Read unmarked input for prediction: lines, or whole files of text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from tfner.documents import Document
from tfner.exceptions import DataError
from tfner.formats.counts import count_lines, count_texts
from tfner.formats.registry import Format, register
from tfner.formats.settings import ReadSettings
from tfner.formats.text_files import bounded_lines, read_text, stream_lines
from tfner.safeio.sources import check_inside


def read_line_file(path: Path, settings: ReadSettings) -> Iterator[Document]:
    """Read the lines of a file as they are needed."""
    lines = stream_lines(path, settings.encoding, settings.max_line)
    return documents_of_lines(lines, path.name)


def read_line_stream(stream: TextIO, settings: ReadSettings) -> Iterator[Document]:
    """Read the lines of standard input as they come."""
    lines = bounded_lines(stream, "stdin", settings.max_line)
    return documents_of_lines(lines, "stdin")


def documents_of_lines(lines: Iterable[str], name: str) -> Iterator[Document]:
    """Make each line a document, empty ones too, so that output lines answer input lines."""
    for number, line in enumerate(lines, start=1):
        yield Document(line, id=f"{name}:{number}")


def read_whole_files(path: Path, settings: ReadSettings) -> Iterator[Document]:
    """Read a file, or each .txt file of a folder in order of their names, as one document each.

    Raises:
        DataError: a folder without .txt files, a link out of it, or a file that cannot be read.
    """
    files = sorted(path.glob("*.txt")) if path.is_dir() else [path]
    if not files:
        raise DataError(f"{path}: expected .txt files in this folder, found none")
    if path.is_dir():
        check_inside(path, [file.name for file in files], DataError)
    for file in files:
        text = read_text(file, settings.encoding, settings.max_file)
        yield Document(text, id=file.stem)


def read_whole_stream(stream: TextIO, settings: ReadSettings) -> Iterator[Document]:
    """Read all of standard input as one document.

    Raises:
        DataError: it has more than `max_file` characters.
    """
    text = stream.read(settings.max_file + 1)
    if len(text) > settings.max_file:
        expected = f"at most {settings.max_file:,} characters (max_file)"
        raise DataError(f"stdin: expected {expected}, got more")
    return iter([Document(text, id="stdin")])


def parse_text(text: str, path: str, line: int) -> Document:
    """Take a record as the text that it is."""
    return Document(text)


register(
    Format(
        name="lines",
        suffixes=(".txt",),
        read_unmarked=read_line_file,
        read_stream=read_line_stream,
        parse=parse_text,
        keeps_blank_lines=True,
        count=count_lines,
    )
)
register(
    Format(
        name="document",
        read_unmarked=read_whole_files,
        read_stream=read_whole_stream,
        parse=parse_text,
        record="file",
        count=count_texts,
        folder=True,
    )
)
