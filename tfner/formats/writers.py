"""Write predictions as files or lines in a terminal, one document after the other."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TextIO, cast

from tfner.corpus.ledger import Ledger
from tfner.documents import Document, Entity
from tfner.exceptions import ConfigError
from tfner.formats.registry import choose, writable

Target = str | os.PathLike[str] | TextIO
OPEN_BOX = "\u2423"  # ␣, which stands for a blank that would part a column


class PredictionWriter(ABC):
    """Write documents with predicted entities, each as it comes; close what was opened.

    What a format cannot hold is entered in `ledger`.
    """

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.skipped = 0

    @abstractmethod
    def write(self, document: Document, entities: Sequence[Entity]) -> None:
        """Write one document; `entities` are in code points of its text."""

    def skip(self, document: Document) -> None:
        """Leave a document out, because an earlier run has written it."""
        self.skipped += 1

    def close(self) -> None:
        """Finish the output; nothing can be written afterwards."""
        return  # not abstract: a format of whole files has nothing to close

    def __enter__(self) -> PredictionWriter:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class StreamWriter(PredictionWriter):
    """Write to one file, UTF-8 with LF, or to a stream that is open and stays open.

    With `resume` what the file holds stays, and is written on behind. Without, an older file stays
    until there is something to write in its place: a mistake in the input or the model does not
    cost the earlier output.

    Raises:
        ConfigError: the path is a folder.
    """

    unencodable = "replace"  # lone surrogates, one character by one, so that offsets stay true

    def __init__(self, target: Target, *, resume: bool = False):
        super().__init__()
        is_path = isinstance(target, (str, os.PathLike))
        self._path = Path(target) if is_path else None
        self._open_stream = None if is_path else target
        self._mode: Literal["a", "w"] = "a" if resume else "w"
        if self._path and self._path.is_dir():
            raise ConfigError(f"{self._path}: expected a file to write to, got a folder")

    @property
    def _stream(self) -> TextIO:
        """Open the file when it is first written to."""
        if self._open_stream is None and self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            mode, errors = self._mode, self.unencodable
            self._open_stream = self._path.open(mode, encoding="utf-8", errors=errors, newline="\n")
        return cast(TextIO, self._open_stream)

    def close(self) -> None:
        if self._path is None:
            self._stream.flush()
        else:
            self._stream.close()

    def __exit__(self, kind: object, *others: object) -> None:
        if kind is None or self._open_stream is not None:
            self.close()


class FramedWriter(StreamWriter):
    """Write records between a beginning and an end, which stand there without a record too."""

    def __init__(self, target: Target, *, resume: bool = False):
        super().__init__(target, resume=resume)
        self._begun = False
        self._written = 0

    @property
    def is_first(self) -> bool:
        """Tell whether the next record is the first of the output."""
        return self.skipped + self._written == 0

    @abstractmethod
    def head(self) -> str:
        """Give what stands before the records."""

    def foot(self) -> str:
        """Give what stands behind them."""
        return ""

    def recall(self, path: Path) -> None:
        """Take note of what the output of an earlier run holds, which ends with a whole record."""
        return  # not abstract: most formats write each record by itself

    def write_block(self, text: str) -> None:
        """Write a record, behind the beginning if it is the first."""
        self.begin()
        self._stream.write(text)
        self._written += 1

    def begin(self) -> None:
        """Write what stands before the records, unless it is there."""
        if self._begun:
            return
        self._begun = True
        if self._path and self._mode == "a" and self._stream.tell():
            self.recall(self._path)
        else:
            self._stream.write(self.head())

    def close(self) -> None:
        self.begin()
        self._stream.write(self.foot())
        super().close()


def open_writer(name: str, target: Target, *, resume: bool = False) -> PredictionWriter:
    """Open the writer of a format on a path or an open stream; `resume` adds to what is there.

    Raises:
        ConfigError: there is no such format, or it cannot be written to a stream.
    """
    format = choose(name, writable(), lambda text: ConfigError(f"output format: {text}"))
    if format.folder and not isinstance(target, (str, os.PathLike)):
        raise ConfigError(f"output format {name}: expected a folder to write to, got a stream")
    if format.open_writer is None:
        raise TypeError(f"{name} has no writer, though `writable` lists it")
    return format.open_writer(target, resume=resume)
