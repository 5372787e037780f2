"""Load the one TF.Text op that WordPiece needs from the wheel's shared library, and nothing else.

`import tensorflow_text` would load its Keras layers too; a process that only runs an export has no
use for those.
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
    """Register FastWordpieceTokenizeWithOffsets with TensorFlow; may be called again.

    Returns:
        The module of the library's wrappers.

    Raises:
        ModelError: tensorflow_text is absent, or holds no library that this TensorFlow can load.
    """
    spec = importlib.util.find_spec("tensorflow_text")
    if spec is None or not spec.submodule_search_locations:
        problem = "the tokenizer needs the package tensorflow-text, which is not installed"
        raise ModelError(f"{problem}: pip install tensorflow-text")
    folders = iter(spec.submodule_search_locations)
    package = Path(next(folders))
    path = package / LIBRARY
    try:
        return tf.load_op_library(str(path))
    except (tf.errors.NotFoundError, RuntimeError) as error:
        expected = "expected the WordPiece op of tensorflow-text built for TensorFlow"
        raise ModelError(f"{path}: {expected} {tf.__version__}, got: {error}") from error
