"""Answer the signatures of an export over TensorFlow's C API."""

from __future__ import annotations

import numpy as np

from tfner.serving.runtime.c_api.library import CError
from tfner.serving.runtime.c_api.open import CModel
from tfner.serving.runtime.c_api.tensors import Strings, Value
from tfner.serving.server.request_error import refused_by_graph
from tfner.serving.server.signature import Tensors


class CRunner:
    """Call the signatures of a loaded model; several threads may."""

    def __init__(self, model: CModel):
        self._model = model

    def run(self, signature: str, inputs: Tensors) -> Tensors:
        """Give the outputs of a signature for checked inputs.

        Raises:
            RequestError: the graph refuses them.
        """
        values = {name: value_of(array) for name, array in inputs.items()}
        try:
            return self._model.ask(signature, values)
        except CError as error:
            raise refused_by_graph(error.code, error.message) from None

    def close(self) -> None:
        """Free the model, once those who ask it now have their answers."""
        self._model.close()


def value_of(array: np.ndarray) -> Value:
    """Take the strings out of an array of objects; numbers stay as they are."""
    return Strings(array.ravel().tolist(), array.shape) if array.dtype == object else array
