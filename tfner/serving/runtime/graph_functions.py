"""Ask the signatures of a model in TensorFlow's Python."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfner.exceptions import ModelError
from tfner.safeio.printable import first_line
from tfner.serving.runtime.choice import Threads
from tfner.serving.runtime.graph_errors import cannot_answer
from tfner.serving.runtime.recognizer import Recognizer
from tfner.serving.runtime.saved_model import AT_ONCE
from tfner.serving.schema import Outputs
from tfner.tokenizers.text_ops import load_text_ops

Function = Callable[..., dict[str, tf.Tensor]]


def load_graph(folder: Path) -> Any:
    """Load the SavedModel of a version that was checked.

    Raises:
        ModelError: TensorFlow cannot load it.
    """
    load_text_ops()
    try:
        return tf.saved_model.load(str(folder))
    except (OSError, KeyError, ValueError, tf.errors.OpError) as error:
        what = f"cannot be loaded as a SavedModel of tfner: {first_line(error)}"
        raise ModelError(f"{folder}: {what}") from None


def set_threads(threads: Threads) -> None:
    """Set TensorFlow's threads, where some are chosen and it does not run already."""
    threading = tf.config.threading
    with suppress(RuntimeError):  # it runs already
        if threads.inter:
            threading.set_inter_op_parallelism_threads(threads.inter)
        if threads.intra:
            threading.set_intra_op_parallelism_threads(threads.intra)


class GraphFunctions:
    """Hold the signatures of a model in this process, as a recognizer asks them."""

    def __init__(self, owner: Any, text: Function, words: Function):
        self.owner = owner  # functions hold the object they belong to only weakly
        self.text = text
        self.words = words

    def ask_texts(self, texts: list[bytes]) -> Outputs:
        """Answer B texts."""
        question = tf.constant(texts, tf.string)
        return answer_of(self.text, text=question)

    def ask_words(self, rows: list[list[bytes]]) -> Outputs:
        """Answer [B, W] words; the shape is given, since no list says how wide no rows are."""
        width = len(rows[0]) if rows else 0
        question = tf.constant(rows, tf.string, [len(rows), width])
        return answer_of(self.words, words=question)

    def recognizer(self, card: dict[str, Any]) -> Recognizer:
        """Make the recognizer that asks these functions."""
        return Recognizer(self.ask_texts, self.ask_words, card, AT_ONCE)


def answer_of(function: Function, **question: tf.Tensor) -> Outputs:
    """Call a signature.

    Raises:
        ModelError: its graph cannot answer.
    """
    try:
        answer = function(**question)
        return {name: value.numpy() for name, value in answer.items()}
    except tf.errors.OpError as error:
        raise cannot_answer(error.message or str(error)) from None
