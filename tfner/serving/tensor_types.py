"""Name the types and shapes of tensors as TensorFlow does, and make arrays of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
NUMPY_TYPES: dict[str, Any] = {name: np.dtype(name) for name in INTEGERS}
NUMPY_TYPES |= {"float": np.float32, "double": np.float64, "bool": np.bool_, "string": object}


def array_of(values: list[Any], dtype: str) -> np.ndarray:
    """Make a flat array; values of `string` may be any objects, lists and dicts too."""
    array = np.empty(len(values), NUMPY_TYPES[dtype])
    array[:] = values
    return array


def print_shape(shape: Sequence[int]) -> str:
    """Print a shape as TensorFlow does.

    >>> print_shape([2, -1])
    '[2,?]'
    """
    sizes = ("?" if size < 0 else str(size) for size in shape)
    return f"[{','.join(sizes)}]"
