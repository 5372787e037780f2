"""`python -m tfner.spark MODEL INPUT OUTPUT`: mark the texts of a table with Apache Spark."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tfner import commands
from tfner.commands import messages
from tfner.exceptions import ConfigError, TfnerError
from tfner.formats.settings import MAX_LINE
from tfner.monitoring.events import log_event
from tfner.safeio.printable import show
from tfner.serving.spark.environment import require_java, require_packages
from tfner.serving.spark.errors import reason_of
from tfner.serving.spark.job import INPUT_FORMATS, OUTPUT_FORMATS, Job, guess_format

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LOG_LEVEL = "spark.log.level"
MODEL_HELP = (
    "Exported folder (saved_models/NAME or a version of it), or an archive of one, or its URL."
)
INPUT_HELP = "Files, a pattern, a URL that Spark reads, or a table's name."
OUTPUT_HELP = "New folder, its URL, or a table's name."
READ_HELP = f"auto, {', '.join(INPUT_FORMATS)}; auto goes by the name's ending."
FORMAT_HELP = f"{', '.join(OUTPUT_FORMATS)}."
TEXT_HELP = "Column of the texts."
SHIP_HELP = "Ship the model with the job, where the workers share no disk."
STRICT_HELP = "Fail the job at the first row that holds no document."
PARTITIONS_HELP = "Deal the rows out anew to so many partitions; 0 leaves them as they are read."
MASTER_HELP = "local[2], spark://HOST:7077, yarn, k8s://…; by default as Spark is configured."
CONF_HELP = "A setting of Spark's. May stand several times."
Model = Annotated[str, typer.Argument(metavar="MODEL", help=MODEL_HELP)]
Source = Annotated[str, typer.Argument(metavar="INPUT", help=INPUT_HELP)]
Output = Annotated[str, typer.Argument(metavar="OUTPUT", help=OUTPUT_HELP)]
Format = Annotated[str, typer.Option(help=FORMAT_HELP)]
InputFormat = Annotated[str, typer.Option(help=READ_HELP)]
Text = Annotated[str, typer.Option(metavar="COLUMN", help=TEXT_HELP)]
EntitiesName = Annotated[str, typer.Option(metavar="COLUMN", help="Column of what was found.")]
ErrorName = Annotated[str, typer.Option(metavar="COLUMN", help="Column of why a row is refused.")]
Ship = Annotated[bool, typer.Option("--ship", help=SHIP_HELP)]
Strict = Annotated[bool, typer.Option("--strict", help=STRICT_HELP)]
Partitions = Annotated[int, typer.Option(min=0, help=PARTITIONS_HELP)]
Master = Annotated[str | None, typer.Option(metavar="URL", help=MASTER_HELP)]
Conf = Annotated[list[str] | None, typer.Option("--conf", metavar="KEY=VALUE", help=CONF_HELP)]


def spark(
    model: Model,
    source: Source,
    output: Output,
    text: Text = "text",
    format: Format = "parquet",
    input_format: InputFormat = "auto",
    entities: EntitiesName = "entities",
    error: ErrorName = "error",
    ship: Ship = False,
    strict: Strict = False,
    partitions: Partitions = 0,
    max_line: commands.MaxLine = MAX_LINE,
    master: Master = None,
    conf: Conf = None,
) -> None:
    """Mark the entities in the texts of a table with Apache Spark.

    All columns are kept, and the rows' order is not.
    """
    require_packages()
    input_format = choose_formats(source, format, input_format)
    settings = read_settings(conf or [])
    require_java()
    job = Job(
        model,
        source,
        output,
        input_format,
        format,
        text,
        entities,
        error,
        ship,
        strict,
        partitions,
        max_line,
    )
    summary = run_on_spark(job, master, settings)
    log_event("spark_end", output=output, **summary)
    report(summary, job)


def choose_formats(source: str, format: str, input_format: str) -> str:
    """Check the formats, and find that of the input.

    Raises:
        ConfigError: one is unknown, or cannot be told from the name.
    """
    if format not in OUTPUT_FORMATS:
        expected = f"expected one of {', '.join(OUTPUT_FORMATS)}"
        raise ConfigError(f"--format: {expected}, got {show(format)}")
    known = ("auto", *INPUT_FORMATS)
    if input_format not in known:
        expected = f"expected one of {', '.join(known)}"
        raise ConfigError(f"--input-format: {expected}, got {show(input_format)}")
    found = guess_format(source) if input_format == "auto" else input_format
    if found is None:
        expected = "expected a name that ends with .txt, .jsonl or .parquet"
        raise ConfigError(f"{source}: {expected}, or --input-format")
    return found


def read_settings(texts: Sequence[str]) -> dict[str, str]:
    """Read settings of Spark's.

    Raises:
        ConfigError: one is no KEY=VALUE.
    """
    settings = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise ConfigError(f"--conf: expected KEY=VALUE, got {show(text)}")
        settings[key] = value
    return settings


def run_on_spark(job: Job, master: str | None, settings: Mapping[str, str]) -> dict[str, Any]:
    """Open a session and run a job in it.

    Raises:
        ConfigError: there is no session with these settings.
        TfnerError: the job did not come to its end.
    """
    from tfner.serving.spark.job import run_job

    session = open_session(master, settings)
    try:
        return run_job(session, job)
    finally:
        session.stop()


def open_session(master: str | None, settings: Mapping[str, str]) -> SparkSession:
    """Open a session; workers on this machine run the Python that this process runs.

    Raises:
        ConfigError: Spark does not start with these settings.
    """
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    chosen = dict(settings)
    if master:
        chosen["spark.master"] = master
    if chosen.get("spark.master", "local").startswith("local"):
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName("tfner").config(map=chosen)
    try:
        session = builder.getOrCreate()
    except (PySparkException, OSError) as error:
        raise ConfigError(f"Spark does not start: {reason_of(error)}") from None
    except Exception as error:  # of py4j
        raise TfnerError(f"Spark does not start: {reason_of(error)}") from None
    if LOG_LEVEL not in settings:
        session.sparkContext.setLogLevel("FATAL")  # its traces would bury what is said here
    return session


def report(summary: Mapping[str, int], job: Job) -> None:
    """Print what a job has done."""
    documents, entities = summary["documents"], summary["entities"]
    messages().print(f"documents: {documents:,}, entities: {entities:,}, in {job.output}")
    if summary["refused"]:
        where = f"told in the column {job.error}"
        messages().print(f"refused: {summary['refused']:,}, {where}")


if __name__ == "__main__":
    commands.run(spark)
