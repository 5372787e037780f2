"""Load one version of a model: its signatures, and what answers them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import json_format
from google.protobuf.message import DecodeError

from tfner.exceptions import ModelError
from tfner.quiet_tensorflow import load_tensorflow_once
from tfner.safeio.bounded import read_at_most
from tfner.serving.export.graph_guard import GRAPH, LARGEST_GRAPH, SERVE, check_files
from tfner.serving.export.layout import WARM_UP
from tfner.serving.export.tf_records import DamagedRecordError, read_records
from tfner.serving.messages import meta_graph_pb2, prediction_log_pb2, saved_model_pb2
from tfner.serving.runtime.choice import Runtime, Threads, tries_c_api
from tfner.serving.runtime.saved_model import check_version, open_over_c_api
from tfner.serving.server.c_runner import CRunner
from tfner.serving.server.grpc_request import read_inputs
from tfner.serving.server.model_versions import Runner, Servable
from tfner.serving.server.request_error import RequestError
from tfner.serving.server.signature import (
    DEFAULT_SIGNATURE,
    ServedSignature,
    Tensors,
    TensorSpec,
    find_signature,
)
from tfner.serving.tensor_messages import type_name

logger = logging.getLogger(__name__)
WARM_UP_ERRORS = (OSError, DamagedRecordError, DecodeError, RequestError)
Definitions = Mapping[str, meta_graph_pb2.SignatureDef]
Signatures = Mapping[str, ServedSignature]


def load_servable(folder: Path, version: int, runtime: Runtime = "auto") -> Servable:
    """Load a SavedModel and run its warm-up requests, so that it answers at once.

    Any SavedModel with signatures will do. Exports of tfner's are run over TensorFlow's C API where
    that can be done, others in TensorFlow's Python.

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
    runner = open_runner(folder, runtime)
    try:
        for name, inputs in warm_up_requests(folder, signatures):
            runner.run(name, inputs)
    except WARM_UP_ERRORS as error:
        runner.close()
        raise ModelError(f"{folder}: cannot be loaded: {error}") from None
    return Servable(version, signatures, definitions, runner.run, runner.close)


def open_runner(folder: Path, runtime: Runtime) -> Runner:
    """Open what answers the signatures of a version.

    Raises:
        ModelError: it cannot be loaded.
    """
    model = open_export(folder, runtime) if tries_c_api(runtime) else None
    if model is not None:
        return CRunner(model)
    load_tensorflow_once()
    from tfner.serving.server.tensorflow_runner import load_runner

    return load_runner(folder)


def open_export(folder: Path, runtime: Runtime) -> Any:
    """Open an export of tfner's over the C API; where it is none, or that fails, give None.

    Raises:
        ModelError: so it is, and `runtime` is `c`.
    """
    try:
        _card, ops = check_version(folder)
    except ModelError as error:
        if runtime == "c":
            raise
        logger.warning("not run over the C API, but in TensorFlow: %s", error)
        return None
    return open_over_c_api(folder, ops, runtime, Threads())


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
        for record in read_records(folder / WARM_UP):
            yield recorded_request(record, signatures)
    elif default and list(default.inputs.values()) == [TensorSpec("string", (-1,))]:
        (name,) = default.inputs
        yield DEFAULT_SIGNATURE, {name: np.array([b"warm up"], object)}


def recorded_request(record: bytes, signatures: Signatures) -> tuple[str, Tensors]:
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
