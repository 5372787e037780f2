"""Mark batches in an actor of Ray's, which loads the model once."""

from __future__ import annotations

import pyarrow

from tfner.serving.runtime.arrow_batches import Columns, mark_arrow, marked_schema
from tfner.serving.runtime.worker_process import limit_threads, open_model


class MarkBatch:
    """Add entities and errors to a batch, a table of Arrow.

    Args:
        model: folder of a version, the same on every machine.
        processors: as many threads TensorFlow has.
        strict: a row that holds no document raises a DataError.
    """

    def __init__(self, model: str, columns: Columns, processors: int, *, strict: bool):
        limit_threads(processors)
        self._recognizer = open_model(model)
        self._columns = columns
        self._strict = strict

    def __call__(self, batch: pyarrow.Table) -> pyarrow.Table:
        schema = marked_schema(batch.schema, self._columns)
        batches = batch.to_batches()
        marked = mark_arrow(self._recognizer, batches, self._columns, strict=self._strict)
        return pyarrow.Table.from_batches(marked, schema)
