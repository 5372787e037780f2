"""Import the messages of TensorFlow and of TensorFlow Serving without TensorFlow's Python.

Importing a module of a package imports the package first, and `tensorflow` takes seconds and half a
gigabyte, of which messages need nothing. So a package of the same folder stands in for it.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

PACKAGE = "tensorflow"


@contextmanager
def without_tensorflow() -> Iterator[None]:
    """Import modules of TensorFlow's wheel that need nothing but each other: its messages.

    Where TensorFlow is imported already, or is not installed, imports are as ever. A later `import
    tensorflow` uses the same classes. No other thread may import TensorFlow meanwhile.
    """
    spec = None if PACKAGE in sys.modules else importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        yield
        return
    stand_in = ModuleType(PACKAGE)
    stand_in.__path__ = list(spec.submodule_search_locations)
    sys.modules[PACKAGE] = stand_in
    try:
        yield
    finally:
        del sys.modules[PACKAGE]


with without_tensorflow():
    from tensorflow.core.framework import tensor_pb2, tensor_shape_pb2, types_pb2
    from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2
    from tensorflow_serving.apis import get_model_metadata_pb2 as metadata_pb2
    from tensorflow_serving.apis import get_model_status_pb2 as status_pb2
    from tensorflow_serving.apis import model_pb2, predict_pb2, prediction_log_pb2

__all__ = [
    "meta_graph_pb2",
    "metadata_pb2",
    "model_pb2",
    "predict_pb2",
    "prediction_log_pb2",
    "saved_model_pb2",
    "status_pb2",
    "tensor_pb2",
    "tensor_shape_pb2",
    "types_pb2",
    "without_tensorflow",
]
