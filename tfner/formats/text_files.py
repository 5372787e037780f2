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

READ_BYTES = 1 << 16


def read_text(path: Path, encoding: str, largest: int = MAX_FILE) -> str:
    """Read a whole file of at most `largest` bytes; newlines and a byte order mark are kept.

    Raises:
        DataError: it cannot be opened, is larger, or a byte is not of this encoding.
        ConfigError: there is no such encoding.
    """
    check_encoding(encoding)
    try:
        content = read_at_most(path, largest)
    except OSError as error:
        raise unreadable(path, error) from None
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        # Strict where a stream is: UTF-16 without its mark.
        return decoder.decode(content, final=True)
    except UnicodeError as error:
        raise undecodable(path, encoding, error) from None


def read_lines(path: Path, encoding: str, longest: int = MAX_LINE) -> list[str]:
    """Read the lines without their ends.

    Only LF and CRLF end a line, not U+0085 or U+2028, which occur in tokens.
    """
    return list(stream_lines(path, encoding, longest))


def stream_lines(
    path: Path, encoding: str, longest: int = MAX_LINE, *, ends: str = "\r\n"
) -> Iterator[str]:
    """Read the same lines one by one, for files that are larger than memory.

    With "\\n" for `ends` the CR of a CRLF stays, which in a quoted cell is a character of a text.

    Raises:
        DataError: the file cannot be read, a byte is not of this encoding, or a line has more than
            `longest` characters.
    """
    check_encoding(encoding)
    try:
        with path.open(encoding=encoding, newline="\n") as file:
            yield from bounded_lines(file, str(path), longest, ends)
    except UnicodeError as error:
        raise find_undecodable(path, encoding) or undecodable(path, encoding, error) from None
    except OSError as error:
        raise unreadable(path, error) from None


def bounded_lines(file: TextIO, name: str, longest: int, ends: str = "\r\n") -> Iterator[str]:
    """Read the lines, without their ends, of a file that was opened with newline="\\n".

    No more than one is held in memory.

    Raises:
        DataError: a line has more than `longest` characters.
    """
    for number, line in enumerate(iter(partial(file.readline, longest + 2), ""), start=1):
        text = line.removesuffix("\n")
        if ends == "\r\n":
            text = text.removesuffix("\r")
        if len(text) > longest:
            expected = f"expected a line of at most {longest:,} characters (max_line)"
            raise DataError(f"{name}:{number}: {expected}, got a longer one: {show(text)}")
        yield text if number > 1 else text.removeprefix("\ufeff")


def find_undecodable(path: Path, encoding: str) -> DataError | None:
    """Find where a file is not of an encoding, by reading it again: reading lines does not tell."""
    decoder, lines = codecs.getincrementaldecoder(encoding)(), 0
    with path.open("rb") as file:
        for content in chain(iter(partial(file.read, READ_BYTES), b""), [b""]):
            try:
                lines += decoder.decode(content, final=not content).count("\n")
            except UnicodeError as error:
                return undecodable(path, encoding, error, lines)
    return None


def check_encoding(encoding: str) -> None:
    """Refuse what is no encoding of text.

    That is one that does not exist, one of bytes such as hex, and one such as idna, which cannot go
    on after a byte that is none of its own.
    """
    try:
        codecs.lookup(encoding)
        b"a\xff".decode(encoding, "replace")
    except (LookupError, ValueError):
        raise ConfigError(f"encoding: there is no encoding {encoding!r}") from None


def undecodable(path: Path, encoding: str, error: UnicodeError, lines_before: int = 0) -> DataError:
    """Say what is wrong, and where, unless the codec refuses the file as a whole."""
    hint = f"set encoding (now {encoding}) to that of the file, for example cp1252"
    expected = f"expected text in {encoding}"
    if not isinstance(error, UnicodeDecodeError):
        return DataError(f"{path}: {expected}, got something else: {error}; {hint}")
    before = error.object[: error.start].decode(encoding, "replace")
    line = lines_before + before.count("\n") + 1
    wrong = error.object[error.start : error.start + 1].hex()
    return DataError(f"{path}:{line}: {expected}, got the byte 0x{wrong}; {hint}")


def unreadable(path: Path, error: OSError) -> DataError:
    """Say why a file cannot be read."""
    hint = " (max_file)" if error.errno == errno.EFBIG else ""
    return DataError(f"{path}: cannot be read: {error.strerror or error}{hint}")
