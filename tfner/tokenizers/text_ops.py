"""Load the TF.Text ops that tokenizers need from the wheel's shared libraries, and nothing else.

`import tensorflow_text` would load its Keras layers too; a process that only runs an export has no
use for those.
"""

from __future__ import annotations

import functools
from types import ModuleType

import tensorflow as tf

from tfner.exceptions import ModelError
from tfner.tokenizers.text_libraries import LIBRARIES, find_library


def load_text_ops() -> None:
    """Register every op that an export may hold with TensorFlow; may be called again.

    Raises:
        ModelError: as `load_text_op`.
    """
    for op in LIBRARIES:
        load_text_op(op)


@functools.cache
def load_text_op(op: str) -> ModuleType:
    """Register one op with TensorFlow; may be called again.

    Returns:
        The module of its library's wrappers.

    Raises:
        ModelError: tensorflow_text is absent, or holds no library that this TensorFlow can load.
    """
    path = find_library(op)
    try:
        return tf.load_op_library(str(path))
    except (tf.errors.NotFoundError, RuntimeError) as error:
        expected = f"expected the op {op} of tensorflow-text built for TensorFlow"
        raise ModelError(f"{path}: {expected} {tf.__version__}, got: {error}") from error
