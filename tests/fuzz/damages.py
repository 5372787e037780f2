"""Damage a file as disks, editors and other programs do, and worse.

Cut short, a bit flipped, a value of another type, nested deeply, a field of a hundred thousand
characters, something left out or there twice.
"""

from __future__ import annotations

import random

DEEP = (b"[" * 3000, b'{"a":' * 3000, b"(" * 3000, b'"' * 999)
GIANT = (
    *(b"a" * 100_000, b"9" * 100_000, b"\n" * 50_000, b"\t" * 50_000, b"," * 50_000),
    *(b"|x=B-X" * 20_000, "é".encode() * 50_000),
)
OTHER = (b"null", b"true", b"-1", b"1e999", b"NaN", b'"x"', b"[]", b"{}", b"0.5", b"\0", b"\xff")


def damage(data: bytes, draw: random.Random) -> bytes:
    """Damage some bytes once to three times."""
    for _ in range(draw.randint(1, 3)):
        data = damage_once(data, draw)
    return data


def damage_once(data: bytes, draw: random.Random) -> bytes:
    start = draw.randint(0, len(data))
    end = draw.randint(start, len(data))
    before, between, after = data[:start], data[start:end], data[end:]
    flipped = bytes([data[start - 1] ^ 1 << draw.randrange(8)]) if start else b""
    other, deep, giant = map(draw.choice, (OTHER, DEEP, GIANT))
    short = data[start + draw.randint(0, 6) :]
    return draw.choice(
        [
            before,
            before[:-1] + flipped + between + after,
            before + other + short,
            before + deep + between + after,
            before + giant + between + after,
            before + after,
            before + between + between + after,
        ]
    )
