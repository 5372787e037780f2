"""Write the answer to a predict request as JSON: by row (`predictions`) or column (`outputs`)."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np

from tfner.serving.server.request_error import invalid
from tfner.serving.server.signature import Tensors
from tfner.serving.tensor_types import array_of

ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False)


def encode_answer(answer: Tensors, *, by_row: bool) -> bytes:
    """Write the body of the answer; a single output stands without its name.

    >>> answer = {"score": np.array([[1, 2], [3, 4]], np.int32), "tag": np.array([b"x", b"y"])}
    >>> answer["tag"] = answer["tag"].astype(object)
    >>> encode_answer(answer, by_row=False)
    b'{"outputs":{"score":[[1,2],[3,4]],"tag":["x","y"]}}'
    >>> encode_answer(answer, by_row=True)
    b'{"predictions":[{"score":[1,2],"tag":"x"},{"score":[3,4],"tag":"y"}]}'

    Raises:
        RequestError: by row, and the outputs differ in their first dimension or have none.
    """
    if by_row:
        check_rows(answer)
    columns = {name: plain(name, tensor) for name, tensor in answer.items()}
    values: Any = columns
    if len(columns) == 1:
        (values,) = columns.values()
    elif by_row:
        rows = zip(*columns.values(), strict=True)
        values = [dict(zip(columns, row, strict=True)) for row in rows]
    body = ENCODER.encode({"predictions" if by_row else "outputs": values})
    return body.encode()


def check_rows(answer: Tensors) -> None:
    """Hold the outputs to one first dimension.

    Raises:
        RequestError: they differ in it, or one has none.
    """
    rows = None
    for name, tensor in answer.items():
        if not tensor.ndim:
            raise invalid(f"Tensor name: {name} has no shape information ")
        if rows not in (None, len(tensor)):
            sizes = f"{len(tensor)} expecting: {rows}"
            raise invalid(f"Tensor name: {name} has inconsistent batch size: {sizes}")
        rows = len(tensor)


def plain(name: str, tensor: np.ndarray) -> Any:
    """Give nested lists of values that JSON holds; bytes as base64 where the name says so."""
    if tensor.dtype == object:
        write = write_base64 if name.endswith("_bytes") else write_text
        values = [write(value) for value in tensor.ravel().tolist()]
        return array_of(values, "string").reshape(tensor.shape).tolist()
    if tensor.dtype == np.float32:
        return short_decimals(tensor).tolist()
    return tensor.tolist()


def write_text(value: bytes) -> str:
    """Decode UTF-8; what is none becomes U+FFFD."""
    return value.decode("utf-8", "replace")


def write_base64(value: bytes) -> dict[str, str]:
    """Wrap bytes as TensorFlow Serving does."""
    return {"b64": base64.b64encode(value).decode("ascii")}


def short_decimals(values: np.ndarray) -> np.ndarray:
    """Make float64 that print with the fewest digits which give the float32 back.

    >>> np.float32(0.2).item(), short_decimals(np.array([0.2], np.float32)).tolist()
    (0.20000000298023224, [0.2])
    """
    return values.astype(str).astype(np.float64)
