"""Open an export: a folder with a SavedModel and its card; needs neither transformers nor tf_keras."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfner.exceptions import ModelError
from tfner.safeio.json_text import read_json_object
from tfner.safeio.printable import first_line, show
from tfner.serving.export.graph_guard import check_files, check_graph, check_variables
from tfner.serving.export.version_numbers import complete_versions
from tfner.serving.runtime.recognizer import Answer, Recognizer
from tfner.tokenizers.text_ops import load_text_ops

AT_ONCE = (
    2  # while one question is cut into pieces or its answer read, the encoder works on the other
)
CARD = Path("assets.extra") / "tfner.json"
Function = Callable[..., dict[str, tf.Tensor]]


def load_recognizer(path: str | os.PathLike[str]) -> Recognizer:
    """Load an export, newest version or the one named.

    Raises:
        ModelError: there is no SavedModel of tfner's.
    """
    folder = find_version(Path(path))
    check_files(folder)
    card = read_card(folder)
    check_graph(folder)
    check_variables(folder)
    load_text_ops()
    try:
        model = tf.saved_model.load(str(folder))
    except (OSError, KeyError, ValueError, tf.errors.OpError) as error:
        raise ModelError(
            f"{folder}: cannot be loaded as a SavedModel of tfner: {first_line(error)}"
        ) from None
    if missing := {"serving_default", "words"} - set(model.signatures):
        raise ModelError(
            f"{folder}: expected a SavedModel of tfner, got one without the signatures {', '.join(sorted(missing))}"
        )
    return GraphFunctions(
        model, model.signatures["serving_default"], model.signatures["words"]
    ).recognizer(card)


class GraphFunctions:
    """The signatures of a model in this process, as a recognizer asks them."""

    def __init__(self, owner: Any, text: Function, words: Function):
        self.owner = owner  # functions hold the object they belong to only weakly
        self.text = text
        self.words = words

    def ask_texts(self, texts: list[bytes]) -> Answer:
        return as_numpy(self.text(text=tf.constant(texts, tf.string)))

    def ask_words(self, rows: list[list[bytes]]) -> Answer:
        return as_numpy(
            self.words(words=tf.constant(rows, tf.string, [len(rows), len(rows[0]) if rows else 0]))
        )

    def recognizer(self, card: dict[str, Any]) -> Recognizer:
        return Recognizer(self.ask_texts, self.ask_words, card, AT_ONCE)


def as_numpy(answer: dict[str, tf.Tensor]) -> Answer:
    return {name: value.numpy() for name, value in answer.items()}


def find_version(path: Path) -> Path:
    """The folder of one version: `path` itself, or its newest numbered subfolder that is complete."""
    if (path / "saved_model.pb").is_file():
        return path
    if not path.is_dir():
        raise ModelError(f"{path}: no such folder")
    versions = complete_versions(path)
    if not versions:
        raise ModelError(
            f"{path}: expected a SavedModel or numbered versions of one, found neither"
        )
    return versions[max(versions)]


def read_card(folder: Path) -> dict[str, Any]:
    """What an export says of itself.

    Raises:
        ModelError: there is no card, or none of tfner's.
    """
    if not (folder / CARD).is_file():
        raise ModelError(f"{folder}: not an export of tfner: {CARD} cannot be read: No such file")
    card = read_json_object(folder / CARD, ModelError)
    if "tag_scheme" not in card:
        raise ModelError(
            f"{folder / CARD}: expected a JSON object with tag_scheme, got {show(sorted(card))}"
        )
    return card
