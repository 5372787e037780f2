"""Add the entities of a text column to a DataFrame."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tfner.exceptions import ConfigError
from tfner.formats.settings import MAX_LINE
from tfner.serving.spark.environment import require_packages, require_workers, without_warnings
from tfner.serving.spark.shipping import is_archive, ship_archive, ship_folder

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import DataType, StructType

    from tfner.serving.spark.worker import Columns, Task

# Names of Spark's types; not all are in every version.
PASS_THROUGH = set(
    """
    BooleanType ByteType ShortType IntegerType LongType FloatType DoubleType DecimalType NullType
    StringType CharType VarcharType BinaryType DateType TimestampType TimestampNTZType TimeType
    DayTimeIntervalType VariantType ArrayType MapType StructType
    """.split()  # noqa: SIM905
)
PROBES = 16  # at most so many tasks ask the workers what they lack
ENTITIES = "array<struct<start: int, end: int, label: string, score: double, text: string>>"


class Counts(NamedTuple):
    """Count over all workers, once an action has run: accumulators, of which `.value` is asked.

    Spark counts a task once that writes or collects what was marked; where a shuffle follows, one
    that was repeated counts twice.
    """

    documents: Any
    refused: Any
    entities: Any

    @classmethod
    def of(cls, spark: SparkSession) -> Counts:
        """Begin to count, at 0."""
        context = spark.sparkContext
        return cls(context.accumulator(0), context.accumulator(0), context.accumulator(0))


def mark(
    df: DataFrame,
    model: str,
    text: str = "text",
    *,
    entities: str = "entities",
    error: str = "error",
    ship: bool = False,
    strict: bool = False,
    max_characters: int = MAX_LINE,
    corrupt: str = "",
    counts: Counts | None = None,
) -> DataFrame:
    """Add what a model finds in a column of texts: `array<struct<start,end,label,score,text>>`.

    All columns of the input stay; the order of rows is not promised. Each text is read by itself.
    What is no document has null there, and a reason in the column `error`.

    Args:
        model: an exported folder or a version of it, the same path on every worker; with `ship` it
            need lie here alone. An archive (.zip, .tar.gz), also a URL that Spark can read, is
            always shipped.
        entities, error: names of the added columns.
        strict: what is no document fails the job.
        max_characters: longer texts are no documents.
        corrupt: column where a reader of Spark's put what it could not read.
        counts: what to count in, see `Counts.of`; needs a session that is not Spark Connect's.

    Raises:
        ConfigError: a column is missing, of another type, or there before; a worker lacks Python,
            the package or the model.
        ModelError: there is no export.
        MissingExtraError: pyspark, pyarrow or pandas is missing here.
    """
    require_packages()
    from tfner.serving.spark.worker import Columns, Task, mark_partition

    columns = Columns(text, entities, error, max_characters, corrupt)
    schema = marked_schema(df.schema, columns)
    spark = df.sparkSession
    folder, shipped = deliver(spark, model, ship=ship)
    task = Task(folder, columns, shipped, strict, counts)
    require_workers(spark, task._replace(counts=None), count_probes(spark))
    return map_partitions(df, task, partial(mark_partition, task), schema)


def map_partitions(df: DataFrame, task: Task, function: Any, schema: StructType) -> DataFrame:
    """Apply a function to the batches of each partition."""
    with without_warnings():
        return df.mapInArrow(function, schema)


def deliver(spark: SparkSession, model: str, *, ship: bool) -> tuple[str, bool]:
    """Bring a model to the workers, unless they find it at its path; give path or name there."""
    if is_archive(model):
        return ship_archive(spark, model), True
    from tfner.serving.runtime.one_version import resolve_version

    version = resolve_version(Path(model))
    if ship:
        return ship_folder(spark, version), True
    return str(version), False


def marked_schema(schema: StructType, columns: Columns) -> StructType:
    """Add the new columns to a DataFrame's, when all can pass through Arrow.

    Raises:
        ConfigError: a column is missing, of another type, or there before.
    """
    from pyspark.sql.types import StringType, StructType

    if columns.text not in schema.names:
        came = ", ".join(schema.names) or "none"
        raise ConfigError(f"expected a column {columns.text} of texts, got the columns {came}")
    kind = schema[columns.text].dataType
    if not isinstance(kind, StringType):
        came = f"got {kind.simpleString()}"
        raise ConfigError(f"column {columns.text}: expected texts (string), {came}")
    entities, error = quoted(columns.entities), quoted(columns.error)
    new = StructType.fromDDL(f"{entities} {ENTITIES}, {error} string")
    taken = [name for name in new.names if name in schema.names]
    if taken:
        remedy = "rename it, or choose other names for entities and error"
        raise ConfigError(f"column {taken[0]}: the input has it already: {remedy}")
    for field in schema.fields:
        refused = find_refused_type(field.dataType)
        if refused is not None:
            came = f"got {refused.simpleString()}"
            expected = "expected a type that passes through Arrow"
            raise ConfigError(f"column {field.name}: {expected}, {came}: leave it out")
    return StructType([*schema.fields, *new.fields])


def find_refused_type(kind: DataType) -> DataType | None:
    """Find what cannot pass through Arrow in a column's type, which may hold others."""
    if type(kind).__name__ not in PASS_THROUGH:
        return kind
    inner = [
        getattr(kind, name)
        for name in ("elementType", "keyType", "valueType")
        if hasattr(kind, name)
    ]
    inner += [field.dataType for field in getattr(kind, "fields", ())]
    found = (find_refused_type(each) for each in inner)
    return next((each for each in found if each is not None), None)


def quoted(name: str) -> str:
    """Quote a column's name.

    >>> quoted("a`b")
    '`a``b`'
    """
    escaped = name.replace("`", "``")
    return f"`{escaped}`"


def count_probes(spark: SparkSession) -> int:
    """Ask as many tasks as run at once, if that can be told."""
    try:
        parallel = spark.sparkContext.defaultParallelism
    except Exception:  # of Spark Connect, which has no context
        parallel = 1
    return min(parallel, PROBES)
