"""Read the tensors of a gRPC request, held to the signature."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from google.protobuf.message import Message

from tfner.serving.server.request_error import invalid
from tfner.serving.server.signature import ServedSignature, Tensors, TensorSpec
from tfner.serving.tensor_messages import read_tensor, type_name


def read_inputs(protos: Mapping[str, Message], signature: ServedSignature) -> Tensors:
    """Read the tensors of a request.

    Raises:
        RequestError: an input is missing, unknown, of another type or shape, or holds more or
            fewer values than its shape says.
    """
    check_names(set(protos), set(signature.inputs))
    return {name: read_input(name, protos[name], spec) for name, spec in signature.inputs.items()}


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


def read_input(name: str, proto: Message, spec: TensorSpec) -> np.ndarray:
    """Read one tensor.

    Raises:
        RequestError: it is of another type or shape, or the number of its values is another.
    """
    got = type_name(proto.dtype)
    if got != spec.dtype:
        raise invalid(f"input {name}: expected type {spec.dtype}, got {got}")
    spec.check(name, [axis.size for axis in proto.tensor_shape.dim])
    try:
        return read_tensor(proto)
    except ValueError as error:
        raise invalid(f"input {name}: {error}") from None
