"""Read files without filling the memory: up to a bound, or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from tfner.exceptions import TfnerError


def read_at_most(path: Path, most: int) -> bytes:
    """Read a file's content; also a pipe's, whose size is not known before.

    Raises:
        OSError: it cannot be read, or has more than `most` bytes.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise too_large(most, f"{size:,}")
        # Room is made for what is asked for, so the bound is named only where no size is known.
        content = file.read() if size else file.read(most + 1)
    if len(content) > most:
        raise too_large(most, "more")
    return content


def too_large(most: int, got: str) -> OSError:
    """Make the error for a file of too many bytes."""
    return OSError(errno.EFBIG, f"expected at most {most:,} bytes, got {got}")


def read_utf8(path: Path, most: int, error: type[TfnerError], encoding: str = "utf-8") -> str:
    """Read a file's text.

    Raises:
        `error`: it cannot be read, has more than `most` bytes, or bytes that no UTF-8 text has.
    """
    try:
        content = read_at_most(path, most)
        return content.decode(encoding)
    except OSError as fault:
        raise error(f"{path}: cannot be read: {fault.strerror or fault}") from None
    except UnicodeDecodeError as fault:
        line = content.count(b"\n", 0, fault.start) + 1
        byte = content[fault.start]
        raise error(f"{path}:{line}: expected text in utf-8, got the byte 0x{byte:02x}") from None
