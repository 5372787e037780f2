"""Write bytes as GPT-2's vocabularies do: each byte is one printable character.

Printable characters of Latin-1 stand for themselves; the other bytes, in their order, have the
characters from U+0100 on. So a space is `Ġ` and `é` in UTF-8 is `Ã©`.
"""

from __future__ import annotations

from itertools import chain

BYTES = 256
THEMSELVES = (("!", "~"), ("\xa1", "\xac"), ("\xae", "\xff"))  # first and last of each run
FIRST_OTHER = 0x100


def byte_characters() -> tuple[str, ...]:
    """List the character of every byte, from 0 to 255.

    >>> characters = byte_characters()
    >>> characters[ord(" ")], "".join(characters[byte] for byte in "é!".encode())
    ('Ġ', 'Ã©!')
    """
    runs = [range(ord(first), ord(last) + 1) for first, last in THEMSELVES]
    themselves = set(chain(*runs))
    characters = []
    other = FIRST_OTHER
    for byte in range(BYTES):
        if byte in themselves:
            characters.append(chr(byte))
        else:
            characters.append(chr(other))
            other += 1
    return tuple(characters)


BYTE_OF = {character: byte for byte, character in enumerate(byte_characters())}


def piece_bytes(piece: str) -> bytes:
    """Give the bytes that a piece is written for.

    >>> piece_bytes("ĠÃ©")
    b' \\xc3\\xa9'

    Raises:
        KeyError: a character of it stands for no byte.
    """
    return bytes(BYTE_OF[character] for character in piece)
