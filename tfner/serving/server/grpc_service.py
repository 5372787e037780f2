"""Answer PredictionService and ModelService over gRPC, on the event loop of the REST server.

The messages are those of tensorflow-serving-api.
"""

# ruff: noqa: N802 (methods have the names of the services)
from __future__ import annotations

import functools
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from tfner.serving.messages import (
    metadata_pb2,
    model_pb2,
    predict_pb2,
    status_pb2,
    without_tensorflow,
)
from tfner.serving.server.grpc_request import listed, read_inputs
from tfner.serving.server.model_versions import ModelSpec, Servable, VersionStatus
from tfner.serving.server.request_error import UNEXPECTED, RequestError, invalid
from tfner.serving.server.service import Service
from tfner.serving.server.signature import DEFAULT_SIGNATURE, find_signature
from tfner.serving.tensor_messages import write_tensor

with without_tensorflow():
    from tensorflow_serving.apis import model_service_pb2_grpc as model_grpc
    from tensorflow_serving.apis import prediction_service_pb2_grpc as prediction_grpc

logger = logging.getLogger(__name__)
SIGNATURES = "signature_def"  # the one field of the metadata
UNKNOWN_ERROR = 2  # of tensorflow.error.Code
Method = Callable[[Any, Any], Awaitable[Any]]  # (self, request) -> response


def add_services(server: grpc.aio.Server, service: Service) -> None:
    """Let a gRPC server answer for the models."""
    predictions, models = PredictionService(service), ModelService(service)
    prediction_grpc.add_PredictionServiceServicer_to_server(predictions, server)
    model_grpc.add_ModelServiceServicer_to_server(models, server)


def answering(method: Method) -> Callable[[Any, Any, grpc.aio.ServicerContext], Awaitable[Any]]:
    """Turn what a method raises into a status of gRPC's."""

    @functools.wraps(method)
    async def answer(self: Any, request: Any, context: grpc.aio.ServicerContext) -> Any:
        try:
            return await method(self, request)
        except RequestError as error:
            code = grpc.StatusCode[error.code]
            message = str(error)
        except Exception:
            logger.exception("%s failed", method.__name__)
            code = grpc.StatusCode.INTERNAL
            message = UNEXPECTED
        return await context.abort(code, message)

    return answer


class PredictionService(prediction_grpc.PredictionServiceServicer):
    """Answer Predict and GetModelMetadata; other methods are for models of another kind."""

    def __init__(self, service: Service):
        self._service = service

    @answering
    async def Predict(self, request: predict_pb2.PredictRequest) -> predict_pb2.PredictResponse:
        """Give the outputs of a signature, all or those that a filter names."""
        with self._service.request(read_spec(request.model_spec)) as servable:
            name = request.model_spec.signature_name or DEFAULT_SIGNATURE
            signature = find_signature(servable.signatures, name)
            chosen = choose_outputs(list(request.output_filter), set(signature.outputs))
            inputs = read_inputs(request.inputs, signature)
            answer = await self._service.ask(servable, name, inputs)
            spec = write_spec(request.model_spec.name, name, servable)
            response = predict_pb2.PredictResponse(model_spec=spec)
            for key in chosen or answer:
                proto = write_tensor(answer[key])
                response.outputs[key].CopyFrom(proto)
            return response

    @answering
    async def GetModelMetadata(self, request: metadata_pb2.GetModelMetadataRequest) -> Any:
        """Give the signatures of a version."""
        spec = read_spec(request.model_spec)
        if not request.metadata_field:
            raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
        for metadata_field in request.metadata_field:
            if metadata_field != SIGNATURES:
                raise invalid(f"Metadata field {metadata_field} is not supported")
        response = metadata_pb2.GetModelMetadataResponse()
        with self._service.models.hold(spec) as servable:
            signatures = metadata_pb2.SignatureDefMap(signature_def=servable.definitions)
            answered = write_spec(spec.name, "", servable)
        response.model_spec.CopyFrom(answered)
        response.metadata[SIGNATURES].Pack(signatures)
        return response

    @answering
    async def Classify(self, request: Any) -> Any:
        """Refuse: no signature of ours classifies."""
        raise self._refusal(request.model_spec, "classify")

    @answering
    async def Regress(self, request: Any) -> Any:
        """Refuse: no signature of ours regresses."""
        raise self._refusal(request.model_spec, "regress")

    @answering
    async def MultiInference(self, request: Any) -> Any:
        """Refuse, as TensorFlow Serving does where signatures neither classify nor regress."""
        reason = "MultiInference is for signatures that classify or regress"
        raise RequestError("UNIMPLEMENTED", reason)

    def _refusal(self, spec: model_pb2.ModelSpec, method: str) -> RequestError:
        """Make the error of a method for models of another kind."""
        return self._service.refuse(read_spec(spec), method, spec.signature_name)


class ModelService(model_grpc.ModelServiceServicer):
    """Answer GetModelStatus; what is served is said on the command line, not by a request."""

    def __init__(self, service: Service):
        self._service = service

    @answering
    async def GetModelStatus(self, request: status_pb2.GetModelStatusRequest) -> Any:
        """Report how versions do."""
        if not request.HasField("model_spec"):
            raise invalid("Missing ModelSpec")
        spec = read_spec(request.model_spec)
        statuses = self._service.models.status(spec)
        written = map(write_status, statuses)
        return status_pb2.GetModelStatusResponse(model_version_status=written)

    @answering
    async def HandleReloadConfigRequest(self, request: Any) -> Any:
        """Refuse to serve other models than the command line says."""
        raise RequestError("UNIMPLEMENTED", "this server takes its models from its command line")


def read_spec(spec: model_pb2.ModelSpec) -> ModelSpec:
    """Read which model a request names.

    Raises:
        RequestError: it names none.
    """
    if not spec.name:
        raise invalid("ModelSpec has no name specified.")
    version = spec.version.value if spec.HasField("version") else None
    return ModelSpec(spec.name, version, spec.version_label or None)


def write_spec(name: str, signature: str, servable: Servable) -> model_pb2.ModelSpec:
    """Say which version and signature have answered."""
    spec = model_pb2.ModelSpec(name=name, signature_name=signature)
    spec.version.value = servable.version
    return spec


def choose_outputs(wanted: list[str], known: set[str]) -> list[str]:
    """Check the outputs that a filter names; an empty filter means all.

    Raises:
        RequestError: one is unknown, or is named twice.
    """
    for index, name in enumerate(wanted):
        if name not in known:
            expected = f"Outputs expected to be in the set {listed(known)}."
            raise invalid(f"output tensor alias not found in signature: {name} {expected}")
        if name in wanted[:index]:
            raise invalid(f"duplicate output tensor alias: {name}")
    return wanted


def write_status(status: VersionStatus) -> status_pb2.ModelVersionStatus:
    """Write how a version does."""
    written = status_pb2.ModelVersionStatus(version=status.version)
    written.state = status_pb2.ModelVersionStatus.State.Value(status.state)
    written.status.error_message = status.error
    written.status.error_code = UNKNOWN_ERROR if status.error else 0
    return written
