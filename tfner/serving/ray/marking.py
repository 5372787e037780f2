"""Add the entities of a text column to a dataset of Ray Data."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfner.exceptions import ConfigError, MissingExtraError
from tfner.formats.settings import MAX_LINE
from tfner.serving.runtime.recognizer import DOCUMENTS_IN_BLOCK

if TYPE_CHECKING:
    from ray.data import Dataset


def mark(
    dataset: Dataset,
    model: str,
    text: str = "text",
    *,
    entities: str = "entities",
    error: str = "error",
    strict: bool = False,
    max_characters: int = MAX_LINE,
    actors: int = 1,
    processors: int = 1,
) -> Dataset:
    """Add what a model finds in a column of texts: a list of start, end, label, score and text.

    All columns stay. Each text is read by itself. What is no document has null there, and a reason
    in the column `error`.

    Args:
        model: an exported folder or a version of it, the same path on every machine.
        entities, error: names of the added columns.
        strict: what is no document fails the job.
        max_characters: longer texts are no documents.
        actors: processes that mark, each with a model of its own.
        processors: what each asks Ray for, and as many threads TensorFlow has.

    Raises:
        ConfigError: a column is missing, or there before.
        ModelError: there is no export.
        MissingExtraError: ray is not installed.
    """
    if importlib.util.find_spec("ray") is None:
        raise MissingExtraError("ray", "ray", "tfner.serving.ray")
    from ray.data import ActorPoolStrategy

    from tfner.serving.ray.actor import MarkBatch
    from tfner.serving.runtime.arrow_batches import Columns
    from tfner.serving.runtime.one_version import resolve_version

    columns = Columns(text, entities, error, max_characters)
    check_columns(dataset, columns)
    version = resolve_version(Path(model))
    options: dict[str, Any] = {"batch_format": "pyarrow", "batch_size": DOCUMENTS_IN_BLOCK}
    given = (str(version), columns, processors)
    return dataset.map_batches(
        MarkBatch,
        fn_constructor_args=given,
        fn_constructor_kwargs={"strict": strict},
        compute=ActorPoolStrategy(size=actors),
        num_cpus=processors,
        **options,
    )


def check_columns(dataset: Dataset, columns: Any) -> None:
    """Refuse a dataset without texts, or with columns of the names that are added.

    Raises:
        ConfigError: so it is; an empty dataset, which has no columns, passes.
    """
    schema = dataset.schema()
    if schema is None:
        return
    if columns.text not in schema.names:
        came = ", ".join(schema.names)
        raise ConfigError(f"expected a column {columns.text} of texts, got the columns {came}")
    for name in (columns.entities, columns.error):
        if name in schema.names:
            remedy = "rename it, or choose other names for entities and error"
            raise ConfigError(f"column {name}: the input has it already: {remedy}")
