"""TensorProto to arrays and back, and the inputs of a gRPC request. Values go into the typed fields, as the server writes them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from google.protobuf.message import Message
from tensorflow.core.framework import tensor_pb2, types_pb2

from tfner.serving.server.json_tensors import NUMPY_TYPES, array_of
from tfner.serving.server.request_error import invalid
from tfner.serving.server.signature import Signature, Tensors, TensorSpec, print_shape

MOST_FILLED = 1 << 20  # values made from one: a message of some bytes must not take gigabytes

FIELDS = {
    "object": (types_pb2.DT_STRING, "string_val"),
    "float32": (types_pb2.DT_FLOAT, "float_val"),
    "float64": (types_pb2.DT_DOUBLE, "double_val"),
    "bool": (types_pb2.DT_BOOL, "bool_val"),
    "int8": (types_pb2.DT_INT8, "int_val"),
    "int16": (types_pb2.DT_INT16, "int_val"),
    "int32": (types_pb2.DT_INT32, "int_val"),
    "int64": (types_pb2.DT_INT64, "int64_val"),
    "uint8": (types_pb2.DT_UINT8, "int_val"),
    "uint16": (types_pb2.DT_UINT16, "int_val"),
    "uint32": (types_pb2.DT_UINT32, "uint32_val"),
    "uint64": (types_pb2.DT_UINT64, "uint64_val"),
}


def type_name(dtype: Any) -> str:
    """TensorFlow's name of a type, `float` for float32 as its errors have it."""
    return (
        types_pb2.DataType.Name(dtype).removeprefix("DT_").lower()
        if dtype in types_pb2.DataType.values()
        else str(dtype)
    )


def read_inputs(protos: Mapping[str, Message], signature: Signature) -> Tensors:
    """The tensors of a request, held against the signature.

    Raises:
        RequestError: an input is missing, unknown, of another type or shape, or holds more or fewer values than its shape says.
    """
    check_names(set(protos), set(signature.inputs))
    return {name: read_tensor(name, protos[name], spec) for name, spec in signature.inputs.items()}


def check_names(sent: set[str], wanted: set[str]) -> None:
    if len(sent) != len(wanted):
        given, needed, extra, missing = (
            ",".join(sorted(names)) for names in (sent, wanted, sent - wanted, wanted - sent)
        )
        raise invalid(
            f"input size does not match signature: {len(sent)}!={len(wanted)} len({{{given}}}) != len({{{needed}}}). "
            f"Sent extra: {{{extra}}}. Missing but required: {{{missing}}}."
        )
    for name in sorted(sent - wanted):
        names = ",".join(sorted(wanted))
        raise invalid(
            f"input tensor alias not found in signature: {name}. Inputs expected to be in the set {{{names}}}."
        )


def read_tensor(name: str, proto: Message, spec: TensorSpec) -> np.ndarray:
    """One tensor. Fewer values than its shape says are filled up with the last one, as TensorFlow does, within reason."""
    got = type_name(proto.dtype)
    if got != spec.dtype:
        raise invalid(f"input {name}: expected type {spec.dtype}, got {got}")
    shape = [axis.size for axis in proto.tensor_shape.dim]
    spec.check(name, shape)
    values, size = read_values(name, proto, spec.dtype), math.prod(shape)
    if 0 < len(values) < size <= MOST_FILLED:
        values = np.concatenate([values, np.full(size - len(values), values[-1], values.dtype)])
    if len(values) != size:
        raise invalid(
            f"input {name}: expected {size} values for the shape {print_shape(shape)}, got {len(values)}"
        )
    return values.reshape(shape)


def read_values(name: str, proto: Message, dtype: str) -> np.ndarray:
    """All values in one line, from the bytes or from the field of the type."""
    numpy_type = np.dtype(NUMPY_TYPES[dtype])
    if not proto.tensor_content:
        return array_of(list(getattr(proto, FIELDS[numpy_type.name][1])), dtype)
    if dtype == "string" or len(proto.tensor_content) % numpy_type.itemsize:
        raise invalid(f"input {name}: expected tensor_content to hold values of type {dtype}")
    return np.frombuffer(proto.tensor_content, numpy_type)


def write_tensor(array: np.ndarray) -> tensor_pb2.TensorProto:
    """A message of an array; strings are bytes in an array of dtype object."""
    dtype, field = FIELDS[array.dtype.name]
    proto = tensor_pb2.TensorProto(dtype=dtype)
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    getattr(proto, field).extend(array.ravel().tolist())
    return proto
