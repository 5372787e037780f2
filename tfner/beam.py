"""`python -m tfner.beam MODEL INPUT OUTPUT [-- FLAGS]`: mark very much text with Apache Beam."""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tfner.commands import (
    Encoding,
    MaxFile,
    MaxLine,
    load_tensorflow,
    messages,
    run,
    validate_reading,
)
from tfner.exceptions import ConfigError, DataError, MissingExtraError
from tfner.formats.registry import (
    choose,
    guess_unmarked_name,
    names_of,
    parsed_by_record,
    written_in_shards,
)
from tfner.formats.settings import MAX_FILE, MAX_LINE, ReadSettings
from tfner.formats.text_files import check_encoding
from tfner.monitoring.events import log_event

if TYPE_CHECKING:
    from tfner.serving.beam.pipeline import Job


def beam(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="Exported folder (saved_models/NAME or a version of it), or its URL.",
        ),
    ],
    source: Annotated[
        str,
        typer.Argument(
            metavar="INPUT",
            help="File, folder of .txt files, pattern such as 'news/*.jsonl.gz', or URL.",
        ),
    ],
    output: Annotated[str, typer.Argument(metavar="OUTPUT", help="New folder, or its URL.")],
    flags: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[-- FLAG...]",
            help="Flags of Beam's, behind --: -- --runner=FlinkRunner --flink_master=HOST:8081",
        ),
    ] = None,
    format: Annotated[
        str, typer.Option(help=f"{', '.join(names_of(written_in_shards()))}.")
    ] = "jsonl",
    input_format: Annotated[
        str,
        typer.Option(
            help=f"auto, {', '.join(names_of(parsed_by_record()))}; auto goes by each file's name."
        ),
    ] = "auto",
    place: Annotated[
        bool, typer.Option("--place", help="Add file and line to each record of jsonl.")
    ] = False,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="End with exit code 2 if anything was refused; the output is complete all "
            "the same.",
        ),
    ] = False,
    encoding: Encoding = "utf-8",
    max_line: MaxLine = MAX_LINE,
    max_file: MaxFile = MAX_FILE,
) -> None:
    """Mark the entities in very much text with Apache Beam.

    OUTPUT's files, sorted by name, are in the input's order.
    """
    require_beam()
    settings = validate_reading(encoding=encoding, max_line=max_line, max_file=max_file)
    job = make_job(model, source, output, format, input_format, settings, place=place)
    summary = run_on_beam(job, flags or [])
    log_event("beam_end", output=job.output, **summary)
    messages().print(
        f"documents: {summary['documents']:,}, entities: {summary['entities']:,}, in {job.output}"
    )
    if summary["blank"] or summary["skipped"]:
        blank, skipped = summary["blank"], summary["skipped"]
        messages().print(f"no documents: {blank:,} blank lines, {skipped:,} rejected records")
    if summary["refused"]:
        refused = f"refused: {summary['refused']:,}, told in {job.output}/refused-*.jsonl"
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
    place: bool,
) -> Job:
    """Make the job of a command line, checked as far as can be before anything runs.

    Raises:
        ConfigError, DataError, ModelError: a format is unknown, the input or the model missing, or
            something in the output's folder.
    """
    check_formats(format, input_format)
    if place and format != "jsonl":
        raise ConfigError(
            f"--place: expected --format jsonl, whose records can hold it, got {format}"
        )
    check_line_ends(settings.encoding)
    load_tensorflow()
    from tfner.serving.beam.entries import Reading
    from tfner.serving.beam.marking import resolve_model
    from tfner.serving.beam.parts import prepare_folder
    from tfner.serving.beam.pipeline import Job
    from tfner.serving.beam.sources import bare_name, is_folder, is_remote, list_files

    version = resolve_model(model)
    if input_format == "auto" and is_folder(source):
        input_format = "document"
    if input_format == "auto":
        guessed = guess_unmarked_name(bare_name(source))
        parsed = names_of(parsed_by_record())
        if guessed not in parsed:
            raise ConfigError(
                f"{source}: expected one of the formats {', '.join(parsed)}, got what its name "
                f"says is {guessed}; see --input-format"
            )
    list_files(source)
    folder = output.rstrip("/") if is_remote(output) else str(Path(output).absolute())
    prepare_folder(folder)
    return Job(
        version,
        source,
        folder,
        Reading(input_format, settings.encoding, settings.max_line, settings.max_file),
        format,
        place,
    )


def check_formats(format: str, input_format: str) -> None:
    """Refuse a format that cannot be written in parts, or one that cannot be read by record.

    Raises:
        ConfigError: so it is.
    """
    choose(format, written_in_shards(), lambda text: ConfigError(f"--format: {text}"))
    known = ["auto", *names_of(parsed_by_record())]
    if input_format not in known:
        raise ConfigError(
            f"--input-format: expected one of {', '.join(known)}, got {input_format!r}"
        )


def check_line_ends(encoding: str) -> None:
    """Refuse encodings in which lines cannot be cut before they are decoded.

    Cut so, a wrong byte costs one line and not the file.
    """
    check_encoding(encoding)
    if "\n".encode(encoding) != b"\n":
        raise ConfigError(
            f"encoding: expected one in which a line ends with the byte 0x0A, got {encoding!r}"
        )


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
    run(beam)
