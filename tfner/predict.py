"""`python -m tfner.predict MODEL [INPUT|-]` or `--server URL [INPUT|-]`: mark entities in text."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tfner import commands, connect
from tfner.commands import messages
from tfner.documents import Document, Entity
from tfner.exceptions import ConfigError
from tfner.formats import registry
from tfner.formats.counts import count_documents
from tfner.formats.reading import as_source, read_unmarked, unmarked_sources
from tfner.formats.registry import find_format, guess_unmarked, names_of, readable_unmarked
from tfner.formats.resume import Earlier, Nothing, open_earlier, resumable
from tfner.formats.settings import MAX_FILE, MAX_LINE, ReadSettings
from tfner.formats.writers import PredictionWriter, open_writer
from tfner.monitoring.progress import meter
from tfner.safeio.printable import show
from tfner.safeio.sources import Source, name_source
from tfner.serving.runtime.thresholds import Thresholds, parse_thresholds
from tfner.training.state.termination import Say, announce_ctrl_c

if TYPE_CHECKING:
    from tfner.serving.runtime.recognizer import Recognizer

Keep = Callable[[Iterable[Entity]], list[Entity]]
PREDICTED = [format for format in registry.writable() if not format.needs_gold]
READ = f"auto, {', '.join(names_of(readable_unmarked()))}"

MODEL_HELP = (
    "Exported folder (saved_models/NAME or a version of it) or run folder; not with --server."
)
INPUT_HELP = "Files, folders or patterns; - is standard input, and the default."
OUTPUT_HELP = "File, or folder for brat; - is standard output."
FORMAT_HELP = f"{', '.join(names_of(PREDICTED))}; by default text on a terminal."
READ_HELP = f"{READ}; auto goes by the file's name. A json file, one array, is held in memory."
SERVER_HELP = "Ask a server: http://HOST:8501/v1/models/NAME or grpc://HOST:8500/NAME."
THRESHOLD_HELP = (
    "Leave out entities that score less: NUMBER for all types, or TYPE=NUMBER, once a type."
)
RESUME_HELP = "Go on with the output of an interrupted run of the same model over the same input."
TEXT_HELP = "Mark this text instead of an input."
Model = Annotated[Path | None, typer.Argument(metavar="MODEL", help=MODEL_HELP)]
Inputs = Annotated[list[str] | None, typer.Argument(metavar="[INPUT...]", help=INPUT_HELP)]
Output = Annotated[str, typer.Option("--output", "-o", help=OUTPUT_HELP)]
Format = Annotated[str | None, typer.Option("--format", help=FORMAT_HELP)]
InputFormat = Annotated[str, typer.Option(help=READ_HELP)]
Text = Annotated[str | None, typer.Option(help=TEXT_HELP)]
Server = Annotated[str | None, typer.Option(metavar="URL", help=SERVER_HELP)]
ThresholdTexts = Annotated[
    list[str] | None, typer.Option("--threshold", metavar="[TYPE=]NUMBER", help=THRESHOLD_HELP)
]
Resume = Annotated[bool, typer.Option("--resume", help=RESUME_HELP)]


def predict(
    model: Model = None,
    inputs: Inputs = None,
    output: Output = "-",
    format: Format = None,
    input_format: InputFormat = "auto",
    text: Text = None,
    server: Server = None,
    threshold: ThresholdTexts = None,
    resume: Resume = False,
    context: commands.ContextName = None,
    encoding: commands.Encoding = "utf-8",
    token_column: commands.TokenColumn = None,
    sentence_column: commands.SentenceColumn = None,
    max_line: commands.MaxLine = MAX_LINE,
    max_file: commands.MaxFile = MAX_FILE,
) -> None:
    """Mark the entities in text; results come in the input's order."""
    read_thresholds(threshold)  # before anything heavy loads
    asked_context = commands.check_context(context, "--context")
    open_recognizer, source = model_and_input(model, inputs, server, text)
    columns = {"token_column": token_column, "sentence_column": sentence_column}
    settings = commands.validate_reading(
        encoding=encoding, max_line=max_line, max_file=max_file, **columns
    )
    if text is not None:
        document = Document(text, id="text")
        documents, total = iter([document]), 1
    else:
        documents = read_input(source, input_format, settings)
        total = count_input(source, input_format, settings)
    if format is None:
        is_read = output == "-" and sys.stdout.isatty()
        format = "text" if is_read else "jsonl"
    check_output_format(format)
    earlier = open_earlier(output, format) if resume else Nothing()
    target = sys.stdout if output == "-" else output
    announced = announce_ctrl_c(*describe_interruption(output, format))
    with announced, open_writer(format, target, resume=resume) as writer:
        recognizer = open_recognizer()
        commands.read_with(recognizer, asked_context)
        keep = read_thresholds(threshold, recognizer.labels)
        mark(recognizer, documents, writer, earlier, total, keep)


def describe_interruption(output: str, name: str) -> tuple[Say, Say]:
    """Say what Ctrl-C leaves of the output, and how a prediction goes on."""
    is_file = output != "-"
    goes_on = "; the same command with --resume goes on"
    what = output if is_file else "standard output"
    if not is_file or name not in resumable():
        goes_on = ""
    whole = f"finishing the last documents of {what}{goes_on}"
    cut = f"ended at once; {what} may end within a document{goes_on}"
    return lambda: whole, lambda: cut


def model_and_input(
    model: Path | None, inputs: Sequence[str] | None, server: str | None, text: str | None
) -> tuple[Callable[[], Recognizer], Source]:
    """Find what opens the recognizer, and where the input is.

    With a server there is no MODEL, and the first argument is the INPUT, of which there is one.

    Raises:
        ConfigError: there is a MODEL beside a server, or neither.
    """
    if server is not None:
        if inputs or (text is not None and model is not None):
            expected = "expected no MODEL beside --server"
            raise ConfigError(f"--server and MODEL exclude each other: {expected}, got {model}")
        return partial(connect, server), str(model or "-")
    if model is None:
        expected = "a MODEL, the folder of an exported model or of a run, or --server URL"
        raise ConfigError(f"expected {expected}")
    return partial(commands.open_recognizer, model), as_source(inputs or "-")


def read_thresholds(texts: Sequence[str] | None, labels: Sequence[str] = ()) -> Keep:
    """Make what leaves out the entities that score less than the command line asks for.

    Raises:
        ConfigError: a threshold is no probability, or of a type that the model does not know.
    """
    try:
        threshold = parse_thresholds(texts or ["0"])
        others = threshold.pop("", 0.0) if isinstance(threshold, dict) else 0.0
        return Thresholds(threshold, labels, others).keep
    except ValueError as error:
        raise ConfigError(f"--{error}") from None


def check_output_format(name: str) -> None:
    """Refuse a format that prediction cannot write.

    Raises:
        ConfigError: it shows gold tags, which predictions do not have.
    """
    format = find_format(name)
    if format is not None and format.needs_gold:
        came = "expected a format of predictions alone, got one that shows gold tags beside them"
        remedy = "python -m tfner.evaluate MODEL DATA --predictions FILE writes it"
        raise ConfigError(f"--format {name}: {came}; {remedy}")


def read_input(source: Source, input_format: str, settings: ReadSettings) -> Iterator[Document]:
    """Read documents without marks from a file, a folder or standard input."""
    known = ["auto", *names_of(readable_unmarked())]
    if input_format not in known:
        expected = f"expected one of {', '.join(known)}"
        raise ConfigError(f"--input-format: {expected}, got {show(input_format)}")
    if source == "-":
        return read_standard_input(input_format, settings)
    if "-" in source and not isinstance(source, str):
        raise ConfigError(f"INPUT: expected - alone or files, got {name_source(source)}")
    return read_unmarked(source, settings, input_format)


def unmarked_format(path: Path, input_format: str) -> str:
    """Name the format of an input: the one that was asked for, or what the file's name says."""
    return guess_unmarked(path) if input_format == "auto" else input_format


def count_input(source: Source, input_format: str, settings: ReadSettings) -> int | None:
    """Count the documents, where that can be told."""
    if source == "-":
        return None
    total = 0
    for path in map(Path, unmarked_sources(source, input_format)):
        name = unmarked_format(path, input_format)
        count = count_documents(path, name, settings.encoding)
        if count is None:
            return None
        total += count
    return total


def read_standard_input(input_format: str, settings: ReadSettings) -> Iterator[Document]:
    """Read documents from standard input, lines if nothing else is asked for."""
    format = find_format("lines" if input_format == "auto" else input_format)
    if format is None or format.read_stream is None:
        came = "expected a file, got standard input, which can hold lines or one document"
        raise ConfigError(f"--input-format {input_format}: {came}")
    # Not sys.stdin itself: a thread that waits for a line holds its lock, without which the
    # interpreter cannot end.
    number = sys.stdin.fileno()
    encoding = settings.encoding
    stream = os.fdopen(number, encoding=encoding, errors="replace", newline="\n", closefd=False)
    return format.read_stream(stream, settings)


def mark(
    recognizer: Recognizer,
    documents: Iterable[Document],
    writer: PredictionWriter,
    earlier: Earlier,
    total: int | None = None,
    keep: Keep = list,
) -> None:
    """Write every document with its entities, but for those that an earlier run has written.

    Only some documents are in memory at once.
    """
    from tfner.serving.runtime.bulk import mark_all

    def save(document: Document, entities: list[Entity] | None) -> None:
        if entities is None:
            writer.skip(document)
        else:
            writer.write(document, keep(entities))

    with meter(messages(), "documents", total) as shown:
        for step in mark_all(recognizer, documents, save, earlier):
            if step.earlier:
                shown.skip(step.documents)
            else:
                shown.advance(step.documents, step.words)
    if writer.skipped:
        messages().print(f"written by an earlier run: {writer.skipped:,} documents")
    commands.tell_cut(recognizer)
    if writer.ledger.entries:
        messages().print(f"not written as they are: {writer.ledger.summary()}")


if __name__ == "__main__":
    commands.run(predict)
