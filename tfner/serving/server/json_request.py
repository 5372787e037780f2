"""Read the body of a predict request: row format (`instances`) or column format (`inputs`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from tfner.serving.server.json_tensors import failed_element, is_base64, quote, stack_of, tensor_of
from tfner.serving.server.request_error import RequestError, invalid
from tfner.serving.server.signature import DEFAULT_SIGNATURE, ServedSignature, Tensors

NEEDS_NAMES = "required as per tensorinfo_map"


class PredictCall(NamedTuple):
    """Hold what a body asks: a signature, its inputs, and whether the answer is wanted by row."""

    signature: str
    inputs: Tensors
    by_row: bool


def decode_predict(body: bytes, signatures: Mapping[str, ServedSignature]) -> PredictCall:
    """Read a body, and hold it against the signature that it names.

    Raises:
        RequestError: it is no JSON, or not of a form that one of `signatures` takes.
    """
    document = parse(body)
    name = read_signature_name(document)
    if name not in signatures:
        raise invalid(f'Serving signature name: "{name}" not found in signature def')
    signature = signatures[name]
    by_row = "instances" in document
    if by_row and "inputs" in document:
        # The server's own sentence, with the blank at its end.
        expected = "expecting only one of 'inputs' or 'instances' keys to exist "
        raise malformed(document, f"Not formatted correctly {expected}")
    if by_row:
        inputs = from_rows(document, signature)
    elif "inputs" in document:
        inputs = from_columns(document["inputs"], signature)
    else:
        raise invalid("Missing 'inputs' or 'instances' key")
    for input_name, spec in signature.inputs.items():
        shape = inputs[input_name].shape
        spec.check(input_name, shape)
    return PredictCall(name, inputs, by_row)


def parse(body: bytes) -> dict[str, Any]:
    """Read the JSON object of a body; `NaN` and `Infinity` are taken, as the server takes them.

    Raises:
        RequestError: it is no JSON, or no object.
    """
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    try:
        document = json.loads(body.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise invalid(f"JSON Parse error: {error.msg} at offset: {error.pos}") from None
    except UnicodeDecodeError as error:
        where = f"Invalid encoding in string. at offset: {error.start}"
        raise invalid(f"JSON Parse error: {where}") from None
    except RecursionError:
        raise invalid("JSON Parse error: nested too deeply") from None
    except ValueError as error:  # a whole number of thousands of digits
        raise invalid(f"JSON Parse error: {error}") from None
    if not isinstance(document, dict):
        raise malformed(document, "Is not object")
    return document


def read_signature_name(document: dict[str, Any]) -> str:
    """Find the signature that a body names; none, or "", means the default.

    Raises:
        RequestError: the name is no string.
    """
    name = document.get("signature_name", DEFAULT_SIGNATURE)
    if not isinstance(name, str):
        wanted = "'signature_name' key must be a string value."
        raise malformed(document, f"not formatted correctly. {wanted}")
    return name or DEFAULT_SIGNATURE


def malformed(value: Any, message: str) -> RequestError:
    """Make an error that quotes the value."""
    return invalid(f"JSON Value: {quote(value)} {message}")


def from_rows(document: dict[str, Any], signature: ServedSignature) -> Tensors:
    """Read `instances`: a list of rows, each a value where there is one input, else an object.

    >>> from tfner.serving.server.signature import TensorSpec
    >>> words = ServedSignature({"words": TensorSpec("string", (-1, -1))}, {})
    >>> from_rows({"instances": [["Anna", "left"], ["Bo", ""]]}, words)["words"].tolist()
    [[b'Anna', b'left'], [b'Bo', b'']]
    >>> from_rows({"instances": [{"words": ["Anna"]}, {"words": ["Bo"]}]}, words)["words"].shape
    (2, 1)

    Raises:
        RequestError: rows are of mixed forms or shapes, or inputs are missing.
    """
    instances = document["instances"]
    if type(instances) is not list:
        # The server's own spelling.
        raise malformed(document, "Excepting 'instances' to be an list/array")
    if not instances:
        raise malformed(document, "No values in 'instances' array")
    if is_named(instances[0]):
        return from_objects(instances, signature)
    if len(signature.inputs) > 1:
        wanted = "expecting list of objects as multiple input tensors"
        raise invalid(f"instances is a plain list, but {wanted} {NEEDS_NAMES}")
    for index, instance in enumerate(instances):
        if is_named(instance):
            raise invalid(f"Expecting value/list but got object at item {index} of input list")
    ((name, spec),) = signature.inputs.items()
    return {name: stack_of(instances, spec.dtype)}


def is_named(value: Any) -> bool:
    """Tell an object of named inputs from an encoded value."""
    return type(value) is dict and not is_base64(value)


def from_objects(instances: list[Any], signature: ServedSignature) -> Tensors:
    """Turn rows into columns: [{input: value}, …] -> {input: [value, …]}.

    Raises:
        RequestError: a row is no object, or has not exactly the inputs of the signature.
    """
    for index, instance in enumerate(instances):
        if not is_named(instance):
            raise invalid(f"Expecting object but got list at item {index} of input list")
        check_keys(index, instance, signature)
    columns = {}
    for name, spec in signature.inputs.items():
        values = [row[name] for row in instances]
        columns[name] = stack_of(values, spec.dtype, name)
    return columns


def check_keys(index: int, instance: dict[str, Any], signature: ServedSignature) -> None:
    """Hold one row to have all inputs and nothing else.

    Raises:
        RequestError: it has not.
    """
    if instance.keys() == signature.inputs.keys():
        return
    for name in instance:
        if name not in signature.inputs:
            raise failed_element(index, name, f"JSON object: does not have named input: {name}")
    names = ",".join(sorted(signature.inputs))
    mismatch = f"JSON object: {quote(instance)} keys must be equal to: {names}"
    raise invalid(f"Failed to process element: {index} of 'instances' list. {mismatch}")


def from_columns(columns: Any, signature: ServedSignature) -> Tensors:
    """Read `inputs`: an object with a tensor for each input, or the only input's tensor alone.

    >>> from tfner.serving.server.signature import TensorSpec
    >>> text = ServedSignature({"text": TensorSpec("string", (-1,))}, {})
    >>> from_columns(["Anna", "Bo"], text)["text"].tolist()
    [b'Anna', b'Bo']

    Raises:
        RequestError: an input is missing, or no tensor of its type.
    """
    if not is_named(columns):
        if len(signature.inputs) > 1:
            wanted = "expecting an object as multiple input tensors"
            raise invalid(f"inputs is a plain value/list, but {wanted} {NEEDS_NAMES}")
        columns = dict.fromkeys(signature.inputs, columns)
    for name in signature.inputs:
        if name not in columns:
            raise invalid(f"Missing named input: {name} in 'inputs' object.")
    return {name: tensor_of(columns[name], spec.dtype) for name, spec in signature.inputs.items()}
