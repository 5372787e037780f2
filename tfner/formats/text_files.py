"""Read text files so that an undecodable byte is reported with its line."""

from __future__ import annotations

import codecs
import errno
from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TextIO

from tfner.exceptions import ConfigError, DataError
from tfner.formats.settings import MAX_FILE, MAX_LINE
from tfner.safeio.bounded import read_at_most
from tfner.safeio.printable import show

CHUNK = 1 << 16  # bytes


def read_text(path: Path, encoding: str, largest: int = MAX_FILE) -> str:
    """The whole file, of at most `largest` bytes, newlines and a byte order mark kept as they are.

    Raises:
        DataError: it cannot be opened, is larger, or a byte is not of this encoding; names the line.
        ConfigError: there is no such encoding.
    """
    check_encoding(encoding)
    try:
        content = read_at_most(path, largest)
    except OSError as error:
        raise unreadable(path, error) from None
    try:
        return codecs.getincrementaldecoder(encoding)().decode(
            content, final=True
        )  # strict where a stream is: UTF-16 without its mark
    except UnicodeError as error:
        raise undecodable(path, encoding, error) from None


def read_lines(path: Path, encoding: str, longest: int = MAX_LINE) -> list[str]:
    """The lines without their ends, LF or CRLF; only these end a line, not U+0085 or U+2028, which occur in tokens."""
    return list(stream_lines(path, encoding, longest))


def stream_lines(path: Path, encoding: str, longest: int = MAX_LINE) -> Iterator[str]:
    """The same lines one by one, for files that are larger than memory.

    Raises:
        DataError: the file cannot be read, a byte is not of this encoding, or a line has more than `longest` characters.
    """
    check_encoding(encoding)
    try:
        with path.open(encoding=encoding, newline="\n") as file:
            yield from bounded_lines(file, str(path), longest)
    except UnicodeError as error:
        raise find_undecodable(path, encoding) or undecodable(path, encoding, error) from None
    except OSError as error:
        raise unreadable(path, error) from None


def bounded_lines(file: TextIO, name: str, longest: int) -> Iterator[str]:
    """The lines of an open file that was opened with newline="\\n", without their ends; no more than one is held.

    Raises:
        DataError: a line has more than `longest` characters.
    """
    for number, line in enumerate(iter(partial(file.readline, longest + 2), ""), start=1):
        text = line.removesuffix("\n").removesuffix("\r")
        if len(text) > longest:
            expected = f"expected a line of at most {longest:,} characters (max_line)"
            raise DataError(f"{name}:{number}: {expected}, got a longer one: {show(text)}")
        yield text if number > 1 else text.removeprefix("\ufeff")


def find_undecodable(path: Path, encoding: str) -> DataError | None:
    """Where a file is not of an encoding; it is read once more, since what reads lines does not tell."""
    decoder, lines = codecs.getincrementaldecoder(encoding)(), 0
    with path.open("rb") as file:
        for chunk in chain(iter(partial(file.read, CHUNK), b""), [b""]):
            try:
                lines += decoder.decode(chunk, final=not chunk).count("\n")
            except UnicodeError as error:
                return undecodable(path, encoding, error, lines)
    return None


def check_encoding(encoding: str) -> None:
    """Refuse what does not exist, is none of text, such as hex, or cannot go on after a byte that is none of its own, such as idna."""
    try:
        codecs.lookup(encoding)
        b"a\xff".decode(encoding, "replace")
    except (LookupError, ValueError):
        raise ConfigError(f"encoding: there is no encoding {encoding!r}") from None


def undecodable(path: Path, encoding: str, error: UnicodeError, lines_before: int = 0) -> DataError:
    """What is wrong, and where the codec tells; some say of a file as a whole that it is none of theirs."""
    hint = f"set encoding (now {encoding}) to that of the file, for example cp1252"
    if not isinstance(error, UnicodeDecodeError):
        return DataError(
            f"{path}: expected text in {encoding}, got something else: {error}; {hint}"
        )
    line = lines_before + error.object[: error.start].decode(encoding, "replace").count("\n") + 1
    wrong = error.object[error.start : error.start + 1].hex()
    return DataError(f"{path}:{line}: expected text in {encoding}, got the byte 0x{wrong}; {hint}")


def unreadable(path: Path, error: OSError) -> DataError:
    hint = " (max_file)" if error.errno == errno.EFBIG else ""
    return DataError(f"{path}: cannot be read: {error.strerror or error}{hint}")
