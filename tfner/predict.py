"""`python -m tfner.predict MODEL [INPUT|-]` or `--server URL [INPUT|-]`: mark the entities in text."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from tfner import connect
from tfner.commands import (
    Encoding,
    MaxFile,
    MaxLine,
    TokenColumn,
    load_tensorflow,
    messages,
    open_recognizer,
    run,
    validate_reading,
)
from tfner.config import MAX_FILE, MAX_LINE, ReadSettings
from tfner.corpus.ledger import Ledger
from tfner.documents import Document, Entity
from tfner.exceptions import ConfigError, DataError
from tfner.formats import read_documents
from tfner.formats.columns import stream_words
from tfner.formats.counts import count_documents
from tfner.formats.guess import guess
from tfner.formats.plain import read_line_file, read_text_lines, read_whole_files
from tfner.formats.resume import Earlier, Nothing, open_earlier
from tfner.formats.text_files import bounded_lines
from tfner.formats.writers import PredictionWriter, open_writer
from tfner.monitoring.progress import meter
from tfner.safeio.printable import show
from tfner.tagging.word_tags import with_words

if TYPE_CHECKING:
    from tfner.serving.runtime.recognizer import Recognizer

RECORDS = ("columns", "json", "jsonl", "brat")
INPUT_FORMATS = ("auto", "lines", "document", *RECORDS)
SERVERS = "http://HOST:8501/v1/models/NAME or grpc://HOST:8500/NAME"


def predict(
    model: Annotated[
        Path | None,
        typer.Argument(
            metavar="MODEL",
            help="Exported folder (saved_models/NAME or a version of it) or run folder; not with --server.",
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="INPUT", help="File or folder; - is standard input, and the default."
        ),
    ] = None,
    output: Annotated[
        str, typer.Option("--output", "-o", help="File, or folder for brat; - is standard output.")
    ] = "-",
    format: Annotated[
        str | None,
        typer.Option(
            "--format", help="jsonl, columns, brat or text; by default text on a terminal."
        ),
    ] = None,
    input_format: Annotated[
        str,
        typer.Option(
            help=f"{', '.join(INPUT_FORMATS)}; auto goes by the file's name. A json file, one array, is held in memory."
        ),
    ] = "auto",
    text: Annotated[str | None, typer.Option(help="Mark this text instead of an input.")] = None,
    server: Annotated[
        str | None, typer.Option(metavar="URL", help=f"Ask a server: {SERVERS}.")
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with the output of an interrupted run of the same model over the same input.",
        ),
    ] = False,
    encoding: Encoding = "utf-8",
    token_column: TokenColumn = None,
    max_line: MaxLine = MAX_LINE,
    max_file: MaxFile = MAX_FILE,
) -> None:
    """Mark the entities in text; results come in the input's order."""
    open_recognizer, source = model_and_input(model, source, server, text)
    settings = validate_reading(
        encoding=encoding, token_column=token_column, max_line=max_line, max_file=max_file
    )
    documents = (
        iter([Document(text, id="text")])
        if text is not None
        else read_input(source, input_format, settings)
    )
    total = 1 if text is not None else count_input(source, input_format, settings)
    if format is None:
        format = "text" if output == "-" and sys.stdout.isatty() else "jsonl"
    earlier = open_earlier(output, format) if resume else Nothing()
    with open_writer(format, sys.stdout if output == "-" else output, resume=resume) as writer:
        mark(open_recognizer(), documents, writer, earlier, total, needs_words=format == "columns")


def model_and_input(
    model: Path | None, source: str | None, server: str | None, text: str | None
) -> tuple[Callable[[], Recognizer], str]:
    """What opens the recognizer, and where the input is: with a server there is no MODEL, and INPUT is the first argument.

    Raises:
        ConfigError: there is a MODEL beside a server, or neither.
    """
    if server is not None:
        if source is not None or (text is not None and model is not None):
            raise ConfigError(
                f"--server and MODEL exclude each other: expected no MODEL beside --server, got {model}"
            )
        return partial(open_server, server), str(model or "-")
    if model is None:
        raise ConfigError(
            "expected a MODEL, the folder of an exported model or of a run, or --server URL"
        )
    return partial(open_recognizer, model), source or "-"


def open_server(url: str) -> Recognizer:
    if url.startswith("grpc"):
        load_tensorflow()  # its messages are part of the protocol
    return connect(url)


def read_input(source: str, input_format: str, settings: ReadSettings) -> Iterator[Document]:
    """Documents without marks from a file, a folder or standard input."""
    if input_format not in INPUT_FORMATS:
        raise ConfigError(
            f"--input-format: expected one of {', '.join(INPUT_FORMATS)}, got {show(input_format)}"
        )
    if source == "-":
        return read_standard_input(input_format, settings)
    path = Path(source)
    kind = guess(path) if input_format == "auto" else input_format
    if kind == "lines":
        return read_line_file(path, settings.encoding, settings.max_line)
    if kind == "document":
        return read_whole_files(path, settings.encoding, settings.max_file)
    if kind == "columns":
        return stream_words(path, settings)
    return read_documents(path, settings.model_copy(update={"format": kind}), Ledger())


def count_input(source: str, input_format: str, settings: ReadSettings) -> int | None:
    """How many documents there are, where that can be told."""
    path = Path(source)
    return (
        None
        if source == "-"
        else count_documents(
            path, guess(path) if input_format == "auto" else input_format, settings.encoding
        )
    )


def read_standard_input(input_format: str, settings: ReadSettings) -> Iterator[Document]:
    # Not sys.stdin itself: a thread that waits for a line holds its lock, without which the interpreter cannot end.
    stream = open(
        sys.stdin.fileno(),
        encoding=settings.encoding,
        errors="replace",
        newline="\n",
        closefd=False,
    )
    if input_format in ("auto", "lines"):
        return read_text_lines(bounded_lines(stream, "stdin", settings.max_line), "stdin")
    if input_format == "document":
        return iter([Document(read_document(stream, settings.max_file), id="stdin")])
    raise ConfigError(
        f"--input-format {input_format}: expected a file, got standard input, which can hold lines or one document"
    )


def read_document(stream: TextIO, most: int) -> str:
    """All of standard input.

    Raises:
        DataError: it has more than `most` characters.
    """
    text = stream.read(most + 1)
    if len(text) > most:
        raise DataError(f"stdin: expected at most {most:,} characters (max_file), got more")
    return text


def mark(
    recognizer: Recognizer,
    documents: Iterable[Document],
    writer: PredictionWriter,
    earlier: Earlier,
    total: int | None = None,
    *,
    needs_words: bool,
) -> None:
    """Write every document with its entities, but for those that the output of an earlier run holds; only some are in memory at once."""
    from tfner.serving.runtime.bulk import mark_all

    def save(document: Document, entities: list[Entity] | None) -> None:
        if entities is None:
            writer.skip(document)
        else:
            writer.write(with_words(document, entities) if needs_words else document, entities)

    with meter(messages(), "documents", total) as shown:
        for step in mark_all(recognizer, documents, save, earlier):
            if step.earlier:
                shown.skip(step.documents)
            else:
                shown.advance(step.documents, step.words)
    if writer.skipped:
        messages().print(f"written by an earlier run: {writer.skipped:,} documents")
    if writer.ledger.entries:
        messages().print(f"not written as they are: {writer.ledger.summary()}")


if __name__ == "__main__":
    run(predict)
