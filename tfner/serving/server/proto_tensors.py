"""Turn TensorProto into arrays and back, and hold the inputs of gRPC to their signature.

Values go into the typed fields, as tensorflow_model_server writes them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from google.protobuf.message import Message

from tfner.serving.messages import tensor_pb2, types_pb2
from tfner.serving.server.json_tensors import NUMPY_TYPES, array_of
from tfner.serving.server.request_error import invalid
from tfner.serving.server.signature import ServedSignature, Tensors, TensorSpec, print_shape

MOST_FILLED = 1 << 20  # values made from one: a message of some bytes must not take gigabytes

SMALL = ("int8", "int16", "int32", "uint8", "uint16")  # types that share a field
FIELDS = {name: "int_val" if name in SMALL else f"{name}_val" for name in NUMPY_TYPES}
NAMES = {np.dtype(numpy_type): name for name, numpy_type in NUMPY_TYPES.items()}


def type_name(dtype: Any) -> str:
    """Name a type as TensorFlow does, `float` for float32 as its errors have it."""
    if dtype not in types_pb2.DataType.values():
        return str(dtype)
    return types_pb2.DataType.Name(dtype).removeprefix("DT_").lower()


def read_inputs(protos: Mapping[str, Message], signature: ServedSignature) -> Tensors:
    """Read the tensors of a request, held against the signature.

    Raises:
        RequestError: an input is missing, unknown, of another type or shape, or holds more or
            fewer values than its shape says.
    """
    check_names(set(protos), set(signature.inputs))
    return {name: read_tensor(name, protos[name], spec) for name, spec in signature.inputs.items()}


def check_names(sent: set[str], wanted: set[str]) -> None:
    """Hold the names of inputs against those of the signature.

    Raises:
        RequestError: they are others.
    """
    if len(sent) != len(wanted):
        lengths = f"{len(sent)}!={len(wanted)} len({listed(sent)}) != len({listed(wanted)})"
        extra = f"Sent extra: {listed(sent - wanted)}."
        lacking = f"Missing but required: {listed(wanted - sent)}."
        raise invalid(f"input size does not match signature: {lengths}. {extra} {lacking}")
    for name in sorted(sent - wanted):
        expected = f"Inputs expected to be in the set {listed(wanted)}."
        raise invalid(f"input tensor alias not found in signature: {name}. {expected}")


def listed(names: set[str]) -> str:
    """Print names as the server's errors do.

    >>> listed({"text", "id"})
    '{id,text}'
    """
    return f"{{{','.join(sorted(names))}}}"


def read_tensor(name: str, proto: Message, spec: TensorSpec) -> np.ndarray:
    """Read one tensor.

    Fewer values than its shape says are filled up with the last one, as TensorFlow does, within
    reason.

    >>> from tfner.serving.messages import tensor_shape_pb2
    >>> pair = tensor_shape_pb2.TensorShapeProto(dim=[{"size": 2}])
    >>> proto = tensor_pb2.TensorProto(dtype=types_pb2.DT_INT32, tensor_shape=pair, int_val=[7])
    >>> read_tensor("length", proto, TensorSpec("int32", (-1,))).tolist()
    [7, 7]

    Raises:
        RequestError: it is of another type or shape, or the number of its values is another.
    """
    got = type_name(proto.dtype)
    if got != spec.dtype:
        raise invalid(f"input {name}: expected type {spec.dtype}, got {got}")
    shape = [axis.size for axis in proto.tensor_shape.dim]
    spec.check(name, shape)
    values = read_values(name, proto, spec.dtype)
    size = math.prod(shape)
    if 0 < len(values) < size <= MOST_FILLED:
        missing = size - len(values)
        values = np.pad(values, (0, missing), mode="edge")
    if len(values) != size:
        expected = f"expected {size} values for the shape {print_shape(shape)}"
        raise invalid(f"input {name}: {expected}, got {len(values)}")
    return values.reshape(shape)


def read_values(name: str, proto: Message, dtype: str) -> np.ndarray:
    """Read all values as a flat array, from the bytes or from the field of the type.

    Raises:
        RequestError: the bytes hold no whole number of values.
    """
    numpy_type = np.dtype(NUMPY_TYPES[dtype])
    if not proto.tensor_content:
        values = getattr(proto, FIELDS[dtype])
        return array_of(list(values), dtype)
    if dtype == "string" or len(proto.tensor_content) % numpy_type.itemsize:
        raise invalid(f"input {name}: expected tensor_content to hold values of type {dtype}")
    return np.frombuffer(proto.tensor_content, numpy_type)


def write_tensor(array: np.ndarray) -> tensor_pb2.TensorProto:
    """Write an array as a message; strings are bytes in an array of dtype object.

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
