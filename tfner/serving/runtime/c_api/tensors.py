"""Turn arrays into tensors of the C API and back."""

from __future__ import annotations

import ctypes as c
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tfner.serving.runtime.c_api.library import CError, CLibrary
from tfner.serving.runtime.c_api.strings import read_strings, write_views

STRING = 7  # of the enumeration DataType
NUMPY_TYPES = {1: np.float32, 2: np.float64, 3: np.int32, 9: np.int64, 10: np.bool_}
NUMBERS = {np.dtype(numpy_type): number for number, numpy_type in NUMPY_TYPES.items()}
UNIMPLEMENTED = 12  # of the codes of a status


class Strings(NamedTuple):
    """Give strings in row order, and the shape of their tensor."""

    texts: Sequence[bytes]
    shape: Sequence[int]


Value = Strings | np.ndarray  # an array holds numbers


class InputTensor:
    """Hold a value as a tensor of the C API; a context manager, which frees it.

    Raises:
        CError: it has a type that no export takes.
    """

    def __init__(self, library: CLibrary, value: Value):
        self._library = library
        if isinstance(value, Strings):
            number = STRING
            memory, self._viewed = write_views(value.texts)
        else:
            number = number_of(value)
            memory = np.ascontiguousarray(value)
        rank = len(value.shape)
        axes = (c.c_int64 * rank)(*value.shape)
        self.address = library.AllocateTensor(number, axes, rank, memory.nbytes)
        c.memmove(library.TensorData(self.address), memory.ctypes.data, memory.nbytes)

    def __enter__(self) -> InputTensor:
        return self

    def __exit__(self, *_: object) -> None:
        self._library.DeleteTensor(self.address)


def number_of(array: np.ndarray) -> int:
    """Find the number of a type in the enumeration DataType.

    Raises:
        CError: no export takes it.
    """
    if array.dtype not in NUMBERS:
        raise CError(UNIMPLEMENTED, f"expected numbers or strings, got {array.dtype}")
    return NUMBERS[array.dtype]


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
