"""Named-entity recognition on TensorFlow and Keras, from marked text to a served model.

Train a tagger, export it as one SavedModel, use it on raw text.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tfner.documents import Document, Entity

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from tfner.config import RunSettings as Settings
    from tfner.evaluation.report.report import Report
    from tfner.formats.in_memory import Data
    from tfner.serving.runtime.choice import Runtime
    from tfner.serving.runtime.recognizer import Recognizer
    from tfner.training.run import Outcome

    def train(
        config: str | os.PathLike[str] | Mapping[str, Any] | Settings,
        *overrides: str,
        train: Data | None = None,
        dev: Data | None = None,
        test: Data | None = None,
        overwrite: bool = False,
    ) -> Outcome: ...

    def evaluate(
        model: str | os.PathLike[str],
        data: Data,
        *,
        raw: bool = False,
        context: str | None = None,
        **reading: Any,
    ) -> Report: ...


__all__ = [
    "Document",
    "Entity",
    "Settings",
    "__version__",
    "connect",
    "evaluate",
    "load",
    "train",
]
__version__ = "0.1.0"


def load(
    path: str | os.PathLike[str],
    *,
    runtime: Runtime = "auto",
    intra_op_threads: int = 0,
    inter_op_threads: int = 0,
) -> Recognizer:
    """Load an exported model, as quietly as the commands do.

    `path` is `saved_models/NAME`, for its newest version, or `saved_models/NAME/3`. A folder that
    was fine-tuned with transformers for token classification is converted in memory; an export of
    it (`python -m tfner.convert`) is quicker to load.

    Args:
        runtime: `c` runs the model over TensorFlow's C API, without importing TensorFlow;
            `tensorflow` in TensorFlow's Python; `auto` over the C API where nothing of TensorFlow
            is imported yet, there is no GPU and the platform and version are tested ones. Answers
            are the same.
        intra_op_threads, inter_op_threads: threads within an operation, which the first model of a
            process decides for all, and operations at once; 0 leaves them to TensorFlow.

    Raises:
        ModelError: there is no SavedModel of tfner's at `path`.
        ConfigError: there is no such runtime.
    """
    from pathlib import Path

    from tfner.safeio.sources import is_fine_tuned

    if is_fine_tuned(Path(path)):
        from tfner.quiet_tensorflow import load_tensorflow_once

        load_tensorflow_once()
        from tfner.training.restore import open_model

        return open_model(Path(path))
    from tfner.serving.runtime.choice import Threads
    from tfner.serving.runtime.saved_model import load_recognizer

    return load_recognizer(path, runtime, Threads(intra_op_threads, inter_op_threads))


def connect(
    url: str, *, version: int | None = None, label: str | None = None, **options: Any
) -> Recognizer:
    """Use a model that TensorFlow Serving serves, as `load` would use it here.

    `http://host:8501/v1/models/NAME` or https is REST, `grpc://host:8500/NAME` or grpcs gRPC, which
    needs the extra `serving`. TensorFlow is imported for neither. Without `version` or `label`,
    which may also stand in the URL (`…/versions/3`, `…/labels/canary`), the server takes its newest
    version. `options` are time limits, retries, sizes of requests and headers: see
    `tfner.serving.client.Options`. For asyncio there is `tfner.serving.client.connect_async`.

    Raises:
        ConfigError: the URL or an option has another form. The server is first asked for a text,
            which raises ServerError where there is no answer.
    """
    from tfner.serving.client import connect

    return connect(url, version=version, label=label, **options)


def __getattr__(name: str) -> Any:
    """Import `tfner.train`, `tfner.evaluate` and `tfner.Settings` when they are used.

    The first two are modules that can be called: as functions they would be replaced by the modules
    of their names whenever those are imported.
    """
    if name in ("train", "evaluate"):
        return import_module(f"tfner.{name}")
    if name == "Settings":
        return import_module("tfner.config").RunSettings
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
