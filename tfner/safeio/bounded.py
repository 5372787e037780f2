"""Reading that fills no memory: a file of unknown size is read up to a bound, or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from tfner.exceptions import TfnerError


def read_at_most(path: Path, most: int) -> bytes:
    """The content of a file; also of a pipe, whose size is not known before.

    Raises:
        OSError: it cannot be read, or has more than `most` bytes.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        content = b"" if size > most else file.read(most + 1) if size == 0 else file.read()
    if max(size, len(content)) > most:
        raise OSError(
            errno.EFBIG,
            f"expected at most {most:,} bytes, got {'more' if size == 0 else f'{size:,}'}",
        )
    return content


def read_utf8(path: Path, most: int, error: type[TfnerError], encoding: str = "utf-8") -> str:
    """The text of a file.

    Raises:
        `error`: it cannot be read, has more than `most` bytes or other ones than text in UTF-8 has.
    """
    try:
        content = read_at_most(path, most)
        return content.decode(encoding)
    except OSError as fault:
        raise error(f"{path}: cannot be read: {fault.strerror or fault}") from None
    except UnicodeDecodeError as fault:
        line = content.count(b"\n", 0, fault.start) + 1
        raise error(
            f"{path}:{line}: expected text in utf-8, got the byte 0x{content[fault.start]:02x}"
        ) from None
