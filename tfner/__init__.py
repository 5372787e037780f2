"""Named-entity recognition on TensorFlow and Keras: train a tagger, export it as one SavedModel, use it on raw text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfner.documents import Document, Entity

if TYPE_CHECKING:
    import os

    from tfner.serving.runtime.recognizer import Recognizer

__all__ = ["Document", "Entity", "__version__", "connect", "load"]
__version__ = "0.1.0"


def load(path: str | os.PathLike[str]) -> Recognizer:
    """Load an exported model, `saved_models/NAME` (newest version) or `saved_models/NAME/3`; imports TensorFlow.

    Raises:
        ModelError: there is no SavedModel of tfner's at `path`.
    """
    from tfner.serving.runtime.saved_model import load_recognizer

    return load_recognizer(path)


def connect(
    url: str, *, version: int | None = None, label: str | None = None, **options: Any
) -> Recognizer:
    """Use a model that TensorFlow Serving serves, as `load` would use it here.

    Over REST, `http://host:8501/v1/models/NAME` or https, nothing of TensorFlow is imported; over gRPC, `grpc://host:8500/NAME` or grpcs,
    it is, and the extra `serving` is needed. Without `version` or `label`, which may also stand in the URL (`…/versions/3`,
    `…/labels/canary`), the server takes its newest version. `options` are time limits, retries, sizes of requests and headers: see
    `tfner.serving.client.options.Options`. `tfner.serving.client.asynchronous.connect` is the same for asyncio.

    Raises:
        ConfigError: the URL or an option has another form. The server is first asked for a text, which raises
            ServerError where there is no answer.
    """
    from tfner.serving.client.connect import connect

    return connect(url, version=version, label=label, **options)
