"""Write and read strings as TensorFlow has them in memory: TF_TString, 24 bytes each.

The lowest two bits of the first byte say which form it is:

    small   size << 2 in the first byte, up to 22 bytes behind it
    large   size << 2 | 1, capacity, address          eight bytes each
    view    size << 2 | 3, address of others' bytes   eight bytes each

All strings of a tensor are written as views of one buffer and read at once by numpy, instead of by
a call of the C API each. `check_layout` compares with what the C API writes.
"""

from __future__ import annotations

import ctypes as c
import sys
from collections.abc import Sequence

import numpy as np

from tfner.serving.runtime.c_api.library import CLibrary

STRING_BYTES = 24
SMALL, LARGE, VIEW = 0, 1, 3
FORM_BITS = 2
SAMPLES = (b"", b"small", b"x" * 22, b"large" * 9)


def write_views(texts: Sequence[bytes]) -> tuple[np.ndarray, c.Array[c.c_char]]:
    """Write strings as views; what they view must live as long as they do.

    Returns:
        uint64 [N, 3], and the buffer.
    """
    joined = b"".join(texts)
    buffer = c.create_string_buffer(joined, len(joined) + 1)
    sizes = np.fromiter(map(len, texts), np.uint64, len(texts))
    ends = np.cumsum(sizes, dtype=np.uint64)
    address = np.uint64(c.addressof(buffer))
    views = np.zeros((len(texts), 3), np.uint64)
    views[:, 0] = (sizes << np.uint64(FORM_BITS)) | np.uint64(VIEW)
    views[:, 1] = ends - sizes + address
    return views, buffer


def read_strings(memory: bytes) -> np.ndarray:
    """Read N strings of 24 bytes each, those of other memory while that lives.

    Returns:
        bytes in an array of dtype object, [N]. Most strings of an answer are empty: the first byte
        of those is 0.
    """
    cells = np.frombuffer(memory, np.uint8).reshape(-1, STRING_BYTES)
    texts = np.full(len(cells), b"", object)
    for index in np.flatnonzero(cells[:, 0]):
        texts[index] = read_string(cells[index])
    return texts


def read_string(cell: np.ndarray) -> bytes:
    """Read one string from its 24 bytes.

    >>> read_string(np.frombuffer(bytes([2 << 2]) + b"ab" + bytes(21), np.uint8))
    b'ab'
    """
    first = int(cell[0])
    form = first & 3
    if form == SMALL:
        end = 1 + (first >> FORM_BITS)
        return cell[1:end].tobytes()
    numbers = cell.view(np.uint64).tolist()
    size = numbers[0] >> FORM_BITS
    address = numbers[2] if form == LARGE else numbers[1]
    return c.string_at(address, size)


def check_layout(library: CLibrary) -> None:
    """Compare the layout that is assumed here with what the C API does.

    Raises:
        OSError: it is another, as on a processor whose lowest byte is not the first.
    """
    for sample in SAMPLES:
        cell = c.create_string_buffer(STRING_BYTES)
        library.StringInit(cell)
        library.StringCopy(cell, sample, len(sample))
        read = read_strings(cell.raw)[0]
        library.StringDealloc(cell)
        if read != sample or sys.byteorder != "little":
            raise OSError("TensorFlow has another layout of strings in memory")
