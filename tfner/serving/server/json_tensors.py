"""Read nested JSON lists as tensors. The sentences of errors are tensorflow_model_server's."""

from __future__ import annotations

import base64
import binascii
import json
from itertools import chain
from typing import Any

import numpy as np

from tfner.serving.server.request_error import RequestError, invalid
from tfner.serving.tensor_types import INTEGERS, array_of, print_shape

DEEPEST = 16  # lists in lists; no tensor of ours has more than three dimensions
LONGEST_QUOTE = 200  # characters of a value in an error
JSON_TYPES = {type(None): "Null", dict: "Object", list: "Array", str: "String", int: "Number"}
JSON_TYPES[float] = "Number"


def tensor_of(value: Any, dtype: str) -> np.ndarray:
    """Make one tensor from a value or nested lists of them.

    >>> tensor_of([["Anna", "left"], ["Bo", ""]], "string").shape
    (2, 2)

    Raises:
        RequestError: the lists are ragged or too deep, or a value is of another type.
    """
    shape, values = flatten(value, dtype)
    return array_of(values, dtype).reshape(shape)


def stack_of(items: list[Any], dtype: str, key: str = "") -> np.ndarray:
    """Make one tensor from `items`, each a tensor of the same shape.

    `key` names the input in errors, where the client named it.

    >>> stack_of([[1, 2], [3, 4]], "int32").tolist()
    [[1, 2], [3, 4]]

    Raises:
        RequestError: an item is no tensor or differs in shape from the first.
    """
    first: list[int] = []
    values: list[Any] = []
    for index, item in enumerate(items):
        try:
            shape, found = flatten(item, dtype)
            if index == 0:
                first = shape
            elif shape != first:
                wanted = print_shape(first)
                got = print_shape(shape)
                raise invalid(f"Expecting shape {wanted} but got: {got}")
        except RequestError as error:
            raise failed_element(index, key, error) from None
        values += found
    return array_of(values, dtype).reshape([len(items), *first])


def failed_element(index: int, key: str, error: object) -> RequestError:
    """Make the error of one of the instances."""
    named = f" key: {key}" if key else ""
    element = f"Failed to process element: {index}{named} of 'instances' list."
    return invalid(f"{element} Error: INVALID_ARGUMENT: {error}")


def flatten(value: Any, dtype: str) -> tuple[list[int], list[Any]]:
    """Read shape and values, row by row, of nested lists; without recursion, however deep.

    >>> flatten([["Anna", "left"], ["Bo", ""]], "string")
    ([2, 2], [b'Anna', b'left', b'Bo', b''])
    >>> flatten(7, "int32")
    ([], [7])

    Raises:
        RequestError: the lists are ragged or too deep, or a value is of another type.
    """
    if type(value) is not list:
        return [], [convert(value, dtype)]
    shape = first_shape(value)
    depth = len(shape)
    level = [value]
    for index, size in enumerate(shape):
        for item in level:
            check_list(item, index, size, depth)
        level = list(chain.from_iterable(level))
    if any(type(item) is list for item in level):
        raise invalid(f"Encountered list at unexpected level: {depth} expected < {depth}")
    return shape, [convert(item, dtype) for item in level]


def check_list(item: Any, level: int, size: int, depth: int) -> None:
    """Hold one item of a level to be a list of this size; `depth` is that of the first list.

    Raises:
        RequestError: it is none, or of another size.
    """
    if type(item) is not list:
        found = f"{quote(item)} found at incorrect level: {level + 1} in the JSON DOM"
        raise invalid(f"JSON Value: {found}. Expected at level: {depth}")
    if len(item) != size:
        found = f"{len(item)} at level: {level} expected size: {size}"
        raise invalid(f"Encountered list at unexpected size: {found}")


def first_shape(value: Any) -> list[int]:
    """List the sizes of the first list at every depth.

    >>> first_shape([[1, 2, 3], [4]])
    [2, 3]
    """
    shape = []
    while type(value) is list:
        shape.append(len(value))
        if len(shape) > DEEPEST:
            raise invalid(f"Encountered list at unexpected level: {DEEPEST} expected < {DEEPEST}")
        value = value[0] if value else None
    return shape


def convert(value: Any, dtype: str) -> Any:
    """Convert one value to what the tensor holds.

    Raises:
        RequestError: it is of another type.
    """
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
    found = f"{quote(value)} Type: {json_type(value)}"
    raise invalid(f"JSON Value: {found} is not of expected type: {dtype}")


def encode(text: str) -> bytes:
    """Encode a text as UTF-8.

    Raises:
        RequestError: JSON has escaped half a surrogate pair in it, which is no character.
    """
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise invalid("JSON Parse error: The surrogate pair in string is invalid.") from None


def is_base64(value: Any) -> bool:
    """Tell whether a value is `{"b64": "…"}`."""
    return type(value) is dict and len(value) == 1 and type(value.get("b64")) is str


def decode_base64(value: dict[str, Any]) -> bytes:
    """Decode the bytes of `{"b64": "…"}`, filled up by `=` or not.

    Raises:
        RequestError: it has another form, or is no base64.
    """
    if not is_base64(value):
        raise invalid(f"JSON Value: {quote(value)} not formatted correctly for base64 data")
    encoded = value["b64"].rstrip("=")
    filled = encoded + "=" * (-len(encoded) % 4)
    try:
        return base64.b64decode(filled, validate=True)
    except (binascii.Error, ValueError):
        raise invalid("Unable to base64 decode") from None


def json_type(value: Any) -> str:
    """Name a value's type as RapidJSON does."""
    return str(value) if type(value) is bool else JSON_TYPES[type(value)]


def quote(value: Any) -> str:
    """Write a value for an error: JSON, cut where it is long or deep."""
    try:
        text = json.dumps(value)
    except RecursionError:
        text = "[…]"
    if len(text) > LONGEST_QUOTE:
        text = f"{text[:LONGEST_QUOTE]}…"
    return text
