"""Read a table, mark its texts and write it: the job of `python -m tfner.spark`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from tfner.exceptions import ConfigError, DataError, TfnerError
from tfner.formats.settings import MAX_LINE
from tfner.serving.spark.errors import is_own, reason_of
from tfner.serving.spark.marking import Counts, mark

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

INPUT_FORMATS = ("lines", "document", "jsonl", "parquet", "table")
OUTPUT_FORMATS = ("parquet", "jsonl", "table")
OF_SUFFIX = {".txt": "lines", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
COMPRESSED = (".gz", ".bz2", ".zst", ".lz4", ".snappy")
CORRUPT = "_corrupt_record"  # Spark's own name


@dataclass(frozen=True)
class Job:
    """Say what is to be marked with which model, and where to.

    `text` is the column of JSONL, Parquet and tables; `partitions` deals rows out anew, 0 does not.
    """

    model: str
    source: str
    output: str
    input_format: str
    format: str = "parquet"
    text: str = "text"
    entities: str = "entities"
    error: str = "error"
    ship: bool = False
    strict: bool = False
    partitions: int = 0
    max_characters: int = MAX_LINE


def guess_format(source: str) -> str | None:
    """Guess the format of an input from its name; None where it says nothing.

    >>> guess_format("s3a://b/news/*.jsonl.gz"), guess_format("news")
    ('jsonl', None)
    """
    path = PurePosixPath(source)
    if path.suffix in COMPRESSED:
        path = path.with_suffix("")
    return OF_SUFFIX.get(path.suffix)


def run_job(spark: SparkSession, job: Job) -> dict[str, int]:
    """Run a job to its end, and give what was counted: documents, refused, entities.

    Raises:
        ConfigError, DataError, ModelError: it cannot begin; a row was refused (`strict`).
        TfnerError: it did not come to its end.
    """
    counts = Counts.of(spark)
    read = read_input(spark, job)
    if job.partitions:
        read = read.repartition(job.partitions)
    corrupt = CORRUPT if job.input_format == "jsonl" and CORRUPT in read.columns else ""
    marked = mark(
        read,
        job.model,
        job.text,
        entities=job.entities,
        error=job.error,
        ship=job.ship,
        strict=job.strict,
        max_characters=job.max_characters,
        corrupt=corrupt,
        counts=counts,
    )
    write_output(marked, job)
    return {name: counter.value for name, counter in counts._asdict().items()}


def read_input(spark: SparkSession, job: Job) -> DataFrame:
    """Read an input as rows with a column of texts.

    Raises:
        DataError: it is not there, or Spark cannot read it.
    """
    from pyspark.errors import PySparkException

    try:
        if job.input_format in ("lines", "document"):
            return read_text(spark, job)
        if job.input_format == "jsonl":
            reader = spark.read.option("columnNameOfCorruptRecord", CORRUPT)
            return reader.json(job.source)
        if job.input_format == "parquet":
            return spark.read.parquet(job.source)
        return spark.table(job.source)
    except PySparkException as error:
        raise DataError(f"{job.source}: {reason_of(error)}") from None


def read_text(spark: SparkSession, job: Job) -> DataFrame:
    """Read lines, or whole files, with the path of their file."""
    from pyspark.sql import functions

    if job.input_format == "document":
        read = spark.read.text(job.source, wholetext=True)
    else:
        read = spark.read.text(job.source, lineSep="\n")
    value = functions.col("value")
    text = value if job.input_format == "document" else without_return(value)
    file = functions.col("_metadata.file_path")
    return read.select(file.alias("file"), text.alias(job.text))


def without_return(value: Column) -> Column:
    r"""Take the \r off a line's end, and leave all other bytes as they are."""
    from pyspark.sql import functions

    length = functions.length(value)
    start = functions.lit(1)
    shorter = functions.substring(value, start, length - 1)
    return functions.when(value.endswith("\r"), shorter).otherwise(value)


def write_output(marked: DataFrame, job: Job) -> None:
    """Write what was marked to where nothing is yet; this is where all the work is done.

    Raises:
        ConfigError: something is there.
        DataError: a row was refused, and that is an error (`strict`).
        TfnerError: the job did not come to its end.
    """
    from pyspark.errors import AnalysisException

    writer: Any = marked.write.mode("errorifexists")
    try:
        if job.format == "table":
            writer.saveAsTable(job.output)
        elif job.format == "jsonl":
            writer.json(job.output)
        else:
            writer.parquet(job.output)
    except AnalysisException as error:
        raise ConfigError(f"{job.output}: {reason_of(error)}") from None
    except Exception as error:
        reason = reason_of(error)
        if is_own(error):
            raise DataError(f"{job.source}: {reason}") from None
        left = f"{job.output} is not complete"
        raise TfnerError(f"the job did not come to its end: {reason}; {left}") from error
