"""Keep one record of each format: what can be read and written, and how.

A format is one module in this folder that calls `register(Format(...))`. Commands, configurations,
Beam and `--resume` ask here and name no format themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Literal, TextIO

from tfner.corpus.ledger import Ledger
from tfner.documents import Document

if TYPE_CHECKING:
    from tfner.formats.resume import Earlier
    from tfner.formats.settings import ReadSettings
    from tfner.formats.writers import PredictionWriter


@dataclass(frozen=True, kw_only=True)
class Format:
    """Describe a format; what is None it cannot do.

    Args:
        name: as users write it.
        suffixes: endings of its files' names in lower case; output is named by the first.
        recognize: tells by more than the name that a path is of this format.
        recognize_header: tells by its first line that a file, whose name may be that of column
            files, is of this format; asked for marked and unmarked input alike.
        read: (path, settings, ledger) to documents with their entities, for training and scoring.
        read_unmarked: (path, settings) to documents for prediction, where that is cheaper.
        read_stream: (standard input, settings) to documents for prediction.
        parse: (text of a record, path, line) to its document, None where it is none; an id that
            the record does not give stays empty. Beam reads the formats that have it.
        record: what a record is, a line or the whole file.
        keeps_blank_lines: a blank line is a record too.
        count: number of documents of a path, counted faster than read.
        open_writer: (target, resume=bool) to the writer.
        resume: opens the output of an interrupted run: where its records end.
        output_suffix: ending of the output's name, where files are not told by it.
        folder: the output is a folder, which a stream cannot be.
        framed: the output has a beginning or an end of its own, so that outputs put one behind the
            other are none.
        needs_gold: it shows predicted beside gold entities, so prediction cannot write it.
    """

    name: str
    suffixes: tuple[str, ...] = ()
    recognize: Callable[[Path], bool] | None = None
    recognize_header: Callable[[Path], bool] | None = None
    read: Callable[[Path, ReadSettings, Ledger], Iterator[Document]] | None = None
    read_unmarked: Callable[[Path, ReadSettings], Iterator[Document]] | None = None
    read_stream: Callable[[TextIO, ReadSettings], Iterator[Document]] | None = None
    parse: Callable[[str, str, int], Document | None] | None = None
    record: Literal["line", "file"] = "line"
    keeps_blank_lines: bool = False
    count: Callable[[Path], int] | None = None
    open_writer: Callable[..., PredictionWriter] | None = None
    resume: Callable[[Path], Earlier] | None = None
    output_suffix: str = ""
    folder: bool = False
    framed: bool = False
    needs_gold: bool = False


_FORMATS: dict[str, Format] = {}


def register(format: Format) -> None:
    """Make a format known; one of the same name is replaced."""
    _FORMATS[format.name] = format


def find_format(name: str) -> Format | None:
    """Look up a format by its name."""
    return _FORMATS.get(name)


def all_formats() -> list[Format]:
    """List the known formats by name."""
    return [_FORMATS[name] for name in sorted(_FORMATS)]


def readable() -> list[Format]:
    """List what can be read with its entities, for training and scoring."""
    return [format for format in all_formats() if format.read]


def readable_unmarked() -> list[Format]:
    """List what can be read for prediction."""
    return [format for format in all_formats() if format.read or format.read_unmarked]


def parsed_by_record() -> list[Format]:
    """List what Beam can read, one record at a time."""
    return [format for format in all_formats() if format.parse]


def writable() -> list[Format]:
    """List what can be written."""
    return [format for format in all_formats() if format.open_writer]


def written_in_shards() -> list[Format]:
    """List what Beam can write: files of predictions that can be put one behind the other."""
    alone = (each for each in writable() if not each.needs_gold)
    return [format for format in alone if not (format.folder or format.framed)]


def output_suffix(name: str) -> str:
    """Give the ending of an output's name.

    >>> output_suffix("none")
    '.none'
    """
    format = find_format(name)
    if format is None:
        return f".{name}"
    return format.output_suffix or next(iter(format.suffixes), f".{name}")


def names_of(formats: Iterable[Format]) -> list[str]:
    """Name the formats, in their order."""
    return [format.name for format in formats]


def choose(name: str, formats: Iterable[Format], error: Callable[[str], Any]) -> Format:
    """Pick the format of a name from those that will do.

    Raises:
        `error` of a text that lists their names: it is none of them.
    """
    by_name = {format.name: format for format in formats}
    if name not in by_name:
        raise error(f"expected one of {', '.join(by_name)}, got {name!r}")
    return by_name[name]


def format_of_name(name: str, formats: Iterable[Format], otherwise: str) -> str:
    """Guess the format of a file from the ending of its name; `otherwise` where that says nothing.

    >>> format_of_name("news.iob2", [Format(name="columns", suffixes=(".iob2",))], "lines")
    'columns'
    """
    suffix = PurePath(name).suffix.lower()
    found = (format.name for format in formats if suffix in format.suffixes)
    return next(found, otherwise)


def guess_unmarked(path: Path) -> str:
    """Guess the format of input for prediction: a folder holds documents, else the name tells."""
    if path.is_dir():
        return "document" if holds_texts(path) else recognized(path) or "document"
    name = guess_unmarked_name(path.name)
    return format_of_header(path) or name if name != "lines" else name


def holds_texts(path: Path) -> bool:
    """Tell a folder of texts, which prediction reads as whole files."""
    return next(path.glob("*.txt"), None) is not None


def recognized(path: Path) -> str | None:
    """Recognize a path of marked data by more than its name."""
    for format in readable():
        if format.recognize and format.recognize(path):
            return format.name
    return None


def format_of_header(path: Path) -> str | None:
    """Recognize a file by the header on its first line; None where it has none that is known."""
    for format in readable():
        if format.recognize_header and format.recognize_header(path):
            return format.name
    return None


def guess_unmarked_name(name: str) -> str:
    """Guess the format of input for prediction from a file's name; else it is lines of text."""
    return format_of_name(name, readable_unmarked(), otherwise="lines")
