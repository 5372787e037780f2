"""`python -m tfner.predict MODEL [INPUT|-]` or `--server URL [INPUT|-]`: mark entities in text."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
from tfner.corpus.ledger import Ledger
from tfner.documents import Document, Entity
from tfner.exceptions import ConfigError
from tfner.formats import read_documents
from tfner.formats.counts import count_documents
from tfner.formats.registry import (
    find_format,
    guess_unmarked,
    names_of,
    readable_unmarked,
    writable,
)
from tfner.formats.resume import Earlier, Nothing, open_earlier
from tfner.formats.settings import MAX_FILE, MAX_LINE, ReadSettings
from tfner.formats.writers import PredictionWriter, open_writer
from tfner.monitoring.progress import meter
from tfner.safeio.printable import show

if TYPE_CHECKING:
    from tfner.serving.runtime.recognizer import Recognizer

PREDICTED = [format for format in writable() if not format.needs_gold]
SERVERS = "http://HOST:8501/v1/models/NAME or grpc://HOST:8500/NAME"


def predict(
    model: Annotated[
        Path | None,
        typer.Argument(
            metavar="MODEL",
            help="Exported folder (saved_models/NAME or a version of it) or run folder; "
            "not with --server.",
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
            "--format",
            help=f"{', '.join(names_of(PREDICTED))}; by default text on a terminal.",
        ),
    ] = None,
    input_format: Annotated[
        str,
        typer.Option(
            help=f"auto, {', '.join(names_of(readable_unmarked()))}; auto goes by the file's "
            "name. A json file, one array, is held in memory."
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
            help="Go on with the output of an interrupted run of the same model over the same "
            "input.",
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
    check_output_format(format)
    earlier = open_earlier(output, format) if resume else Nothing()
    with open_writer(format, sys.stdout if output == "-" else output, resume=resume) as writer:
        mark(open_recognizer(), documents, writer, earlier, total)


def model_and_input(
    model: Path | None, source: str | None, server: str | None, text: str | None
) -> tuple[Callable[[], Recognizer], str]:
    """Find what opens the recognizer, and where the input is.

    With a server there is no MODEL, and INPUT is the first argument.

    Raises:
        ConfigError: there is a MODEL beside a server, or neither.
    """
    if server is not None:
        if source is not None or (text is not None and model is not None):
            raise ConfigError(
                "--server and MODEL exclude each other: expected no MODEL beside --server, "
                f"got {model}"
            )
        return partial(open_server, server), str(model or "-")
    if model is None:
        raise ConfigError(
            "expected a MODEL, the folder of an exported model or of a run, or --server URL"
        )
    return partial(open_recognizer, model), source or "-"


def open_server(url: str) -> Recognizer:
    """Connect to a server."""
    if url.startswith("grpc"):
        load_tensorflow()  # its messages are part of the protocol
    return connect(url)


def check_output_format(name: str) -> None:
    """Refuse a format that prediction cannot write.

    Raises:
        ConfigError: it shows gold tags, which predictions do not have.
    """
    format = find_format(name)
    if format is not None and format.needs_gold:
        raise ConfigError(
            f"--format {name}: expected a format of predictions alone, got one that shows gold "
            "tags beside them; python -m tfner.evaluate MODEL DATA --predictions FILE writes it"
        )


def read_input(source: str, input_format: str, settings: ReadSettings) -> Iterator[Document]:
    """Read documents without marks from a file, a folder or standard input."""
    known = ["auto", *names_of(readable_unmarked())]
    if input_format not in known:
        raise ConfigError(
            f"--input-format: expected one of {', '.join(known)}, got {show(input_format)}"
        )
    if source == "-":
        return read_standard_input(input_format, settings)
    path = Path(source)
    name = guess_unmarked(path) if input_format == "auto" else input_format
    format = find_format(name)
    if format is not None and format.read_unmarked:
        return format.read_unmarked(path, settings)
    return read_documents(path, settings.model_copy(update={"format": name}), Ledger())


def count_input(source: str, input_format: str, settings: ReadSettings) -> int | None:
    """Count the documents, where that can be told."""
    if source == "-":
        return None
    path = Path(source)
    name = guess_unmarked(path) if input_format == "auto" else input_format
    return count_documents(path, name, settings.encoding)


def read_standard_input(input_format: str, settings: ReadSettings) -> Iterator[Document]:
    """Read documents from standard input, lines if nothing else is asked for."""
    format = find_format("lines" if input_format == "auto" else input_format)
    if format is None or format.read_stream is None:
        raise ConfigError(
            f"--input-format {input_format}: expected a file, got standard input, which can hold "
            "lines or one document"
        )
    # Not sys.stdin itself: a thread that waits for a line holds its lock, without which the
    # interpreter cannot end.
    stream = open(  # noqa: SIM115
        sys.stdin.fileno(),
        encoding=settings.encoding,
        errors="replace",
        newline="\n",
        closefd=False,
    )
    return format.read_stream(stream, settings)


def mark(
    recognizer: Recognizer,
    documents: Iterable[Document],
    writer: PredictionWriter,
    earlier: Earlier,
    total: int | None = None,
) -> None:
    """Write every document with its entities, but for those that an earlier run has written.

    Only some documents are in memory at once.
    """
    from tfner.serving.runtime.bulk import mark_all

    def save(document: Document, entities: list[Entity] | None) -> None:
        if entities is None:
            writer.skip(document)
        else:
            writer.write(document, entities)

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
