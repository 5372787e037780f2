"""Mark a partition in a Python process of a worker, which loads the model once."""

from __future__ import annotations

import importlib.util
import os
import socket
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tfner.serving.runtime.arrow_batches import Columns, mark_arrow
from tfner.serving.runtime.threads import CHOSEN, PASSES_AT_ONCE

if TYPE_CHECKING:
    import pyarrow

    from tfner.serving.runtime.recognizer import Recognizer

NEEDED = ("tensorflow", "tensorflow_text")
MODELS_IN_PROCESS = 2


class Task(NamedTuple):
    """Say what is to be done with a partition.

    Args:
        model: folder of a version, or the name of an archive that was shipped.
        shipped: whether it is the latter.
        counts: accumulators of Spark's to count in, by `documents`, `refused` and `entities`.
    """

    model: str
    columns: Columns
    shipped: bool = False
    strict: bool = False
    counts: Any = None


def mark_partition(
    task: Task, batches: Iterable[pyarrow.RecordBatch]
) -> Iterator[pyarrow.RecordBatch]:
    """Mark the rows of a partition; an empty one loads no model.

    Raises:
        DataError: a row holds no document, and that is an error (`strict`).
    """
    filled = (batch for batch in batches if batch.num_rows)
    first = next(filled, None)
    if first is None:
        return
    limit_threads(task_processors())
    recognizer = open_model(model_folder(task))
    for marked in mark_arrow(recognizer, put_back(first, filled), task.columns, strict=task.strict):
        count(marked, task)
        yield marked


def put_back(first: Any, others: Iterator[Any]) -> Iterator[Any]:
    """Yield what was taken from an iterator before its others."""
    yield first
    yield from others


def model_folder(task: Task) -> str:
    """Find the model's folder on this machine."""
    if not task.shipped:
        return task.model
    from pyspark import SparkFiles

    return SparkFiles.get(task.model)


@lru_cache(maxsize=MODELS_IN_PROCESS)
def open_model(folder: str) -> Recognizer:
    """Load a model, once for all partitions that this process is given."""
    from tfner.serving.runtime.saved_model import load_recognizer

    return load_recognizer(folder)


def task_processors() -> int:
    """Ask Spark how many processors a task has (spark.task.cpus)."""
    from pyspark import TaskContext

    context = TaskContext.get()
    return 1 if context is None else context.cpus()


def limit_threads(processors: int) -> None:
    """Let TensorFlow have as many threads as the task has processors.

    It reads them when it starts. What the environment says stays (spark.executorEnv.…).
    """
    within = processors if processors > PASSES_AT_ONCE else 1
    for name, count in zip(CHOSEN, (within, processors), strict=True):
        os.environ.setdefault(name, str(count))


def count(marked: pyarrow.RecordBatch, task: Task) -> None:
    """Add what was done to the job's counts."""
    if task.counts is None:
        return
    entities = marked.column(task.columns.entities)
    refused = entities.null_count
    task.counts.documents.add(marked.num_rows - refused)
    task.counts.refused.add(refused)
    task.counts.entities.add(len(entities.flatten()))


def probe_worker(
    task: Task, batches: Iterable[pyarrow.RecordBatch]
) -> Iterator[pyarrow.RecordBatch]:
    """Give a row with what this worker lacks, none if it lacks nothing."""
    import pyarrow

    for _ in batches:
        pass
    lacking = [f"the package {name}" for name in NEEDED if not importlib.util.find_spec(name)]
    folder = Path(model_folder(task))
    found = [folder, *folder.glob("*/")] if folder.is_dir() else []
    if not any((each / "saved_model.pb").is_file() for each in found):
        lacking.append(f"the model {folder}")
    host = socket.gethostname()
    rows = [{"lacking": f"{host}: {each}"} for each in lacking]
    schema = pyarrow.schema([("lacking", pyarrow.string())])
    yield pyarrow.RecordBatch.from_pylist(rows, schema)
