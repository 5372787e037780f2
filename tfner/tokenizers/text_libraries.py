"""Find the shared libraries of TF.Text's wheel, without importing it or TensorFlow."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from tfner.exceptions import ModelError

FOLDER = Path("python", "ops")
WORDPIECE = "FastWordpieceTokenizeWithOffsets"
SENTENCEPIECE = "TFText>FastSentencepieceTokenize"
LIBRARIES = {
    WORDPIECE: "_fast_wordpiece_tokenizer.so",
    SENTENCEPIECE: "_fast_sentencepiece_tokenizer.so",
}


def find_library(op: str) -> Path:
    """Find the library that holds one op.

    Raises:
        ModelError: tensorflow_text is absent.
    """
    spec = importlib.util.find_spec("tensorflow_text")
    if spec is None or not spec.submodule_search_locations:
        problem = "the tokenizer needs the package tensorflow-text, which is not installed"
        raise ModelError(f"{problem}: pip install tensorflow-text")
    folders = iter(spec.submodule_search_locations)
    package = Path(next(folders))
    return package / FOLDER / LIBRARIES[op]
