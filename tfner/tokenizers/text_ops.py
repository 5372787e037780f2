"""The one TF.Text op that the tokenizer needs, loaded from the wheel's shared library alone.

`import tensorflow_text` would load its Keras layers with it; a process that only runs an export has no use for those.
"""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path
from types import ModuleType

import tensorflow as tf

from tfner.exceptions import ModelError

LIBRARY = Path("python", "ops", "_fast_wordpiece_tokenizer.so")


@functools.cache
def load_text_ops() -> ModuleType:
    """Register FastWordpieceTokenizeWithOffsets with TensorFlow and return the module of its wrappers; may be called again.

    Raises:
        ModelError: tensorflow_text is not installed, or holds no library that this TensorFlow can load.
    """
    spec = importlib.util.find_spec("tensorflow_text")
    if spec is None or not spec.submodule_search_locations:
        raise ModelError(
            "the tokenizer needs the package tensorflow-text, which is not installed: pip install tensorflow-text"
        )
    path = Path(next(iter(spec.submodule_search_locations))) / LIBRARY
    try:
        return tf.load_op_library(str(path))
    except (tf.errors.NotFoundError, RuntimeError) as error:
        raise ModelError(
            f"{path}: expected the WordPiece op of tensorflow-text built for TensorFlow {tf.__version__}, got: {error}"
        ) from error
