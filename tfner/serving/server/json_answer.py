"""The answer to a predict request as JSON: by row (`predictions`) or by column (`outputs`)."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np

from tfner.serving.server.request_error import invalid
from tfner.serving.server.signature import Tensors

write_json = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), check_circular=False
).encode


def encode_answer(answer: Tensors, *, by_row: bool) -> bytes:
    """The body of the answer; a single output stands without its name.

    Raises:
        RequestError: by row, and the outputs differ in their first dimension or have none.
    """
    if by_row:
        check_rows(answer)
    columns = {name: plain(name, tensor) for name, tensor in answer.items()}
    if not by_row:
        return write_json(
            {"outputs": columns if len(columns) > 1 else next(iter(columns.values()))}
        ).encode()
    if len(columns) == 1:
        return write_json({"predictions": next(iter(columns.values()))}).encode()
    names = tuple(columns)
    return write_json(
        {
            "predictions": [
                dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)
            ]
        }
    ).encode()


def check_rows(answer: Tensors) -> None:
    rows = None
    for name, tensor in answer.items():
        if not tensor.ndim:
            raise invalid(f"Tensor name: {name} has no shape information ")
        if rows not in (None, len(tensor)):
            raise invalid(
                f"Tensor name: {name} has inconsistent batch size: {len(tensor)} expecting: {rows}"
            )
        rows = len(tensor)


def plain(name: str, tensor: np.ndarray) -> Any:
    """Nested lists of what JSON holds."""
    if tensor.dtype == object:
        write = write_base64 if name.endswith("_bytes") else write_text
        return array_like([write(value) for value in tensor.ravel().tolist()], tensor.shape)
    if tensor.dtype == np.float32:
        return short_decimals(tensor).tolist()
    return tensor.tolist()


def write_text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def write_base64(value: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(value).decode("ascii")}


def array_like(values: list[Any], shape: tuple[int, ...]) -> Any:
    array = np.empty(len(values), object)
    array[:] = values
    return array.reshape(shape).tolist()


def short_decimals(values: np.ndarray) -> np.ndarray:
    """float64 that print with the fewest digits that give the float32 back: 0.2 and not 0.20000000298023224."""
    return values.astype(str).astype(np.float64)
