"""Answer the signatures of any SavedModel in TensorFlow's Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow as tf

from tfner.exceptions import ModelError
from tfner.serving.server.request_error import refused_by_graph
from tfner.serving.server.signature import Tensors
from tfner.tokenizers.text_ops import load_text_ops


def load_runner(folder: Path) -> TensorFlowRunner:
    """Load a SavedModel.

    Raises:
        ModelError: TensorFlow cannot load it.
    """
    load_text_ops()
    try:
        return TensorFlowRunner(tf.saved_model.load(str(folder)))
    except (OSError, KeyError, ValueError, tf.errors.OpError) as error:
        raise ModelError(f"{folder}: cannot be loaded: {error}") from None


class TensorFlowRunner:
    """Call the signatures of a loaded model; several threads may."""

    def __init__(self, model: Any):
        self._model = model  # functions hold the object they belong to only weakly
        self._functions = dict(model.signatures)

    def run(self, signature: str, inputs: Tensors) -> Tensors:
        """Give the outputs of a signature for checked inputs.

        Raises:
            RequestError: the graph refuses them.
        """
        constants = {name: tf.constant(value) for name, value in inputs.items()}
        try:
            outputs = self._functions[signature](**constants)
            return {name: outputs[name].numpy() for name in sorted(outputs)}
        except tf.errors.OpError as error:
            raise refused_by_graph(error.error_code, error.message or str(error)) from None

    def close(self) -> None:
        """Do nothing: the model is freed when nothing refers to it."""
