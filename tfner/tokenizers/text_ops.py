"""Load the TF.Text ops that tokenizers need from the wheel's shared libraries, and nothing else.

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

FOLDER = Path("python", "ops")
WORDPIECE = "FastWordpieceTokenizeWithOffsets"
SENTENCEPIECE = "TFText>FastSentencepieceTokenize"
LIBRARIES = {
    WORDPIECE: "_fast_wordpiece_tokenizer.so",
    SENTENCEPIECE: "_fast_sentencepiece_tokenizer.so",
}


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
    spec = importlib.util.find_spec("tensorflow_text")
    if spec is None or not spec.submodule_search_locations:
        problem = "the tokenizer needs the package tensorflow-text, which is not installed"
        raise ModelError(f"{problem}: pip install tensorflow-text")
    folders = iter(spec.submodule_search_locations)
    package = Path(next(folders))
    path = package / FOLDER / LIBRARIES[op]
    try:
        return tf.load_op_library(str(path))
    except (tf.errors.NotFoundError, RuntimeError) as error:
        expected = f"expected the op {op} of tensorflow-text built for TensorFlow"
        raise ModelError(f"{path}: {expected} {tf.__version__}, got: {error}") from error
