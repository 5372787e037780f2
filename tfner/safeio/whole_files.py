"""Write files and folders that are whole or absent, and arrays that are read as they were written.

Everything that is read back later goes through here, under one policy:

1. Written beside its place under another name, so a reader never sees half of it.
2. Brought to the disk (fsync) before it gets its name: a machine that loses power leaves the old
   file or the new one. Without that, the name could be on the disk before the bytes.
3. The list of names is brought to the disk for folders alone (checkpoints, exported versions),
   because older ones are deleted after them. A file's new name may be lost with the power; the old
   file is there then.

Streams of predictions are not of this kind: they grow line by line, and `--resume` cuts off what is
not whole.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from tfner.exceptions import DataError

MAGIC = b"tfner arrays 1\n"
DIGEST_BYTES = 32
LENGTH_BYTES = 8


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a path to write to; what is there takes the place of `path` when the block ends well.

    Where the block raises, the file is deleted and `path` stays as it was.
    """
    unique = uuid.uuid4().hex[:8]
    temporary = path.with_name(f"{path.name}.{unique}.tmp")
    try:
        yield temporary
        name_file(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def folder_written_whole(path: Path) -> Iterator[Path]:
    """Give a new folder to write into; it takes the name of `path` when the block ends well.

    A folder that has the name goes then. Where the block raises, `path` stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    old = building.with_name(f"{building.name}.old")
    try:
        yield building
        building.chmod(0o755)  # mkdtemp makes it the owner's alone
        sync_tree(building)
        if path.exists():
            path.rename(old)
        building.rename(path)
        sync(path.parent)
    except BaseException:
        if old.exists() and not path.exists():
            old.rename(path)
        raise
    finally:
        shutil.rmtree(building, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def write_text_whole(path: Path, text: str) -> None:
    r"""Write a text in UTF-8; a lone surrogate, which has none, becomes `\udc80`, as in JSON."""
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


def name_file(temporary: Path, path: Path) -> None:
    """Bring a complete file to the disk and give it its name, in place of what has it now."""
    sync(temporary)
    temporary.replace(path)


def sync_tree(folder: Path) -> None:
    """Bring all files below a folder, and all lists of names, to the disk: before it gets its name.

    The list that the folder itself is named in is brought there by `sync(folder.parent)`, later.
    """
    for path in (*folder.rglob("*"), folder):
        sync(path)


def sync(path: Path) -> None:
    """Bring a file, or a folder's list of names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_arrays(path: Path, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Write a header, plain values, and arrays of numbers, with a checksum over all.

    The file is MAGIC, the length of a JSON text (8 bytes, little-endian), that text, the arrays'
    bytes one after another, and BLAKE2b over all of it (32 bytes). For `write_arrays(path,
    {"key": "k"}, {"ids": np.arange(3, dtype="<i4")})` the text is:

        {"header": {"key": "k"}, "arrays": [["ids", "<i4", [3]]]}

    Raises:
        OSError: the file cannot be written; there is none then.
    """
    described = [[name, array.dtype.str, list(array.shape)] for name, array in arrays.items()]
    text = json.dumps({"header": header, "arrays": described})
    head = text.encode()
    length = len(head).to_bytes(LENGTH_BYTES, "little")
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    bodies = (array.tobytes() for array in arrays.values())
    with written_whole(path) as temporary, temporary.open("wb") as file:
        for content in chain((MAGIC, length, head), bodies):
            digest.update(content)
            file.write(content)
        file.write(digest.digest())


def read_arrays(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read what `write_arrays` wrote.

    Returns:
        The header and the arrays, which are views of one buffer and cannot be written.

    Raises:
        DataError: the file cannot be read, is another one, or is not as it was written.
    """
    try:
        content = memoryview(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    magic = bytes(content[: len(MAGIC)])
    if magic != MAGIC:
        raise DataError(f"{path}: expected a file that begins with {MAGIC!r}, got {magic!r}")
    body = content[:-DIGEST_BYTES]
    written = content[-DIGEST_BYTES:]
    found = hashlib.blake2b(body, digest_size=DIGEST_BYTES)
    if found.digest() != written:
        got = f"{len(content)} bytes that do not: damaged or cut off"
        raise DataError(f"{path}: expected content that fits its checksum, got {got}")
    try:
        return parse_body(body[len(MAGIC) :])
    # A checksum is no signature: whoever made the file may have made a checksum for anything.
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
        got = f"others: {error}"
        raise DataError(f"{path}: expected arrays as they are written, got {got}") from None


def parse_body(body: memoryview) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read the header and the arrays behind MAGIC."""
    length = int.from_bytes(body[:LENGTH_BYTES], "little")
    begin = LENGTH_BYTES + length
    head = json.loads(bytes(body[LENGTH_BYTES:begin]))
    arrays = {}
    for name, dtype, shape in head["arrays"]:
        size = math.prod(shape)
        flat = np.frombuffer(body, dtype, size, begin)
        arrays[name] = flat.reshape(shape)
        begin += flat.nbytes
    return head["header"], arrays
