"""Turn TensorProto, the message of a tensor, into an array and back.

Values go into the typed fields, as tensorflow_model_server writes them. Strings are bytes in an
array of dtype object.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from google.protobuf.message import Message

from tfner.serving.messages import tensor_pb2, types_pb2
from tfner.serving.tensor_types import NUMPY_TYPES, array_of, print_shape

MOST_FILLED = 1 << 20  # values made from one: a message of some bytes must not take gigabytes

SMALL = ("int8", "int16", "int32", "uint8", "uint16")  # types that share a field
FIELDS = {name: "int_val" if name in SMALL else f"{name}_val" for name in NUMPY_TYPES}
NAMES = {np.dtype(numpy_type): name for name, numpy_type in NUMPY_TYPES.items()}


def type_name(dtype: Any) -> str:
    """Name a type as TensorFlow does, `float` for float32 as its errors have it."""
    if dtype not in types_pb2.DataType.values():
        return str(dtype)
    return types_pb2.DataType.Name(dtype).removeprefix("DT_").lower()


def read_tensor(proto: Message) -> np.ndarray:
    """Read the array of a message.

    Fewer values than its shape says are filled up with the last one, as TensorFlow does, within
    reason.

    >>> from tfner.serving.messages import tensor_shape_pb2
    >>> pair = tensor_shape_pb2.TensorShapeProto(dim=[{"size": 2}])
    >>> proto = tensor_pb2.TensorProto(dtype=types_pb2.DT_INT32, tensor_shape=pair, int_val=[7])
    >>> read_tensor(proto).tolist()
    [7, 7]

    Raises:
        ValueError: its type is none of NUMPY_TYPES, or it holds more or fewer values than its shape
            says.
    """
    shape = [axis.size for axis in proto.tensor_shape.dim]
    size = math.prod(shape)
    values = read_values(proto)
    if 0 < len(values) < size <= MOST_FILLED:
        missing = size - len(values)
        values = np.pad(values, (0, missing), mode="edge")
    if len(values) != size or any(axis < 0 for axis in shape):
        expected = f"expected {size} values for the shape {print_shape(shape)}"
        raise ValueError(f"{expected}, got {len(values)}")
    return values.reshape(shape)


def read_values(proto: Message) -> np.ndarray:
    """Read all values as a flat array, from the bytes or from the field of the type.

    Raises:
        ValueError: the type is none of NUMPY_TYPES, or the bytes hold no whole number of values.
    """
    dtype = type_name(proto.dtype)
    if dtype not in NUMPY_TYPES:
        raise ValueError(f"expected a type of {', '.join(NUMPY_TYPES)}, got {dtype}")
    if not proto.tensor_content:
        values = getattr(proto, FIELDS[dtype])
        return array_of(list(values), dtype)
    numpy_type = np.dtype(NUMPY_TYPES[dtype])
    if dtype == "string" or len(proto.tensor_content) % numpy_type.itemsize:
        raise ValueError(f"expected tensor_content to hold values of type {dtype}")
    return np.frombuffer(proto.tensor_content, numpy_type)


def write_tensor(array: np.ndarray) -> tensor_pb2.TensorProto:
    """Write an array as a message.

    >>> proto = write_tensor(np.array([[1, 2, 3]], np.int32))
    >>> [axis.size for axis in proto.tensor_shape.dim], list(proto.int_val)
    ([1, 3], [1, 2, 3])
    """
    name = NAMES[array.dtype]
    proto = tensor_pb2.TensorProto(dtype=f"DT_{name.upper()}")
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    values = array.ravel().tolist()
    getattr(proto, FIELDS[name]).extend(values)
    return proto
