"""A terminal of a given width, and what is left on it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import struct
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

TOKEN = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|(\r)|(\n)|([^\x1b\r\n]+)")


class Terminal:
    """Hold the end of a pseudo-terminal that a person looks at; programs have `name`."""

    def __init__(self, columns: int):
        self._person, self._program = pty.openpty()
        size = struct.pack("HHHH", 24, columns, 0, 0)
        fcntl.ioctl(self._program, termios.TIOCSWINSZ, size)
        self.name = os.ttyname(self._program)
        self._read: list[bytes] = []
        self._reader = Thread(target=self._keep_reading, daemon=True)
        self._reader.start()

    def _keep_reading(self) -> None:
        with contextlib.suppress(OSError):
            while data := os.read(self._person, 65536):
                self._read.append(data)

    def close(self) -> None:
        os.close(self._program)
        self._reader.join(10)
        os.close(self._person)

    @property
    def text(self) -> str:
        return b"".join(self._read).decode()


@contextmanager
def terminal(columns: int = 80) -> Iterator[Terminal]:
    """Open a terminal; after the block its text is whole."""
    opened = Terminal(columns)
    try:
        yield opened
    finally:
        opened.close()


def draw(text: str) -> tuple[list[str], int]:
    """Draw what was written to a terminal: (the lines that are left, the widest ever drawn)."""
    lines, row, column, widest = [""], 0, 0, 0
    for arguments, command, back, new, written in TOKEN.findall(text):
        if back:
            column = 0
        elif new:
            row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        elif command == "A":
            row = max(0, row - int(arguments or 1))
        elif command == "K" and arguments == "2":
            lines[row] = ""
        elif written:
            before = lines[row].ljust(column)
            lines[row] = before[:column] + written + before[column + len(written) :]
            column += len(written)
            widest = max(widest, column)
    return [line.rstrip() for line in lines if line.strip()], widest
