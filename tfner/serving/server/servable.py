"""Load one version of a model with TensorFlow: its signatures, and a function that answers them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2
from tensorflow_serving.apis import prediction_log_pb2

from tfner.exceptions import ModelError
from tfner.safeio.bounded import read_at_most
from tfner.serving.export.graph_guard import GRAPH, LARGEST_GRAPH, SERVE, check_files
from tfner.serving.export.layout import WARM_UP
from tfner.serving.runtime.graph_errors import node_message
from tfner.serving.server.model_versions import Servable
from tfner.serving.server.proto_tensors import read_inputs, type_name
from tfner.serving.server.request_error import Code, RequestError
from tfner.serving.server.signature import (
    DEFAULT_SIGNATURE,
    ServedSignature,
    Tensors,
    TensorSpec,
    find_signature,
)
from tfner.tokenizers.text_ops import load_text_ops

LOADING_ERRORS = (OSError, KeyError, ValueError, tf.errors.OpError, RequestError)
CODES: dict[int, Code] = {
    tf.errors.INVALID_ARGUMENT: "INVALID_ARGUMENT",
    tf.errors.OUT_OF_RANGE: "INVALID_ARGUMENT",
    tf.errors.FAILED_PRECONDITION: "FAILED_PRECONDITION",
    tf.errors.UNIMPLEMENTED: "UNIMPLEMENTED",
}
Definitions = Mapping[str, meta_graph_pb2.SignatureDef]
Signatures = Mapping[str, ServedSignature]


def load_servable(folder: Path, version: int) -> Servable:
    """Load a SavedModel and run its warm-up requests, so that it answers at once.

    Any SavedModel with signatures will do.

    Raises:
        ModelError: it cannot be loaded, or a warm-up request fails, which keeps
            tensorflow_model_server from loading it too.
    """
    check_files(folder)
    definitions = read_definitions(folder)
    signatures = {}
    for name, definition in definitions.items():
        if definition.method_name:  # the initializer has none
            signatures[name] = read_signature(definition)
    load_text_ops()
    try:
        run = Runner(tf.saved_model.load(str(folder)))
        for name, inputs in warm_up_requests(folder, signatures):
            run(name, inputs)
    except LOADING_ERRORS as error:
        raise ModelError(f"{folder}: cannot be loaded: {error}") from None
    return Servable(version, signatures, definitions, run)


class Runner:
    """Call the signatures of a loaded model; several threads may."""

    def __init__(self, model: Any):
        self._model = model  # functions hold the object they belong to only weakly
        self._functions = dict(model.signatures)

    def __call__(self, signature: str, inputs: Tensors) -> Tensors:
        constants = {name: tf.constant(value) for name, value in inputs.items()}
        try:
            outputs = self._functions[signature](**constants)
            return {name: outputs[name].numpy() for name in sorted(outputs)}
        except tf.errors.OpError as error:
            code = CODES.get(error.error_code, "INTERNAL")
            raise RequestError(code, node_message(error.message or str(error))) from None


def read_definitions(folder: Path) -> dict[str, meta_graph_pb2.SignatureDef]:
    """Read the signatures in a SavedModel's own words.

    Raises:
        ModelError: it is no SavedModel, or has no graph for servers.
    """
    try:
        content = read_at_most(folder / GRAPH, LARGEST_GRAPH)
        saved_model = saved_model_pb2.SavedModel.FromString(content)
    except (OSError, DecodeError) as error:
        raise ModelError(f"{folder}: cannot be read as a SavedModel: {error}") from None
    for graph in saved_model.meta_graphs:
        if SERVE in graph.meta_info_def.tags:
            return dict(sorted(graph.signature_def.items()))
    raise ModelError(f"{folder}: expected a graph with the tag {SERVE!r}, found none")


def read_signature(definition: meta_graph_pb2.SignatureDef) -> ServedSignature:
    """Read a signature as plain values."""
    inputs = read_specs(definition.inputs)
    outputs = read_specs(definition.outputs)
    return ServedSignature(inputs, outputs, definition.method_name)


def read_specs(tensors: Mapping[str, meta_graph_pb2.TensorInfo]) -> dict[str, TensorSpec]:
    """Read types and shapes, by the names of inputs or outputs in alphabetical order."""
    specs = {}
    for name, tensor in sorted(tensors.items()):
        sizes = tuple(axis.size for axis in tensor.tensor_shape.dim)
        shape = None if tensor.tensor_shape.unknown_rank else sizes
        specs[name] = TensorSpec(type_name(tensor.dtype), shape)
    return specs


def warm_up_requests(folder: Path, signatures: Signatures) -> Iterator[tuple[str, Tensors]]:
    """Give the recorded requests of an export as (signature, inputs).

    Where it has none, one text will do, since the first call of a graph takes long.
    """
    default = signatures.get(DEFAULT_SIGNATURE)
    if (folder / WARM_UP).is_file():
        records = tf.data.TFRecordDataset(str(folder / WARM_UP))
        for record in records.as_numpy_iterator():
            yield recorded_request(record, signatures)
    elif default and list(default.inputs.values()) == [TensorSpec("string", (-1,))]:
        (name,) = default.inputs
        yield DEFAULT_SIGNATURE, {name: np.array([b"warm up"], object)}


def recorded_request(record: Any, signatures: Signatures) -> tuple[str, Tensors]:
    """Read the request in one record of the file, a serialized PredictionLog."""
    request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
    name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    signature = find_signature(signatures, name)
    return name, read_inputs(request.inputs, signature)


def definitions_to_json(definitions: Definitions) -> dict[str, Any]:
    """Write the signatures as `/metadata` lists them."""
    written = {}
    for name, definition in definitions.items():
        written[name] = json_format.MessageToDict(
            definition, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )
    return written
