"""Find out which documents the output of an interrupted run holds, from the output alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Protocol

from tfner.documents import Document
from tfner.exceptions import ConfigError, DataError
from tfner.formats.registry import all_formats
from tfner.safeio.printable import show

SAME_INPUT = "--resume goes on only with the same input and format"

# (number of the line in its record, the line) -> True where the record ends with it
IsLast = Callable[[int, bytes], bool]
Ends = Callable[[Document], IsLast]
Belongs = Callable[[bytes, Document], bool]  # (record, document)


class Earlier(Protocol):
    """Hold the output of an earlier run."""

    def holds(self, document: Document) -> bool:
        """Tell whether the output holds the document whole.

        Asked about each document of the input in its order. DataError if it holds another one.
        """
        ...

    def finish(self) -> None:
        """Note that the input has ended; DataError if the output goes on."""
        ...


class Nothing:
    """Stand for an earlier run where there is none."""

    def holds(self, document: Document) -> bool:
        return False

    def finish(self) -> None:
        return


class WrittenFile:
    """Read the records of a file of which an interrupted run wrote a part, down to any byte.

    The first document that it does not hold whole cuts off what there is of it, so that the file
    can be appended to.

    Args:
        path: of the output, which need not exist.
        ends: says for a document which line ends its record.
        belongs: tells whether a record is the document's.
        head: what stands before the records.
        foot: what begins the line behind the last one; the writer writes that anew.
    """

    def __init__(
        self, path: Path, ends: Ends, belongs: Belongs, head: bytes = b"", foot: bytes = b""
    ):
        if path.exists() and not path.is_file():
            raise ConfigError(f"--resume: expected a file, got {path}, which is none")
        self._path = path
        self._ends = ends
        self._belongs = belongs
        self._file: BinaryIO | None = path.open("rb") if path.exists() else None
        self._foot = foot
        self._records = 0
        self._whole_bytes = 0
        self._read_head(head)

    def _read_head(self, head: bytes) -> None:
        found = self._file.read(len(head)) if self._file else head
        if found == head:
            self._whole_bytes = len(head)
        elif head.startswith(found):
            self._cut_off()
        else:
            self._close()
            expected = f"expected {show(head)} first, got {show(found)}"
            raise DataError(f"{self._path}: {expected}; {SAME_INPUT}")

    def holds(self, document: Document) -> bool:
        if self._file is None:
            return False
        record = read_record(self._file, self._ends(document))
        if record is None or (self._foot and record.startswith(self._foot)):
            self._cut_off()
            return False
        self._records += 1
        if not self._belongs(record, document):
            self._close()
            where = f"{self._path}: record {self._records}"
            expected = f"document {document.id!r} of this input"
            raise DataError(f"{where}: expected {expected}, got another; {SAME_INPUT}")
        self._whole_bytes += len(record)
        return True

    def finish(self) -> None:
        if self._file is None:
            return
        rest = self._file.read(len(self._foot) or 1)
        if rest == self._foot[: len(rest)]:
            self._cut_off()
        else:
            self._close()
            expected = f"{self._records} records, as many as the input has documents"
            raise DataError(f"{self._path}: expected {expected}, got more; {SAME_INPUT}")

    def _cut_off(self) -> None:
        """Cut off what is behind the last whole record."""
        self._close()
        os.truncate(self._path, self._whole_bytes)

    def _close(self) -> None:
        if self._file:
            self._file.close()
        self._file = None


def resumable() -> dict[str, Callable[[Path], Earlier]]:
    """Map the formats that an interrupted output can go on in to what opens the output."""
    return {format.name: format.resume for format in all_formats() if format.resume}


def open_earlier(output: str, name: str) -> Earlier:
    """Open the output of an earlier run, which need not exist.

    Raises:
        ConfigError: nothing can go on with it: it is a stream, or not in a format whose records
            can be told apart.
    """
    if output == "-":
        got = "standard output, which cannot be read back"
        raise ConfigError(f"--resume: expected --output FILE, got {got}")
    formats = resumable()
    open_output = formats.get(name)
    if open_output is None:
        expected = ", ".join(formats)
        raise ConfigError(f"--resume: expected one of the formats {expected}, got {name!r}")
    return open_output(Path(output))


def read_record(file: BinaryIO, is_last: IsLast) -> bytes | None:
    """Read the lines of a record; None if the file ends before it does."""
    lines: list[bytes] = []
    while (line := file.readline()).endswith(b"\n"):
        lines.append(line)
        if is_last(len(lines), line):
            return b"".join(lines)
    return None


def one_line(document: Document) -> IsLast:
    """End a record with its first line."""
    return lambda number, line: True


def up_to_blank_line(document: Document) -> IsLast:
    """End a record with a blank line."""
    return lambda number, line: line == b"\n"


def as_many_lines(document: Document) -> IsLast:
    """End a record with as many lines as the document has."""
    count = document.text.count("\n") + 1
    return lambda number, line: number == count
