"""Read a TFRecord file without TensorFlow.

A record is its length in eight bytes, the masked checksum of these in four, its content, and the
masked checksum of that in four; numbers are little-endian.
Format: https://www.tensorflow.org/tutorials/load_data/tfrecord
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

CASTAGNOLI = 0x82F63B78  # the polynomial of CRC-32C, lowest bit first
MASK = 0xA282EAD8
CHECKSUM_BYTES = 4
BITS = 0xFFFFFFFF


class DamagedRecordError(Exception):
    """Say where a file of records is damaged."""


def read_records(path: Path) -> Iterator[bytes]:
    """Read the contents of a file's records.

    Raises:
        OSError: it cannot be read.
        DamagedRecordError: it ends within a record, or one is not what was written.
    """
    left = path.stat().st_size
    number = 0
    with path.open("rb") as file:
        while left:
            number += 1
            where = f"{path}: record {number}"
            (length,) = struct.unpack("<Q", read_checked(file, 8, left, where))
            left -= 8 + CHECKSUM_BYTES
            yield read_checked(file, length, left, where)
            left -= length + CHECKSUM_BYTES


def read_checked(file: BinaryIO, length: int, left: int, where: str) -> bytes:
    """Read so many bytes and their checksum.

    Raises:
        DamagedRecordError: fewer are left, or the checksum is another.
    """
    needed = length + CHECKSUM_BYTES
    if needed > left:
        raise DamagedRecordError(f"{where}: expected {needed:,} bytes more, got {left:,}")
    content = file.read(length)
    (expected,) = struct.unpack("<I", file.read(CHECKSUM_BYTES))
    got = masked_checksum(content)
    if got != expected:
        raise DamagedRecordError(f"{where}: expected the checksum {expected:08x}, got {got:08x}")
    return content


def masked_checksum(content: bytes) -> int:
    """Compute CRC-32C, rotated and shifted as TensorFlow stores it.

    >>> hex(masked_checksum(b"123456789"))
    '0xc78ab0e5'
    """
    rest = BITS
    for byte in content:
        rest = TABLE[(rest ^ byte) & 0xFF] ^ (rest >> 8)
    checksum = rest ^ BITS
    rotated = (checksum >> 15) | (checksum << 17)
    return (rotated + MASK) & BITS


def remainder(byte: int) -> int:
    """Divide one byte by the polynomial."""
    for _ in range(8):
        byte = (byte >> 1) ^ (CASTAGNOLI if byte & 1 else 0)
    return byte


TABLE = tuple(map(remainder, range(256)))
