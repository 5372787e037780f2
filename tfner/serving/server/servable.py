"""One version of a model as TensorFlow runs it: its signatures, and a function that answers them."""

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
from tfner.serving.server.model_versions import Servable
from tfner.serving.server.proto_tensors import read_inputs, type_name
from tfner.serving.server.request_error import Code, RequestError
from tfner.serving.server.signature import (
    DEFAULT_SIGNATURE,
    Signature,
    Tensors,
    TensorSpec,
    find_signature,
)
from tfner.tokenizers.text_ops import load_text_ops

LONGEST_MESSAGE = 500  # characters
CODES: dict[int, Code] = {
    tf.errors.INVALID_ARGUMENT: "INVALID_ARGUMENT",
    tf.errors.OUT_OF_RANGE: "INVALID_ARGUMENT",
    tf.errors.FAILED_PRECONDITION: "FAILED_PRECONDITION",
    tf.errors.UNIMPLEMENTED: "UNIMPLEMENTED",
}


def load_servable(folder: Path, version: int) -> Servable:
    """Load a SavedModel and run its warm-up requests, so that it answers at once; any SavedModel with signatures will do.

    Raises:
        ModelError: it cannot be loaded, or a warm-up request fails, which keeps tensorflow_model_server from loading it too.
    """
    check_files(folder)
    definitions = read_definitions(folder)
    signatures = {
        name: read_signature(each) for name, each in definitions.items() if each.method_name
    }  # the initializer has none
    load_text_ops()
    try:
        runner = Runner(tf.saved_model.load(str(folder)))
        servable = Servable(version, signatures, definitions, runner)
        for name, inputs in warm_up_requests(folder, servable.signatures):
            runner(name, inputs)
    except (OSError, KeyError, ValueError, tf.errors.OpError, RequestError) as error:
        raise ModelError(f"{folder}: cannot be loaded: {error}") from None
    return servable


class Runner:
    """Calls the signatures of a loaded model; may be called from several threads."""

    def __init__(self, model: Any):
        self._model = model  # functions hold the object they belong to only weakly
        self._functions = dict(model.signatures)

    def __call__(self, signature: str, inputs: Tensors) -> Tensors:
        try:
            outputs = self._functions[signature](
                **{name: tf.constant(value) for name, value in inputs.items()}
            )
            return {name: outputs[name].numpy() for name in sorted(outputs)}
        except tf.errors.OpError as error:
            raise RequestError(
                CODES.get(error.error_code, "INTERNAL"), reason_of(error.message or str(error))
            ) from None


def reason_of(message: str) -> str:
    """What a node of a graph said, without where the graph was defined (before it) and which node it was (behind it)."""
    return (
        message.partition("\n\t [[{{")[0]
        .rpartition("<stack traces unavailable>\n")[2]
        .strip()[:LONGEST_MESSAGE]
    )


def read_definitions(folder: Path) -> dict[str, meta_graph_pb2.SignatureDef]:
    """The signatures in a SavedModel's own words."""
    try:
        graphs = saved_model_pb2.SavedModel.FromString(
            read_at_most(folder / GRAPH, LARGEST_GRAPH)
        ).meta_graphs
    except (OSError, DecodeError) as error:
        raise ModelError(f"{folder}: cannot be read as a SavedModel: {error}") from None
    for graph in graphs:
        if SERVE in graph.meta_info_def.tags:
            return dict(sorted(graph.signature_def.items()))
    raise ModelError(f"{folder}: expected a graph with the tag {SERVE!r}, found none")


def read_signature(definition: meta_graph_pb2.SignatureDef) -> Signature:
    return Signature(
        read_specs(definition.inputs), read_specs(definition.outputs), definition.method_name
    )


def read_specs(tensors: Mapping[str, meta_graph_pb2.TensorInfo]) -> dict[str, TensorSpec]:
    return {
        name: TensorSpec(type_name(tensors[name].dtype), read_shape(tensors[name]))
        for name in sorted(tensors)
    }


def read_shape(tensor: meta_graph_pb2.TensorInfo) -> tuple[int, ...] | None:
    shape = tensor.tensor_shape
    return None if shape.unknown_rank else tuple(axis.size for axis in shape.dim)


def warm_up_requests(
    folder: Path, signatures: Mapping[str, Signature]
) -> Iterator[tuple[str, Tensors]]:
    """The recorded requests of an export; where it has none, one text, since the first call of a graph takes long."""
    if (folder / WARM_UP).is_file():
        for record in tf.data.TFRecordDataset(str(folder / WARM_UP)).as_numpy_iterator():
            yield recorded_request(record, signatures)
    elif takes_texts(signatures.get(DEFAULT_SIGNATURE)):
        (name,) = signatures[DEFAULT_SIGNATURE].inputs
        yield DEFAULT_SIGNATURE, {name: np.array([b"warm up"], object)}


def recorded_request(record: Any, signatures: Mapping[str, Signature]) -> tuple[str, Tensors]:
    """The request in one record of the file, a serialized PredictionLog."""
    request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
    name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    return name, read_inputs(request.inputs, find_signature(signatures, name))


def takes_texts(signature: Signature | None) -> bool:
    return signature is not None and list(signature.inputs.values()) == [
        TensorSpec("string", (-1,))
    ]


def describe(definitions: Mapping[str, meta_graph_pb2.SignatureDef]) -> dict[str, Any]:
    """The signatures as `/metadata` lists them."""
    return {
        name: json_format.MessageToDict(
            definition, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )
        for name, definition in definitions.items()
    }
