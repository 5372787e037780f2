"""Nested JSON lists to tensors. The sentences of its errors are tensorflow_model_server's."""

from __future__ import annotations

import base64
import binascii
import json
from itertools import chain
from typing import Any

import numpy as np

from tfner.serving.server.request_error import invalid
from tfner.serving.server.signature import print_shape

DEEPEST = 16  # lists in lists; no tensor of ours has more than three dimensions
LONGEST_QUOTE = 200  # characters of a value in an error
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
NUMPY_TYPES: dict[str, Any] = {
    **{name: np.dtype(name) for name in INTEGERS}, "float": np.float32, "double": np.float64, "bool": np.bool_, "string": object,
}  # fmt: skip
JSON_TYPES = {
    type(None): "Null",
    dict: "Object",
    list: "Array",
    str: "String",
    int: "Number",
    float: "Number",
}


def tensor_of(value: Any, dtype: str) -> np.ndarray:
    """One tensor from a value or nested lists of them.

    Raises:
        RequestError: the lists are ragged or too deep, or a value is of another type.
    """
    shape, values = dense(value, dtype)
    return array_of(values, dtype).reshape(shape)


def stack_of(items: list[Any], dtype: str, key: str = "") -> np.ndarray:
    """One tensor from `items`, each a tensor of the same shape; `key` names the input in errors, where the client named it.

    Raises:
        RequestError: an item is no tensor or differs in shape from the first.
    """
    first: list[int] = []
    values: list[Any] = []
    for index, item in enumerate(items):
        try:
            shape, found = dense(item, dtype)
            if index == 0:
                first = shape
            elif shape != first:
                raise invalid(f"Expecting shape {print_shape(first)} but got: {print_shape(shape)}")
        except Exception as error:
            raise failed_element(index, key, error) from None
        values += found
    return array_of(values, dtype).reshape([len(items), *first])


def failed_element(index: int, key: str, error: object) -> Exception:
    """An error of one of the instances."""
    named = f" key: {key}" if key else ""
    return invalid(
        f"Failed to process element: {index}{named} of 'instances' list. Error: INVALID_ARGUMENT: {error}"
    )


def array_of(values: list[Any], dtype: str) -> np.ndarray:
    array = np.empty(len(values), NUMPY_TYPES[dtype])
    array[:] = values
    return array


def dense(value: Any, dtype: str) -> tuple[list[int], list[Any]]:
    """Shape and values, row by row, of nested lists; without recursion, however deep they are."""
    if type(value) is not list:
        return [], [convert(value, dtype)]
    shape = first_shape(value)
    level = [value]
    for depth, size in enumerate(shape):
        for item in level:
            if type(item) is not list:
                raise invalid(
                    f"JSON Value: {quote(item)} found at incorrect level: {depth + 1} in the JSON DOM. Expected at level: {len(shape)}"
                )
            if len(item) != size:
                raise invalid(
                    f"Encountered list at unexpected size: {len(item)} at level: {depth} expected size: {size}"
                )
        level = list(chain.from_iterable(level))
    if any(type(item) is list for item in level):
        raise invalid(f"Encountered list at unexpected level: {len(shape)} expected < {len(shape)}")
    return shape, [convert(item, dtype) for item in level]


def first_shape(value: Any) -> list[int]:
    """The sizes of the first list at every depth."""
    shape = []
    while type(value) is list:
        shape.append(len(value))
        if len(shape) > DEEPEST:
            raise invalid(f"Encountered list at unexpected level: {DEEPEST} expected < {DEEPEST}")
        value = value[0] if value else None
    return shape


def convert(value: Any, dtype: str) -> Any:
    """One value as the tensor holds it."""
    if dtype == "string":
        if type(value) is str:
            return encode(value)
        if type(value) is dict:
            return decode_base64(value)
    elif dtype in ("float", "double"):
        if type(value) in (int, float):
            return value
    elif dtype == "bool":
        if type(value) is bool:
            return value
    elif dtype in INTEGERS:
        bounds = np.iinfo(dtype)
        if type(value) is int and bounds.min <= value <= bounds.max:
            return value
    else:
        raise invalid(f"Conversion of JSON Value: {quote(value)} to type: {dtype}")
    raise invalid(
        f"JSON Value: {quote(value)} Type: {json_type(value)} is not of expected type: {dtype}"
    )


def encode(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:  # JSON can escape half a surrogate pair, which is no character
        raise invalid("JSON Parse error: The surrogate pair in string is invalid.") from None


def is_base64(value: Any) -> bool:
    return type(value) is dict and len(value) == 1 and type(value.get("b64")) is str


def decode_base64(value: dict[str, Any]) -> bytes:
    """The bytes of `{"b64": "…"}`, padded by `=` or not."""
    if not is_base64(value):
        raise invalid(f"JSON Value: {quote(value)} not formatted correctly for base64 data")
    encoded = value["b64"].rstrip("=")
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise invalid("Unable to base64 decode") from None


def json_type(value: Any) -> str:
    """RapidJSON's name of a value's type."""
    return str(value) if type(value) is bool else JSON_TYPES[type(value)]


def quote(value: Any) -> str:
    """A value for an error: JSON, cut where it is long or deep."""
    try:
        text = json.dumps(value)
    except RecursionError:
        text = "[…]"
    return text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]}…"
