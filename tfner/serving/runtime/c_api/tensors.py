"""Turn arrays into tensors of the C API and back."""

from __future__ import annotations

import ctypes as c
from collections.abc import Sequence

import numpy as np

from tfner.serving.runtime.c_api.library import CError, CLibrary
from tfner.serving.runtime.c_api.strings import read_strings, write_views

STRING = 7  # of the enumeration DataType
NUMPY_TYPES = {1: np.float32, 2: np.float64, 3: np.int32, 9: np.int64, 10: np.bool_}
UNIMPLEMENTED = 12  # of the codes of a status


class StringTensor:
    """Hold strings as a tensor of any shape; a context manager, which frees it."""

    def __init__(self, library: CLibrary, texts: Sequence[bytes], shape: Sequence[int]):
        self._library = library
        views, self._buffer = write_views(texts)
        axes = (c.c_int64 * len(shape))(*shape)
        self.address = library.AllocateTensor(STRING, axes, len(shape), views.nbytes)
        c.memmove(library.TensorData(self.address), views.ctypes.data, views.nbytes)

    def __enter__(self) -> StringTensor:
        return self

    def __exit__(self, *_: object) -> None:
        self._library.DeleteTensor(self.address)


def read_tensor(library: CLibrary, address: int) -> np.ndarray:
    """Copy a tensor to an array; strings are bytes in an array of dtype object.

    Raises:
        CError: it has a type that no export answers with.
    """
    number = library.TensorType(address)
    shape = [library.Dim(address, axis) for axis in range(library.NumDims(address))]
    size = library.TensorByteSize(address)
    memory = c.string_at(library.TensorData(address), size) if size else b""
    if number == STRING:
        return read_strings(memory).reshape(shape)
    if number not in NUMPY_TYPES:
        raise CError(UNIMPLEMENTED, f"expected numbers or strings, got the DataType {number}")
    return np.frombuffer(memory, NUMPY_TYPES[number]).reshape(shape)
