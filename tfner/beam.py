"""`python -m tfner.beam MODEL INPUT OUTPUT [-- FLAGS]`: mark very much text with Apache Beam."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tfner import commands
from tfner.commands import messages
from tfner.exceptions import ConfigError, DataError, MissingExtraError
from tfner.formats import registry
from tfner.formats.registry import names_of, parsed_by_record
from tfner.formats.settings import MAX_FILE, MAX_LINE, ReadSettings
from tfner.formats.text_files import check_encoding
from tfner.monitoring.events import log_event

if TYPE_CHECKING:
    from tfner.serving.beam.pipeline import Job

MODEL_HELP = "Exported folder (saved_models/NAME or a version of it), or its URL."
INPUT_HELP = "File, folder of .txt files, pattern such as 'news/*.jsonl.gz', or URL."
FLAGS_HELP = "Flags of Beam's, behind --: -- --runner=FlinkRunner --flink_master=HOST:8081"
FORMAT_HELP = f"{', '.join(names_of(registry.written_in_shards()))}."
READ_HELP = f"auto, {', '.join(names_of(parsed_by_record()))}; auto goes by each file's name."
POSITION_HELP = "Add file and line to each record of jsonl."
STRICT_HELP = "End with exit code 2 if anything was refused; the output is complete all the same."
Model = Annotated[str, typer.Argument(metavar="MODEL", help=MODEL_HELP)]
Source = Annotated[str, typer.Argument(metavar="INPUT", help=INPUT_HELP)]
Output = Annotated[str, typer.Argument(metavar="OUTPUT", help="New folder, or its URL.")]
Flags = Annotated[list[str] | None, typer.Argument(metavar="[-- FLAG...]", help=FLAGS_HELP)]
Format = Annotated[str, typer.Option(help=FORMAT_HELP)]
InputFormat = Annotated[str, typer.Option(help=READ_HELP)]
Position = Annotated[bool, typer.Option("--place", help=POSITION_HELP)]
Strict = Annotated[bool, typer.Option("--strict", help=STRICT_HELP)]


def beam(
    model: Model,
    source: Source,
    output: Output,
    flags: Flags = None,
    format: Format = "jsonl",
    input_format: InputFormat = "auto",
    position: Position = False,
    strict: Strict = False,
    encoding: commands.Encoding = "utf-8",
    max_line: commands.MaxLine = MAX_LINE,
    max_file: commands.MaxFile = MAX_FILE,
) -> None:
    """Mark the entities in very much text with Apache Beam.

    OUTPUT's files, sorted by name, are in the input's order.
    """
    require_beam()
    settings = commands.validate_reading(encoding=encoding, max_line=max_line, max_file=max_file)
    job = make_job(model, source, output, format, input_format, settings, position=position)
    summary = run_on_beam(job, flags or [])
    log_event("beam_end", output=job.output, **summary)
    report(summary, job.output, strict)


def report(summary: Mapping[str, Any], folder: str, strict: bool) -> None:
    """Print what a job has done.

    Raises:
        DataError: something was refused, and that is an error (`strict`).
    """
    documents, entities = summary["documents"], summary["entities"]
    messages().print(f"documents: {documents:,}, entities: {entities:,}, in {folder}")
    blank, skipped = summary["blank"], summary["skipped"]
    if blank or skipped:
        messages().print(f"no documents: {blank:,} blank lines, {skipped:,} rejected records")
    if summary["refused"]:
        refused = f"refused: {summary['refused']:,}, told in {folder}/refused-*.jsonl"
        if strict:
            raise DataError(refused)
        messages().print(refused)


def require_beam() -> None:
    """Import the library, which is an extra, without its warnings."""
    if importlib.util.find_spec("apache_beam") is None:
        raise MissingExtraError("apache-beam", "beam", "python -m tfner.beam")
    logging.disable(logging.WARNING)  # of Google's client libraries, which are not needed
    try:
        import apache_beam  # noqa: F401
    finally:
        logging.disable(logging.NOTSET)


def make_job(
    model: str,
    source: str,
    output: str,
    format: str,
    input_format: str,
    settings: ReadSettings,
    *,
    position: bool,
) -> Job:
    """Make the job of a command line, checked as far as can be before anything runs.

    Raises:
        ConfigError, DataError, ModelError: a format is unknown, the input or the model missing, or
            something in the output's folder.
    """
    check_formats(format, input_format)
    if position and format != "jsonl":
        expected = "expected --format jsonl, whose records can hold it"
        raise ConfigError(f"--place: {expected}, got {format}")
    check_line_ends(settings.encoding)
    from tfner.serving.beam import sources
    from tfner.serving.beam.entries import Reading
    from tfner.serving.beam.marking import resolve_model
    from tfner.serving.beam.output_files import check_folder
    from tfner.serving.beam.pipeline import Job

    version = resolve_model(model)
    if input_format == "auto" and sources.is_folder(source):
        input_format = "document"
    if input_format == "auto":
        guessed = registry.guess_unmarked_name(sources.bare_name(source))
        parsed = names_of(parsed_by_record())
        if guessed not in parsed:
            expected = f"expected one of the formats {', '.join(parsed)}"
            came = f"got what its name says is {guessed}; see --input-format"
            raise ConfigError(f"{source}: {expected}, {came}")
    sources.list_files(source)
    folder = output.rstrip("/") if sources.is_remote(output) else str(Path(output).absolute())
    check_folder(folder)
    reading = Reading(input_format, settings.encoding, settings.max_line, settings.max_file)
    return Job(version, source, folder, reading, format, position)


def check_formats(format: str, input_format: str) -> None:
    """Refuse a format that cannot be written in parts, or one that cannot be read by record.

    Raises:
        ConfigError: so it is.
    """
    formats = registry.written_in_shards()
    registry.choose(format, formats, lambda text: ConfigError(f"--format: {text}"))
    known = ["auto", *names_of(parsed_by_record())]
    if input_format not in known:
        expected = f"expected one of {', '.join(known)}"
        raise ConfigError(f"--input-format: {expected}, got {input_format!r}")


def check_line_ends(encoding: str) -> None:
    """Refuse encodings in which lines cannot be cut before they are decoded.

    Cut so, a wrong byte costs one line and not the file.
    """
    check_encoding(encoding)
    if "\n".encode(encoding) != b"\n":
        expected = "expected one in which a line ends with the byte 0x0A"
        raise ConfigError(f"encoding: {expected}, got {encoding!r}")


def run_on_beam(job: Job, flags: list[str]) -> dict:
    """Run a job with flags of Beam's.

    Raises:
        ConfigError: one is no flag.
        TfnerError: the job did not come to its end.
    """
    from tfner.serving.beam.pipeline import run_job

    if flags and not flags[0].startswith("-"):
        raise ConfigError(f"expected flags of Beam's behind OUTPUT and --, got {flags[0]!r}")
    return run_job(job, flags)


if __name__ == "__main__":
    commands.run(beam)
