"""Going on with the output of an earlier run that was interrupted: which documents it holds, found from the output alone."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Protocol

from tfner.documents import Document
from tfner.exceptions import ConfigError, DataError
from tfner.formats.writers import OPEN_BOX
from tfner.safeio.portable_names import FileNames
from tfner.safeio.printable import printable

SAME_INPUT = "--resume goes on only with the same input and format"


class Earlier(Protocol):
    """The output of an earlier run."""

    def holds(self, document: Document) -> bool:
        """Whether the output holds the document whole; asked about each of the input in its order. DataError if it holds another one."""
        ...

    def finish(self) -> None:
        """The input has ended; DataError if the output goes on."""
        ...


class Nothing:
    """There is no earlier run to go on with."""

    def holds(self, document: Document) -> bool:
        return False

    def finish(self) -> None:
        return


class WrittenFile:
    """The records of a file, of which an interrupted run wrote a part, down to any byte.

    The first document that it does not hold whole cuts off what there is of it, so that the file can be appended to.
    """

    def __init__(self, path: Path, format: str):
        self._path = path
        self._ends, self._belongs = RECORDS[format]
        self._file: BinaryIO | None = path.open("rb") if path.exists() else None
        self._number = self._whole = 0  # records, and bytes of them

    def holds(self, document: Document) -> bool:
        if self._file is None:
            return False
        record = read_record(self._file, self._ends(document))
        if record is None:
            self._cut_off()
            return False
        self._number += 1
        if not self._belongs(record, document):
            self._close()
            where = f"{self._path}: record {self._number}"
            raise DataError(
                f"{where}: expected document {document.id!r} of this input, got another; {SAME_INPUT}"
            )
        self._whole += len(record)
        return True

    def _cut_off(self) -> None:
        self._close()
        os.truncate(self._path, self._whole)

    def finish(self) -> None:
        rest = self._file.read(1) if self._file else b""
        self._close()
        if rest:
            raise DataError(
                f"{self._path}: expected {self._number} records, as many as the input has documents, got more; {SAME_INPUT}"
            )

    def _close(self) -> None:
        if self._file:
            self._file.close()
        self._file = None


class WrittenFolder:
    """The BRAT files of a folder; an annotation file appears whole or not at all, and after its text."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._names = FileNames()

    def holds(self, document: Document) -> bool:
        name = self._names.name(document.id)
        text, annotations = self._folder / f"{name}.txt", self._folder / f"{name}.ann"
        if not annotations.exists():
            return False
        if not text.is_file() or text.read_bytes() != document.text.encode("utf-8", "replace"):
            raise DataError(
                f"{text}: expected the text of document {document.id!r} of this input, got another; {SAME_INPUT}"
            )
        return True

    def finish(self) -> None:
        return  # what else is in a folder says nothing


IsLast = Callable[
    [int, bytes], bool
]  # (number of the line in its record, the line) -> whether the record ends with it


def open_earlier(output: str, format: str) -> Earlier:
    """The output of an earlier run, which need not exist.

    Raises:
        ConfigError: nothing can go on with it: it is a stream, or not in a format whose records can be told apart.
    """
    if output == "-":
        raise ConfigError(
            "--resume: expected --output FILE, got standard output, which cannot be read back"
        )
    path = Path(output)
    if format == "brat":
        return WrittenFolder(path)
    if format not in RECORDS:
        raise ConfigError(
            f"--resume: expected one of the formats {', '.join((*RECORDS, 'brat'))}, got {format!r}"
        )
    if path.exists() and not path.is_file():
        raise ConfigError(f"--resume: expected a file, got {path}, which is none")
    return WrittenFile(path, format)


def read_record(file: BinaryIO, is_last: IsLast) -> bytes | None:
    """The lines of a record; None if the file ends before it does."""
    lines: list[bytes] = []
    while (line := file.readline()).endswith(b"\n"):
        lines.append(line)
        if is_last(len(lines), line):
            return b"".join(lines)
    return None


def one_line(document: Document) -> IsLast:
    return lambda number, line: True


def up_to_blank_line(document: Document) -> IsLast:
    return lambda number, line: line == b"\n"


def as_many_lines(document: Document) -> IsLast:
    count = document.text.count("\n") + 1
    return lambda number, line: number == count


def is_json_of(record: bytes, document: Document) -> bool:
    expected = json.loads(
        json.dumps([document.id, document.text])
    )  # two lone surrogates in a row come back as one character
    try:
        found = json.loads(record)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and [found.get("id"), found.get("text")] == expected


def is_columns_of(record: bytes, document: Document) -> bool:
    """Whether the tokens have the document's characters: of raw text, where they are parted depends on the entities."""
    tokens = b"".join(line.split(b"\t")[0] for line in record.split(b"\n"))
    expected = (
        re.sub(r"\s", "", document.text)
        if document.words is None
        else "".join(document.word_texts())
    )
    return tokens == re.sub(r"[\t\r\n]", OPEN_BOX, expected).encode("utf-8", "replace")


def is_text_of(record: bytes, document: Document) -> bool:
    """Whether the document's characters are there in their order, among brackets, labels and colours."""
    characters = iter(record.decode("utf-8", "replace"))
    return all(character in characters for character in re.sub(r"\s", "", printable(document.text)))


RECORDS: dict[str, tuple[Callable[[Document], IsLast], Callable[[bytes, Document], bool]]] = {
    "jsonl": (one_line, is_json_of),
    "columns": (up_to_blank_line, is_columns_of),
    "text": (as_many_lines, is_text_of),
}
