"""Open a version of an export over the C API, as a recognizer asks it."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Collection, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from tfner.exceptions import ModelError
from tfner.quiet_tensorflow import LEVEL, silent_stderr
from tfner.serving.runtime.c_api.library import CError, load_c_library
from tfner.serving.runtime.c_api.session import Session
from tfner.serving.runtime.c_api.strings import check_layout
from tfner.serving.runtime.c_api.tensors import Strings, Value
from tfner.serving.runtime.choice import Threads
from tfner.serving.runtime.graph_errors import cannot_answer
from tfner.serving.runtime.recognizer import Recognizer
from tfner.serving.schema import TEXTS, WORDS, Outputs
from tfner.tokenizers.text_libraries import LIBRARIES, find_library

OPENING_ERRORS = (CError, OSError, AttributeError, KeyError, ModelError)


class CModel:
    """Ask the signatures of a loaded session."""

    def __init__(self, session: Session):
        self._session = session
        self._asked: set[str] = set()

    @property
    def signatures(self) -> list[str]:
        """List the names of the signatures."""
        return self._session.signatures

    def ask(self, signature: str, inputs: Mapping[str, Value]) -> Outputs:
        """Give the outputs of a signature for its inputs, both by name.

        Raises:
            CError: the graph cannot answer.
        """
        answer = self._session.ask(signature, inputs)
        if signature not in self._asked:  # its graph was rewritten for this processor
            self._asked.add(signature)
            give_memory_back()
        return answer

    def ask_texts(self, texts: list[bytes]) -> Outputs:
        """Answer B texts."""
        return self._ask(TEXTS, {"text": Strings(texts, [len(texts)])})

    def ask_words(self, rows: list[list[bytes]]) -> Outputs:
        """Answer [B, W] words."""
        width = len(rows[0]) if rows else 0
        words = list(chain.from_iterable(rows))
        return self._ask(WORDS, {"words": Strings(words, [len(rows), width])})

    def _ask(self, signature: str, inputs: Mapping[str, Value]) -> Outputs:
        try:
            return self.ask(signature, inputs)
        except CError as error:
            raise cannot_answer(error.message) from None

    def close(self) -> None:
        """Free the model, once those who ask it now have their answers."""
        self._session.close()

    def recognizer(self, card: dict[str, Any], at_once: int) -> Recognizer:
        """Make the recognizer that asks this."""
        return Recognizer(self.ask_texts, self.ask_words, card, at_once, self.close)


def open_session(folder: Path, ops: Collection[str], threads: Threads) -> CModel:
    """Load a version that was checked, and the one library of TF.Text for each op it names.

    Quiet, unless TF_CPP_MIN_LOG_LEVEL asks TensorFlow for its log.

    Raises:
        CError: TensorFlow cannot load it.
        OSError, AttributeError, ModelError: TensorFlow's libraries, or TF.Text's, are not there or
            are others.
    """
    if LEVEL in os.environ:
        return load_session(folder, ops, threads)
    os.environ[LEVEL] = "3"
    with silent_stderr():  # what C++ prints before any level holds
        return load_session(folder, ops, threads)


def load_session(folder: Path, ops: Collection[str], threads: Threads) -> CModel:
    """Load the libraries and the version."""
    library = load_c_library()
    check_layout(library)
    for op in LIBRARIES.keys() & set(ops):
        library.load_ops(find_library(op))
    model = CModel(Session(library, folder, threads))
    give_memory_back()
    return model


def give_memory_back() -> None:
    """Give the memory that loading or rewriting a graph took back to the system, where glibc can.

    It is a tenth of the process.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
