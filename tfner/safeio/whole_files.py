"""Files that are there whole or not at all, and arrays in a file that is read only if every byte is what was written."""

from __future__ import annotations

import hashlib
import json
import math
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tfner.exceptions import DataError

MAGIC = b"tfner arrays 1\n"
DIGEST_BYTES = 32
LENGTH_BYTES = 8


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`: what is written there takes its place when the block ends well, else it is deleted."""
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())  # or a machine that stops may leave the name without the bytes
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_arrays(path: Path, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Write a header, plain values, and arrays of numbers, with a checksum over all.

    Raises:
        OSError: the file cannot be written; there is none then.
    """
    described = [[name, array.dtype.str, list(array.shape)] for name, array in arrays.items()]
    head = json.dumps({"header": header, "arrays": described}).encode()
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    with written_whole(path) as temporary, temporary.open("wb") as file:
        for part in (
            MAGIC,
            len(head).to_bytes(LENGTH_BYTES, "little"),
            head,
            *(array.tobytes() for array in arrays.values()),
        ):
            digest.update(part)
            file.write(part)
        file.write(digest.digest())


def read_arrays(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The header and the arrays of a file that `write_arrays` wrote.

    Raises:
        DataError: it cannot be read, is another file, or is not as it was written.
    """
    try:
        content = memoryview(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    if bytes(content[: len(MAGIC)]) != MAGIC:
        raise DataError(
            f"{path}: expected a file that begins with {MAGIC!r}, got {bytes(content[: len(MAGIC)])!r}"
        )
    body, written = content[:-DIGEST_BYTES], content[-DIGEST_BYTES:]
    if hashlib.blake2b(body, digest_size=DIGEST_BYTES).digest() != written:
        raise DataError(
            f"{path}: expected content that fits its checksum, got {len(content)} bytes that do not: damaged or cut off"
        )
    try:
        return parse_body(body[len(MAGIC) :])
    except (
        ValueError,
        TypeError,
        KeyError,
        RecursionError,
        OverflowError,
    ) as error:  # a checksum is no signature
        raise DataError(
            f"{path}: expected arrays as they are written, got others: {error}"
        ) from None


def parse_body(body: memoryview) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    begin = LENGTH_BYTES + int.from_bytes(body[:LENGTH_BYTES], "little")
    head = json.loads(bytes(body[LENGTH_BYTES:begin]))
    arrays = {}
    for name, dtype, shape in head["arrays"]:
        arrays[name] = np.frombuffer(body, dtype, math.prod(shape), begin).reshape(shape)
        begin += arrays[name].nbytes
    return head["header"], arrays
