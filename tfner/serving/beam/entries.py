"""Read groups of files as blocks of documents.

What is no document is refused with its file and line, and the reading goes on behind it.
"""

from __future__ import annotations

import gzip
import json
import lzma
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import PurePosixPath
from typing import BinaryIO, NamedTuple

from tfner.documents import Document
from tfner.exceptions import DataError
from tfner.formats import registry
from tfner.formats.registry import Format
from tfner.formats.settings import MAX_FILE, MAX_LINE
from tfner.serving.beam.sources import FileGroup, bare_name, open_file
from tfner.serving.runtime.recognizer import in_blocks

SHOWN = 1000  # characters of what is refused
BYTES_OF_A_CHARACTER = 4  # at most, in the encodings that are in use
DAMAGED = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)
UNREADABLE = (*DAMAGED, FileNotFoundError, PermissionError, IsADirectoryError)
WHOLE_FILE = 0  # instead of a line's number
READ_COUNTS = ("files", "documents", "refused", "blank", "skipped")  # names in the tally of a Block


class Entry(NamedTuple):
    """Hold one record of the input: a document, or some text that is none and why."""

    path: str
    line: int
    text: str
    document: Document | None = None
    error: str = ""


class Block(NamedTuple):
    """Hold entries that are worked on at once, as `predict` would put them together.

    `number` counts the blocks of a group of files. `tally` holds what was met since the block
    before: files, documents, refused, blank (empty lines of JSONL), skipped (records that their
    annotator rejected).
    """

    group: int
    number: int
    entries: list[Entry]
    tally: dict[str, int]


class Reading(NamedTuple):
    """Say how files are read: `input_format` is auto or the name of one that is read by record.

    Lines of more characters, and files of more bytes that are one record, are refused.
    """

    input_format: str = "auto"
    encoding: str = "utf-8"
    max_line: int = MAX_LINE
    max_file: int = MAX_FILE


def read_blocks(group: FileGroup, reading: Reading) -> Iterator[Block]:
    """Read the blocks of a group, at least one; where they end depends on the input alone."""
    tally = Counter[str]()
    files = (read_file(path, reading, tally) for path in group.paths)
    entries = (counted(entry, tally) for entry in chain.from_iterable(files))
    number = -1
    for number, block in enumerate(in_blocks(entries)):
        yield Block(group.number, number, block, take(tally))
    if tally:
        yield Block(group.number, number + 1, [], take(tally))


def counted(entry: Entry, tally: Counter[str]) -> Entry:
    """Count an entry on its way."""
    tally["refused" if entry.document is None else "documents"] += 1
    return entry


def take(tally: Counter[str]) -> dict[str, int]:
    """Empty a tally and give what it held."""
    taken = dict(tally)
    tally.clear()
    return taken


def read_file(path: str, reading: Reading, tally: Counter[str]) -> Iterator[Entry]:
    """Read the entries of a file, down to where it is damaged."""
    tally["files"] += 1
    name = reading.input_format
    if name == "auto":
        bare = bare_name(path)
        name = registry.guess_unmarked_name(bare)
    format = registry.find_format(name)
    if format is None or format.parse is None:
        expected = ", ".join(registry.names_of(registry.parsed_by_record()))
        error = f"expected one of the formats {expected}, got what its name says is {name}"
        yield Entry(path, WHOLE_FILE, "", error=f"{path}: {error}")
        return
    read = read_whole if format.record == "file" else read_by_line
    line = WHOLE_FILE
    try:
        with open_file(path) as file:
            for entry in read(path, file, format, reading, tally):
                line = entry.line
                yield entry
    except (*UNREADABLE, OSError) as error:
        if not is_damage(error):
            raise  # another try may well go better: the runner's to decide
        behind = f" behind line {line}" if line else ""
        reason = getattr(error, "strerror", None) or error
        what = f"cannot be read{behind}: {reason}"
        yield Entry(path, WHOLE_FILE, "", error=f"{path}: {what}")


def is_damage(error: BaseException) -> bool:
    """Tell whether reading a file again would fail again."""
    is_from_bz2 = type(error) is OSError and error.errno is None
    return isinstance(error, UNREADABLE) or is_from_bz2


def read_by_line(
    path: str, file: BinaryIO, format: Format, reading: Reading, tally: Counter[str]
) -> Iterator[Entry]:
    """Read each line as a record; blank ones are nothing, unless the format says otherwise."""
    for line, content in numbered_lines(path, file, reading):
        if isinstance(content, Entry):
            yield content
        elif not (content.strip() or format.keeps_blank_lines):
            tally["blank"] += 1
        else:
            id = f"{bare_name(path)}:{line}"
            entry = parse_record(path, line, content, format, id)
            if entry is None:
                tally["skipped"] += 1
            else:
                yield entry


def parse_record(path: str, line: int, content: str, format: Format, id: str) -> Entry | None:
    """Make an entry of a record's text, or None where its annotator rejected it."""
    if format.parse is None:
        raise ValueError(f"{format.name} cannot be read by record")
    try:
        document = format.parse(content, path, line)
    except DataError as error:
        shown = content[:SHOWN]
        return Entry(path, line, shown, error=str(error))
    if document is None:
        return None
    named = replace(document, id=document.id or id)
    return Entry(path, line, document.text, named)


def read_whole(
    path: str, file: BinaryIO, format: Format, reading: Reading, tally: Counter[str]
) -> Iterator[Entry]:
    """Read the file as one record."""
    content = file.read(reading.max_file + 1)
    if len(content) > reading.max_file:
        error = f"expected at most {reading.max_file:,} bytes (max_file), got more"
        beginning = content[: 4 * SHOWN]
        yield refusal(path, WHOLE_FILE, beginning, reading, error)
        return
    text = decode(path, 1, content, reading)
    if isinstance(text, Entry):
        yield text
        return
    id = PurePosixPath(bare_name(path)).stem
    entry = parse_record(path, WHOLE_FILE, text, format, id)
    if entry is not None:
        yield entry


def numbered_lines(
    path: str, file: BinaryIO, reading: Reading
) -> Iterator[tuple[int, str | Entry]]:
    """Read the lines of a file without their ends, LF or CRLF, and without its byte order mark.

    Returns:
        (number from 1, text); instead of the text an entry where the line is refused.
    """
    most = BYTES_OF_A_CHARACTER * (reading.max_line + 2)
    for line, content in enumerate(iter(partial(file.readline, most), b""), start=1):
        whole = content.endswith(b"\n") or len(content) < most
        while not whole and (rest := file.readline(most)):
            whole = rest.endswith(b"\n")
        if len(content) < most:
            text = decode(path, line, content, reading)
        else:
            text = content.decode(reading.encoding, "replace")
        if isinstance(text, str):
            text = text.removesuffix("\n").removesuffix("\r")
            if line == 1:
                text = text.removeprefix("\ufeff")
            if len(text) > reading.max_line:
                limit = f"{reading.max_line:,} characters (max_line)"
                error = f"expected a line of at most {limit}, got a longer one"
                beginning = content[: 4 * SHOWN]
                text = refusal(path, line, beginning, reading, error)
        yield line, text


def decode(path: str, line: int, content: bytes, reading: Reading) -> str | Entry:
    """Decode bytes that begin in a line, or refuse them."""
    try:
        return content.decode(reading.encoding)
    except UnicodeDecodeError as error:
        line += content.count(b"\n", 0, error.start)
        wrong = content[error.start : error.start + 1].hex()
        expected = f"expected text in {reading.encoding}, got the byte 0x{wrong}"
        return refusal(path, line, content, reading, expected)


def refusal(path: str, line: int, content: bytes, reading: Reading, error: str) -> Entry:
    """Make the entry of bytes that are no document."""
    where = f"{path}:{line}" if line else path
    shown = content.decode(reading.encoding, "replace")[:SHOWN]
    return Entry(path, line, shown, error=f"{where}: {error}")


def refused_line(entry: Entry) -> str:
    """Write a refused entry as a line of JSON: `{"file", "line", "error", "text"}`.

    `line` is null where the whole file was refused.
    """
    line = entry.line or None
    record = {"file": entry.path, "line": line, "error": entry.error, "text": entry.text}
    return json.dumps(record) + "\n"  # in ASCII: nothing in it can break a line
