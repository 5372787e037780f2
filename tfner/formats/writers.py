"""Predictions become files or lines in a terminal: one writer a format, each fed one document after the other."""

from __future__ import annotations

import json
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, TextIO, cast
from zlib import crc32

from rich.console import Console
from rich.style import Style
from rich.text import Text

from tfner.corpus.ledger import Ledger
from tfner.documents import Document, Entity
from tfner.exceptions import ConfigError, DataError
from tfner.safeio.portable_names import FileNames
from tfner.safeio.printable import printable
from tfner.tagging.spans import keep_longest
from tfner.tagging.word_tags import tags_on_words

OPEN_BOX = "\u2423"  # ␣, which stands for a blank that would part a column
COLOURS = (
    "dark_orange",
    "deep_sky_blue1",
    "chartreuse3",
    "orchid",
    "gold1",
    "turquoise2",
    "salmon1",
    "medium_purple1",
)
LINE_BREAKS = {
    0x85: "\\u0085",
    0x2028: "\\u2028",
    0x2029: "\\u2029",
}  # beside \n, what str.splitlines cuts at


class PredictionWriter(ABC):
    """Writes documents with predicted entities, each as it comes; a context manager that closes what it opened.

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
    """Writes to one file, UTF-8 with LF, or to a stream that is already open, which it leaves open.

    With `resume` what the file holds stays, and is written on behind. Without, an older file stays until there is something to write in
    its place: a mistake in the input or the model does not cost the earlier output.

    Raises:
        ConfigError: the path is a folder.
    """

    unencodable = "replace"  # lone surrogates, one character by one, so that offsets stay true

    def __init__(self, target: str | os.PathLike[str] | TextIO, *, resume: bool = False):
        super().__init__()
        self._path = Path(target) if isinstance(target, (str, os.PathLike)) else None
        self._mode: Literal["a", "w"] = "a" if resume else "w"
        self._open_stream = None if isinstance(target, (str, os.PathLike)) else target
        if self._path is not None and self._path.is_dir():
            raise ConfigError(f"{self._path}: expected a file to write to, got a folder")

    @property
    def _stream(self) -> TextIO:
        """The open stream; a file is opened when it is first written to."""
        if self._open_stream is None and self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._open_stream = self._path.open(
                self._mode, encoding="utf-8", errors=self.unencodable, newline="\n"
            )
        return cast(TextIO, self._open_stream)

    def close(self) -> None:
        if self._path is None:
            self._stream.flush()
        else:
            self._stream.close()

    def __exit__(self, kind: object, *others: object) -> None:
        if kind is None or self._open_stream is not None:
            self.close()


class JsonlWriter(StreamWriter):
    """One JSON object a line: `{"id", "text", "entities": [{"start", "end", "label", "score", "text"}]}`."""

    unencodable = "backslashreplace"  # \udc80 is JSON's own way to write a lone surrogate

    def write(self, document: Document, entities: Sequence[Entity]) -> None:
        self.write_record(prediction_record(document, entities))

    def write_record(self, record: Mapping[str, object]) -> None:
        """Write one object as it stands."""
        self._stream.write(json.dumps(record, ensure_ascii=False).translate(LINE_BREAKS) + "\n")


class ColumnsWriter(StreamWriter):
    """`token TAB tag` in IOB2, a blank line after each document.

    Tokens stay as they are, empty ones and ones with blanks too, but for TABs and line ends, which become ␣ (U+2423).
    """

    def write(self, document: Document, entities: Sequence[Entity]) -> None:
        rows = zip(
            document.word_texts(), tags_on_words(document, entities, self.ledger), strict=True
        )
        lines = ["\t".join(re.sub(r"[\t\r\n]", OPEN_BOX, cell) for cell in row) for row in rows]
        self._stream.write("".join(f"{line}\n" for line in (*lines, "")))


class ConllevalWriter(StreamWriter):
    """`token gold predicted` with single blanks, a blank line after each document: what conlleval reads.

    Its ports in other languages split at any white space, so each such character in a token or label is written as
    ␣ (U+2423), and so is an empty token. The token `-X-`, which conlleval takes for a sentence break, is written `-X-␣`.
    """

    def write(self, document: Document, entities: Sequence[Entity]) -> None:
        gold, predicted = (
            tags_on_words(document, one, self.ledger) for one in (document.entities, entities)
        )
        tokens = (
            f"{token}{OPEN_BOX}" if token in ("", "-X-") else token
            for token in document.word_texts()
        )
        for row in zip(tokens, gold, predicted, strict=True):
            self._stream.write(" ".join(re.sub(r"\s", OPEN_BOX, cell) for cell in row) + "\n")
        self._stream.write("\n")


class TextWriter(StreamWriter):
    """For reading: entities coloured, with their label, in a terminal; `[text](LABEL)` elsewhere.

    Of overlapping entities the longest is shown. Control characters are shown as pictures and do nothing.
    """

    def __init__(self, target: str | os.PathLike[str] | TextIO, *, resume: bool = False):
        super().__init__(target, resume=resume)
        console = None if self._path else Console(file=self._stream, highlight=False)
        self._console = (
            console
            if console
            and console.is_terminal
            and not (console.no_color or console.is_dumb_terminal)
            else None
        )

    def write(self, document: Document, entities: Sequence[Entity]) -> None:
        kept, overlapping = keep_longest(entities)
        for entity in overlapping:
            self.ledger.record(
                "overlapping", document.id, f"{entity.label} {entity.start}-{entity.end}"
            )
        parts = (
            (printable(text), label and printable(label))
            for text, label in _parts(document.text, kept)
        )
        if self._console:
            # Text objects, not strings: brackets in the text are brackets, not rich's markup.
            self._console.print(
                Text.assemble(
                    *(piece for text, label in parts for piece in _coloured(text, label))
                ),
                soft_wrap=True,
            )
        else:
            self._stream.write(
                "".join(f"[{text}]({label})" if label else text for text, label in parts) + "\n"
            )


class BratWriter(PredictionWriter):
    """A folder with `ID.txt` and `ID.ann` for each document, ids made safe as file names.

    White space in labels becomes `_`. BRAT lets no annotation run over a line end: such an entity gets a fragment a line.
    An `.ann` appears whole or not at all, after its `.txt`.

    Raises:
        DataError: the folder already holds annotations, which would be mixed with these, and that is not asked for by `resume`.
    """

    def __init__(self, folder: str | os.PathLike[str], *, resume: bool = False):
        super().__init__()
        self._folder = Path(folder)
        self._folder.mkdir(parents=True, exist_ok=True)
        if not resume and next(self._folder.glob("*.ann"), None):
            raise DataError(
                f"{self._folder}: expected a new or empty folder, got one with .ann files in it"
            )
        self._names = FileNames()

    def write(self, document: Document, entities: Sequence[Entity]) -> None:
        name = self._names.name(document.id)
        lines = [
            f"T{number}\t{_brat_line(document.text, entity)}\n"
            for number, entity in enumerate(entities, start=1)
        ]
        self._put(f"{name}.txt", document.text)
        part = self._put(f".{name}.part", "".join(lines))
        part.replace(self._folder / f"{name}.ann")

    def skip(self, document: Document) -> None:
        super().skip(document)
        self._names.name(document.id)  # is taken

    def _put(self, name: str, content: str) -> Path:
        path = self._folder / name
        if path.is_symlink():  # it would be written through, to wherever it leads
            raise DataError(
                f"{path}: expected a place for a new file, got a link to {path.readlink()}"
            )
        path.write_text(
            content, encoding="utf-8", errors="replace", newline=""
        )  # untranslated: offsets count the file's characters
        return path


WRITERS: dict[str, type[StreamWriter] | type[BratWriter]] = {
    "jsonl": JsonlWriter,
    "columns": ColumnsWriter,
    "conlleval": ConllevalWriter,
    "brat": BratWriter,
    "text": TextWriter,
}


def open_writer(
    format: str, target: str | os.PathLike[str] | TextIO, *, resume: bool = False
) -> PredictionWriter:
    """The writer of a format, on a path or an open stream; with `resume` it adds to what the path holds.

    Raises:
        ConfigError: there is no such format, or it cannot be written to a stream.
    """
    if format not in WRITERS:
        raise ConfigError(f"output format: expected one of {', '.join(WRITERS)}, got {format!r}")
    if format == "brat" and not isinstance(target, (str, os.PathLike)):
        raise ConfigError("output format brat: expected a folder to write to, got a stream")
    return WRITERS[format](target, resume=resume)  # type: ignore[arg-type]


def prediction_record(document: Document, entities: Sequence[Entity]) -> dict[str, object]:
    """A document with predicted entities as JSONL holds it."""
    return {
        "id": document.id,
        "text": document.text,
        "entities": [_entity_record(document, entity) for entity in entities],
    }


def _entity_record(document: Document, entity: Entity) -> dict[str, object]:
    text = document.text[entity.start : entity.end]
    return {
        "start": entity.start,
        "end": entity.end,
        "label": entity.label,
        "score": round(float(entity.score), 6),
        "text": text,
    }


def _parts(text: str, entities: Sequence[Entity]) -> Iterator[tuple[str, str]]:
    """The text cut at the borders of disjoint, sorted entities: (characters, label or "")."""
    position = 0
    for entity in entities:
        yield text[position : entity.start], ""
        yield text[entity.start : entity.end], entity.label
        position = entity.end
    yield text[position:], ""


def _coloured(text: str, label: str) -> list[tuple[str, Style]]:
    if not label:
        return [(text, Style())]
    colour = COLOURS[
        crc32(label.encode("utf-8", "replace")) % len(COLOURS)
    ]  # the same in every run
    return [
        (text, Style(color="black", bgcolor=colour)),
        (f" {label}", Style(color=colour, bold=True)),
    ]


def _brat_line(text: str, entity: Entity) -> str:
    lines = re.finditer(r"[^\r\n]+", text[entity.start : entity.end])
    fragments = [(entity.start + line.start(), entity.start + line.end()) for line in lines] or [
        (entity.start, entity.end)
    ]
    label = re.sub(r"\s", "_", entity.label)
    places = ";".join(f"{start} {end}" for start, end in fragments)
    surface = re.sub(r"[\r\n]", " ", " ".join(text[start:end] for start, end in fragments))
    return f"{label} {places}\t{surface}"
