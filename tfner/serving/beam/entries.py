"""From a chunk of files to blocks of documents. What is no document is refused with its place, and the reading goes on behind it."""

from __future__ import annotations

import gzip
import json
import lzma
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import PurePosixPath
from typing import BinaryIO, NamedTuple

from tfner.config import MAX_FILE, MAX_LINE, ReadSettings
from tfner.corpus.ledger import Ledger
from tfner.documents import Document
from tfner.exceptions import DataError
from tfner.formats.guess import guess_by_name
from tfner.formats.record_documents import Item, RecordReader
from tfner.safeio.json_text import parse_json
from tfner.serving.beam.sources import Chunk, bare_name, open_file
from tfner.serving.runtime.recognizer import in_blocks

SHOWN = 1000  # characters of what is refused
BYTES_OF_A_CHARACTER = 4  # at most, in the encodings that are in use
UNREADABLE = (
    EOFError,
    zlib.error,
    lzma.LZMAError,
    gzip.BadGzipFile,
    FileNotFoundError,
    PermissionError,
    IsADirectoryError,
)
WHOLE_FILE = 0  # in place of a line's number
# The scheme of tags is of no interest here, and finding it would take a reading of its own.
RECORDS = ReadSettings(format="jsonl", scheme="IOB2")


class Entry(NamedTuple):
    """What stands at one place of the input: a document, or some text that is none and why."""

    path: str
    line: int
    text: str
    document: Document | None = None
    error: str = ""


class Block(NamedTuple):
    """Entries that are worked on at once, as `predict` would put them together; `number` counts the blocks of a chunk.

    `tally` holds what was met since the block before: files, documents, refused, blank (empty lines of JSONL), skipped (records that their
    annotator rejected).
    """

    chunk: int
    number: int
    entries: list[Entry]
    tally: dict[str, int]


class Reading(NamedTuple):
    """How files are read: `input_format` is auto, lines, jsonl or document. Lines of more characters, and files of more bytes that are a
    document, are refused.
    """

    input_format: str = "auto"
    encoding: str = "utf-8"
    max_line: int = MAX_LINE
    max_file: int = MAX_FILE


def read_blocks(chunk: Chunk, reading: Reading) -> Iterator[Block]:
    """The blocks of a chunk, at least one; where they end depends on the input alone."""
    tally: Counter[str] = Counter()
    entries = (
        counted(entry, tally) for path in chunk.paths for entry in read_file(path, reading, tally)
    )
    number = -1
    for number, block in enumerate(in_blocks(entries)):
        yield Block(chunk.number, number, block, take(tally))
    if tally:
        yield Block(chunk.number, number + 1, [], take(tally))


def counted(entry: Entry, tally: Counter[str]) -> Entry:
    tally["refused" if entry.document is None else "documents"] += 1
    return entry


def take(tally: Counter[str]) -> dict[str, int]:
    taken = dict(tally)
    tally.clear()
    return taken


def read_file(path: str, reading: Reading, tally: Counter[str]) -> Iterator[Entry]:
    """The entries of a file, down to where it is damaged."""
    tally["files"] += 1
    kind = (
        guess_by_name(bare_name(path)) if reading.input_format == "auto" else reading.input_format
    )
    if kind not in KINDS:
        yield Entry(
            path,
            WHOLE_FILE,
            "",
            error=f"{path}: expected one of the formats {', '.join(KINDS)}, got what its name says is {kind}",
        )
        return
    line = WHOLE_FILE
    try:
        with open_file(path) as file:
            for entry in KINDS[kind](path, file, reading, tally):
                line = entry.line
                yield entry
    except (*UNREADABLE, OSError) as error:
        if not is_damage(error):
            raise  # another try may well go better: the runner's to decide
        behind = f" behind line {line}" if line else ""
        yield Entry(
            path,
            WHOLE_FILE,
            "",
            error=f"{path}: cannot be read{behind}: {getattr(error, 'strerror', None) or error}",
        )


def is_damage(error: BaseException) -> bool:
    """Whether reading a file again would fail again."""
    return isinstance(error, UNREADABLE) or (
        type(error) is OSError and error.errno is None
    )  # the latter is bz2's


def read_lines(path: str, file: BinaryIO, reading: Reading, tally: Counter[str]) -> Iterator[Entry]:
    """Each line is a document, empty ones too."""
    name = bare_name(path)
    for line, content in numbered_lines(path, file, reading):
        yield (
            content
            if isinstance(content, Entry)
            else Entry(path, line, content, Document(content, id=f"{name}:{line}"))
        )


def read_json_lines(
    path: str, file: BinaryIO, reading: Reading, tally: Counter[str]
) -> Iterator[Entry]:
    """Each line is a record in one of the shapes that `readers.records` knows; blank lines are nothing."""
    for line, content in numbered_lines(path, file, reading):
        if isinstance(content, Entry):
            yield content
        elif not content.strip():
            tally["blank"] += 1
        else:
            entry = read_record(path, line, content)
            if entry is None:
                tally["skipped"] += 1
            else:
                yield entry


def read_record(path: str, line: int, content: str) -> Entry | None:
    """The document of a JSON record, None where its annotator rejected it."""
    try:
        item = Item(
            parse_json(content, path, line=line), f"{path}:{line}", f"{bare_name(path)}:{line}"
        )
        for document in RecordReader(lambda: [item], RECORDS, Ledger()).documents():
            return Entry(path, line, document.text, document)
    except DataError as error:
        return Entry(path, line, content[:SHOWN], error=str(error))
    return None


def read_whole(path: str, file: BinaryIO, reading: Reading, tally: Counter[str]) -> Iterator[Entry]:
    """The file is a document."""
    content = file.read(reading.max_file + 1)
    if len(content) > reading.max_file:
        error = f"expected at most {reading.max_file:,} bytes (max_file), got more"
        yield refusal(path, WHOLE_FILE, content[: 4 * SHOWN], reading, error)
        return
    text = decode(path, 1, content, reading)
    yield (
        text
        if isinstance(text, Entry)
        else Entry(path, WHOLE_FILE, text, Document(text, id=PurePosixPath(bare_name(path)).stem))
    )


KINDS: dict[str, Callable[[str, BinaryIO, Reading, Counter[str]], Iterator[Entry]]] = {
    "lines": read_lines,
    "jsonl": read_json_lines,
    "document": read_whole,
}


def numbered_lines(
    path: str, file: BinaryIO, reading: Reading
) -> Iterator[tuple[int, str | Entry]]:
    """The lines of a file without their ends, LF or CRLF, and its byte order mark; those that are refused as entries."""
    most = BYTES_OF_A_CHARACTER * (reading.max_line + 2)
    for line, content in enumerate(iter(partial(file.readline, most), b""), start=1):
        whole = content.endswith(b"\n") or len(content) < most
        while not whole and (rest := file.readline(most)):
            whole = rest.endswith(b"\n")
        text = (
            decode(path, line, content, reading)
            if len(content) < most
            else content.decode(reading.encoding, "replace")
        )
        if isinstance(text, str):
            text = text.removesuffix("\n").removesuffix("\r")
            text = text.removeprefix("\ufeff") if line == 1 else text
            if len(text) > reading.max_line:
                error = f"expected a line of at most {reading.max_line:,} characters (max_line), got a longer one"
                text = refusal(path, line, content[: 4 * SHOWN], reading, error)
        yield line, text


def decode(path: str, line: int, content: bytes, reading: Reading) -> str | Entry:
    """The text of bytes that begin in a line, or their refusal."""
    try:
        return content.decode(reading.encoding)
    except UnicodeDecodeError as error:
        line += content.count(b"\n", 0, error.start)
        wrong = content[error.start : error.start + 1].hex()
        return refusal(
            path,
            line,
            content,
            reading,
            f"expected text in {reading.encoding}, got the byte 0x{wrong}",
        )


def refusal(path: str, line: int, content: bytes, reading: Reading, error: str) -> Entry:
    where = f"{path}:{line}" if line else path
    return Entry(
        path, line, content.decode(reading.encoding, "replace")[:SHOWN], error=f"{where}: {error}"
    )


def refused_line(entry: Entry) -> str:
    """A refused entry as a line of JSON: `{"file", "line", "error", "text"}`, where `line` is null if it is the whole file."""
    record = {
        "file": entry.path,
        "line": entry.line or None,
        "error": entry.error,
        "text": entry.text,
    }
    return json.dumps(record) + "\n"  # in ASCII: nothing in it can break a line
