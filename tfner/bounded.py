"""Reading that fills no memory: a file of unknown size is read up to a bound, or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path


def read_at_most(path: Path, most: int) -> bytes:
    """The content of a file; also of a pipe, whose size is not known before.

    Raises:
        OSError: it cannot be read, or has more than `most` bytes.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        content = b"" if size > most else file.read(most + 1) if size == 0 else file.read()
    if max(size, len(content)) > most:
        raise OSError(errno.EFBIG, f"expected at most {most:,} bytes, got {'more' if size == 0 else f'{size:,}'}")
    return content
