"""Speak TensorFlow Serving's gRPC, without TensorFlow's Python."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfner.exceptions import ConfigError, MissingExtraError, ServerError
from tfner.safeio.printable import printable
from tfner.serving.client.address import Address
from tfner.serving.client.options import Options
from tfner.serving.schema import Outputs, SignatureSchema

try:
    import grpc

    from tfner.serving.messages import predict_pb2
    from tfner.serving.tensor_messages import read_tensor, write_tensor
except ImportError as error:
    package = error.name or "tensorflow-serving-api"
    raise MissingExtraError(package, "serving", "asking a server over gRPC") from error

PREDICT = "/tensorflow.serving.PredictionService/Predict"
BUSY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)
TOO_SLOW = grpc.StatusCode.DEADLINE_EXCEEDED


class GrpcTransport:
    """Sends one request and waits for its answer."""

    def __init__(self, address: Address, options: Options):
        self._address = address
        self._options = options
        headers = options.headers.items()
        self._metadata = tuple((name.lower(), value) for name, value in headers)
        self._channel = open_channel(address, options)
        write = predict_pb2.PredictRequest.SerializeToString
        read = predict_pb2.PredictResponse.FromString
        self._predict = self._channel.unary_unary(PREDICT, write, read)

    def __call__(self, signature: SignatureSchema, values: Sequence[Any]) -> Outputs:
        request = self._request(signature, values)
        try:
            response = self._predict(request, self._options.timeout, self._metadata)
        except grpc.RpcError as error:
            raise self._failure(error) from error
        try:
            outputs = {name: read_tensor(proto) for name, proto in response.outputs.items()}
            return signature.read(outputs, values)
        except (ValueError, TypeError) as error:
            what = f"not an answer to signature {signature.name}: {error}"
            raise ServerError(f"{self._address.url}: {what}") from None

    def close(self) -> None:
        self._channel.close()

    def _request(
        self, signature: SignatureSchema, values: Sequence[Any]
    ) -> predict_pb2.PredictRequest:
        request = predict_pb2.PredictRequest()
        model = request.model_spec
        model.name = self._address.name
        model.signature_name = signature.name
        if self._address.version is not None:
            model.version.value = self._address.version
        if self._address.label is not None:
            model.version_label = self._address.label
        tensor = signature.inputs[0]
        proto = write_tensor(tensor.read(values))
        request.inputs[tensor.name].CopyFrom(proto)
        return request

    def _failure(self, error: Any) -> ServerError:
        code = error.code()
        again = code in BUSY or (code == TOO_SLOW and self._options.retry_timeouts)
        if code == TOO_SLOW:
            what = f"no answer within {self._options.timeout:g} s"
        else:
            details = error.details() or ""
            what = f"{code.name}: {printable(details)}"
        return ServerError(f"{self._address.url}: {what}", transient=again)


def open_channel(address: Address, options: Options) -> grpc.Channel:
    """Open a channel, which connects when it is first used."""
    # A channel that failed to connect refuses all requests until its own pause is over: it should
    # not be longer than ours.
    first_ms, longest_ms = round(500 * options.first_pause), round(500 * options.longest_pause)
    connect_ms = round(1000 * options.connect_timeout)
    settings = [
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_send_message_length", -1),
        ("grpc.initial_reconnect_backoff_ms", first_ms),
        ("grpc.max_reconnect_backoff_ms", longest_ms),
        ("grpc.min_reconnect_backoff_ms", connect_ms),  # despite its name, the time to connect in
    ]
    if address.scheme == "grpc":
        return grpc.insecure_channel(address.host, settings)
    trusted = authorities(options)
    credentials = grpc.ssl_channel_credentials(trusted)
    return grpc.secure_channel(address.host, credentials, settings)


def authorities(options: Options) -> bytes | None:
    """Read the certificates that are trusted; None for the usual ones.

    Raises:
        ConfigError: the file cannot be read.
    """
    if options.ca_file is None:
        return None
    try:
        return Path(options.ca_file).read_bytes()
    except OSError as error:
        what = f"cannot be read as PEM certificates: {error}"
        raise ConfigError(f"{options.ca_file}: {what}") from None
