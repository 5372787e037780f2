"""The body of a predict request: row format (`instances`) or column format (`inputs`), to the tensors of a signature."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from tfner.serving.server.json_tensors import failed_element, is_base64, quote, stack_of, tensor_of
from tfner.serving.server.request_error import RequestError, invalid
from tfner.serving.server.signature import DEFAULT_SIGNATURE, Signature, Tensors


class PredictCall(NamedTuple):
    """What a body asks: the name of a signature, its inputs, and whether the answer is wanted by row."""

    signature: str
    inputs: Tensors
    by_row: bool


def decode_predict(body: bytes, signatures: Mapping[str, Signature]) -> PredictCall:
    """Read a body.

    Raises:
        RequestError: it is no JSON, or not of a form that one of `signatures` takes.
    """
    document = parse(body)
    name = document.get("signature_name", DEFAULT_SIGNATURE)
    if not isinstance(name, str):
        raise malformed(
            document, "not formatted correctly. 'signature_name' key must be a string value."
        )
    name = name or DEFAULT_SIGNATURE
    if name not in signatures:
        raise invalid(f'Serving signature name: "{name}" not found in signature def')
    signature = signatures[name]
    by_row = "instances" in document
    if by_row and "inputs" in document:
        raise malformed(
            document,
            "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist ",
        )
    if by_row:
        inputs = from_rows(document, signature)
    elif "inputs" in document:
        inputs = from_columns(document["inputs"], signature)
    else:
        raise invalid("Missing 'inputs' or 'instances' key")
    for input_name, spec in signature.inputs.items():
        spec.check(input_name, inputs[input_name].shape)
    return PredictCall(name, inputs, by_row)


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object of a body; `NaN` and `Infinity` are taken, as the server takes them."""
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    try:
        document = json.loads(body.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise invalid(f"JSON Parse error: {error.msg} at offset: {error.pos}") from None
    except UnicodeDecodeError as error:
        raise invalid(
            f"JSON Parse error: Invalid encoding in string. at offset: {error.start}"
        ) from None
    except RecursionError:
        raise invalid("JSON Parse error: nested too deeply") from None
    except ValueError as error:  # a whole number of thousands of digits
        raise invalid(f"JSON Parse error: {error}") from None
    if not isinstance(document, dict):
        raise malformed(document, "Is not object")
    return document


def malformed(value: Any, message: str) -> RequestError:
    return invalid(f"JSON Value: {quote(value)} {message}")


def from_rows(document: dict[str, Any], signature: Signature) -> Tensors:
    """`instances`: a list with an item for each row, which is a value where there is one input, else an object."""
    instances = document["instances"]
    if type(instances) is not list:
        raise malformed(
            document, "Excepting 'instances' to be an list/array"
        )  # the server's own spelling
    if not instances:
        raise malformed(document, "No values in 'instances' array")
    if is_named(instances[0]):
        return from_objects(instances, signature)
    if len(signature.inputs) > 1:
        raise invalid(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per tensorinfo_map"
        )
    for index, instance in enumerate(instances):
        if is_named(instance):
            raise invalid(f"Expecting value/list but got object at item {index} of input list")
    ((name, spec),) = signature.inputs.items()
    return {name: stack_of(instances, spec.dtype)}


def is_named(value: Any) -> bool:
    """An object of named inputs, which an encoded value is not."""
    return type(value) is dict and not is_base64(value)


def from_objects(instances: list[Any], signature: Signature) -> Tensors:
    for index, instance in enumerate(instances):
        if not is_named(instance):
            raise invalid(f"Expecting object but got list at item {index} of input list")
        check_keys(index, instance, signature)
    return {
        name: stack_of([row[name] for row in instances], spec.dtype, name)
        for name, spec in signature.inputs.items()
    }


def check_keys(index: int, instance: dict[str, Any], signature: Signature) -> None:
    """Each object has all inputs and nothing else."""
    if instance.keys() == signature.inputs.keys():
        return
    for name in instance:
        if name not in signature.inputs:
            raise failed_element(index, name, f"JSON object: does not have named input: {name}")
    names = ",".join(sorted(signature.inputs))
    raise invalid(
        f"Failed to process element: {index} of 'instances' list. JSON object: {quote(instance)} keys must be equal to: {names}"
    )


def from_columns(columns: Any, signature: Signature) -> Tensors:
    """`inputs`: an object with a tensor for each input, or the tensor alone where there is one input."""
    if not is_named(columns):
        if len(signature.inputs) > 1:
            raise invalid(
                "inputs is a plain value/list, but expecting an object as multiple input tensors required as per tensorinfo_map"
            )
        columns = dict.fromkeys(signature.inputs, columns)
    for name in signature.inputs:
        if name not in columns:
            raise invalid(f"Missing named input: {name} in 'inputs' object.")
    return {name: tensor_of(columns[name], spec.dtype) for name, spec in signature.inputs.items()}
