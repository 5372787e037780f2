"""Open an export, a folder with a SavedModel and its card, without transformers or tf_keras."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfner.corpus.context import CONTEXTS
from tfner.exceptions import ModelError
from tfner.safeio.json_text import read_json_object
from tfner.safeio.printable import first_line, show
from tfner.serving.export.graph_guard import check_files, check_graph, check_variables
from tfner.serving.export.layout import CARD
from tfner.serving.export.version_numbers import complete_versions
from tfner.serving.runtime.origin import from_origin
from tfner.serving.runtime.recognizer import Recognizer
from tfner.serving.schema import TEXTS, WORDS, Outputs
from tfner.tokenizers.text_ops import load_text_ops

# While one question is cut into pieces or its answer read, the encoder works on the other.
AT_ONCE = 2
Function = Callable[..., dict[str, tf.Tensor]]


def load_recognizer(path: str | os.PathLike[str]) -> Recognizer:
    """Load an export, newest version or the one named.

    Raises:
        ModelError: there is no SavedModel of tfner's.
    """
    folder = find_version(Path(path))
    model, card = load_model(folder)
    missing = {TEXTS, WORDS} - set(model.signatures)
    if missing:
        names = ", ".join(sorted(missing))
        came = f"got one without the signatures {names}"
        raise ModelError(f"{folder}: expected a SavedModel of tfner, {came}")
    texts, words = model.signatures[TEXTS], model.signatures[WORDS]
    recognizer = GraphFunctions(model, texts, words).recognizer(card)
    return from_origin(recognizer, load_recognizer, str(folder.absolute()))


def load_model(folder: Path) -> tuple[Any, dict[str, Any]]:
    """Load a version's SavedModel and its card, when both are what they should be.

    Raises:
        ModelError: there is no SavedModel of tfner's.
    """
    check_files(folder)
    card = read_card(folder)
    check_graph(folder)
    check_variables(folder)
    load_text_ops()
    try:
        return tf.saved_model.load(str(folder)), card
    except (OSError, KeyError, ValueError, tf.errors.OpError) as error:
        what = f"cannot be loaded as a SavedModel of tfner: {first_line(error)}"
        raise ModelError(f"{folder}: {what}") from None


class GraphFunctions:
    """Hold the signatures of a model in this process, as a recognizer asks them."""

    def __init__(self, owner: Any, text: Function, words: Function):
        self.owner = owner  # functions hold the object they belong to only weakly
        self.text = text
        self.words = words

    def ask_texts(self, texts: list[bytes]) -> Outputs:
        """Answer B texts."""
        question = tf.constant(texts, tf.string)
        return as_numpy(self.text(text=question))

    def ask_words(self, rows: list[list[bytes]]) -> Outputs:
        """Answer [B, W] words; the shape is given, since no list says how wide no rows are."""
        width = len(rows[0]) if rows else 0
        question = tf.constant(rows, tf.string, [len(rows), width])
        return as_numpy(self.words(words=question))

    def recognizer(self, card: dict[str, Any]) -> Recognizer:
        """Make the recognizer that asks these functions."""
        return Recognizer(self.ask_texts, self.ask_words, card, AT_ONCE)


def as_numpy(answer: dict[str, tf.Tensor]) -> Outputs:
    return {name: value.numpy() for name, value in answer.items()}


def find_version(path: Path) -> Path:
    """Find the folder of one version: `path` itself, or its newest complete numbered subfolder.

    Raises:
        ModelError: there is none.
    """
    if (path / "saved_model.pb").is_file():
        return path
    if not path.is_dir():
        raise ModelError(f"{path}: no such folder")
    versions = complete_versions(path)
    if not versions:
        expected = "expected a SavedModel or numbered versions of one"
        raise ModelError(f"{path}: {expected}, found neither")
    return versions[max(versions)]


def read_card(folder: Path) -> dict[str, Any]:
    """Read what an export says of itself.

    Raises:
        ModelError: there is no card, or none of tfner's.
    """
    path = folder / CARD
    if not path.is_file():
        raise ModelError(f"{folder}: not an export of tfner: {CARD} cannot be read: No such file")
    card = read_json_object(path, ModelError)
    if "tag_scheme" not in card:
        came = show(sorted(card))
        raise ModelError(f"{path}: expected a JSON object with tag_scheme, got {came}")
    context = card.get("context", "none")
    if context not in CONTEXTS:
        expected = f"expected {' or '.join(CONTEXTS)} as context"
        raise ModelError(f"{path}: {expected}, got {show(context)}")
    return card
