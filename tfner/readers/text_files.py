"""Read text files so that an undecodable byte is reported with its line."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path

from tfner.exceptions import ConfigError, DataError


def read_text(path: Path, encoding: str) -> str:
    """The whole file, newlines and a byte order mark kept as they are.

    Raises:
        DataError: it cannot be opened, or a byte is not of this encoding; names the line.
        ConfigError: there is no such encoding.
    """
    check_encoding(encoding)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from None
    try:
        return codecs.getincrementaldecoder(encoding)().decode(content, final=True)  # strict where a stream is: UTF-16 without its mark
    except UnicodeError as error:
        raise undecodable(path, encoding, error) from None


def read_lines(path: Path, encoding: str) -> list[str]:
    """The lines without their ends, LF or CRLF; only these end a line, not U+0085 or U+2028, which occur in tokens."""
    lines = read_text(path, encoding).removeprefix("\ufeff").split("\n")
    return [line.removesuffix("\r") for line in lines]


def stream_lines(path: Path, encoding: str) -> Iterator[str]:
    """The same lines one by one, for files that are larger than memory."""
    check_encoding(encoding)
    try:
        with path.open(encoding=encoding, newline="\n") as file:
            for number, line in enumerate(file):
                text = line.removesuffix("\n").removesuffix("\r")
                yield text if number else text.removeprefix("\ufeff")
    except UnicodeError:
        read_text(path, encoding)  # finds the line and raises
        raise
    except OSError as error:
        raise unreadable(path, error) from None


def check_encoding(encoding: str) -> None:
    """Refuse what does not exist, is none of text, such as hex, or cannot go on after a byte that is none of its own, such as idna."""
    try:
        codecs.lookup(encoding)
        b"a\xff".decode(encoding, "replace")
    except (LookupError, ValueError):
        raise ConfigError(f"encoding: there is no encoding {encoding!r}") from None


def undecodable(path: Path, encoding: str, error: UnicodeError) -> DataError:
    """What is wrong, and where the codec tells; some say of a file as a whole that it is none of theirs."""
    hint = f"set encoding (now {encoding}) to that of the file, for example cp1252"
    if not isinstance(error, UnicodeDecodeError):
        return DataError(f"{path}: expected text in {encoding}, got something else: {error}; {hint}")
    line = error.object[: error.start].decode(encoding, "replace").count("\n") + 1
    wrong = error.object[error.start : error.start + 1].hex()
    return DataError(f"{path}:{line}: expected text in {encoding}, got the byte 0x{wrong}; {hint}")


def unreadable(path: Path, error: OSError) -> DataError:
    return DataError(f"{path}: cannot be read: {error.strerror or error}")
