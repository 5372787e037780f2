"""Read the index of a SavedModel's variables, without TensorFlow's Python.

The index is a table of LevelDB's form: blocks of sorted pairs, in which a key leaves out what it
shares with the one before; a last block that says where the others are; and a footer that says
where that one is. Keys are the names of variables, values a BundleEntryProto each; the empty key
has the header. Checksums are left to TensorFlow, which checks them when it loads the values.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from google.protobuf.message import DecodeError

from tfner.safeio.bounded import read_at_most
from tfner.serving.export.tensorflow_messages import BundleEntryProto, BundleHeaderProto

LARGEST_INDEX = 64 << 20  # bytes; that of an encoder of 48 layers has some 100,000
FOOTER_BYTES = 48
MAGIC = struct.pack("<Q", 0xDB4775248B80FB57)  # ends the footer
UNCOMPRESSED = b"\0"  # TensorFlow writes no other blocks
COUNT = struct.Struct("<I")
LONGEST_VARINT = 10  # bytes
# Bytes of one element by DataType; strings (7), resources and variants are objects elsewhere.
ELEMENT_BYTES = {1: 4, 2: 8, 3: 4, 5: 2, 8: 8, 9: 8, 14: 2, 17: 2, 18: 16, 19: 2, 22: 4, 23: 8}
ELEMENT_BYTES |= dict.fromkeys((7, 20, 21), 0)


class DamagedIndexError(Exception):
    """Say that what should be an index of variables is none."""


class Variable(NamedTuple):
    """Name the type of a variable, as DataType numbers it, and its shape."""

    dtype: int
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Count the bytes of the values; at least one each of a type that is unknown here."""
        return math.prod(self.shape) * ELEMENT_BYTES.get(self.dtype, 1)


def read_variables(path: Path) -> dict[str, Variable]:
    """Read the types and shapes of all variables by name.

    Raises:
        DamagedIndexError: it is no index.
        OSError: the file cannot be read, or is larger than any index.
    """
    content = read_at_most(path, LARGEST_INDEX)
    variables = {}
    try:
        for key, value in read_table(content):
            if key:
                variables[key.decode()] = read_entry(value)
            else:
                BundleHeaderProto.FromString(value)
    except (DecodeError, UnicodeDecodeError, struct.error) as error:
        raise DamagedIndexError(str(error)) from None
    return variables


def read_entry(value: bytes) -> Variable:
    """Read the entry of one variable."""
    entry = BundleEntryProto.FromString(value)
    shape = tuple(axis.size for axis in entry.shape.dim)
    if min(shape, default=0) < 0:
        raise DamagedIndexError(f"expected a shape of sizes, got {shape}")
    return Variable(entry.dtype, shape)


def read_table(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the pairs of a table in their order."""
    footer = content[-FOOTER_BYTES:]
    if len(footer) < FOOTER_BYTES or not footer.endswith(MAGIC):
        raise DamagedIndexError("no footer of a table")
    _, after = read_handle(footer, 0)  # of a block about blocks, which has nothing
    index, _ = read_handle(footer, after)
    for _, value in read_block(content, index):
        handle, _ = read_handle(value, 0)
        yield from read_block(content, handle)


def read_handle(content: bytes, at: int) -> tuple[tuple[int, int], int]:
    """Read where a block begins and how long it is, and what is behind that."""
    offset, at = read_varint(content, at)
    size, at = read_varint(content, at)
    return (offset, size), at


def read_block(content: bytes, handle: tuple[int, int]) -> Iterator[tuple[bytes, bytes]]:
    """Yield the pairs of one block.

    Behind the pairs are numbers of 4 bytes: places to begin from, which are not needed, and last
    how many those are.
    """
    offset, size = handle
    block = content[offset : offset + size]
    if len(block) < size or content[offset + size : offset + size + 1] != UNCOMPRESSED:
        raise DamagedIndexError("a block is cut off or compressed")
    (restarts,) = COUNT.unpack(block[-COUNT.size :])
    end = size - COUNT.size * (restarts + 1)
    key, at = b"", 0
    while at < end:
        shared, at = read_varint(block, at)
        added, at = read_varint(block, at)
        length, at = read_varint(block, at)
        value_at = at + added
        key = key[:shared] + block[at:value_at]
        at = value_at + length
        if at > end:
            raise DamagedIndexError("a pair runs over the end of its block")
        yield key, block[value_at:at]


def read_varint(content: bytes, at: int) -> tuple[int, int]:
    """Read a number of seven bits a byte, the lowest first, and say what is behind it.

    >>> read_varint(b"\\xac\\x02", 0)
    (300, 2)
    """
    value = 0
    for number, byte in enumerate(content[at : at + LONGEST_VARINT]):
        value |= (byte & 0x7F) << (7 * number)
        if byte < 0x80:
            return value, at + number + 1
    raise DamagedIndexError("a number is cut off")
