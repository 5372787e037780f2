"""Answer the REST paths of tensorflow_model_server, as one ASGI application.

Nothing of a framework stands between a request and its model.
"""

from __future__ import annotations

import json
import logging
import re
from typing import Any

from starlette.types import Receive, Scope, Send

from tfner.serving.server.json_answer import encode_answer
from tfner.serving.server.json_request import decode_predict
from tfner.serving.server.limits import Limits
from tfner.serving.server.model_versions import ModelSpec, Servable, VersionStatus
from tfner.serving.server.request_error import HTTP_STATUS, UNEXPECTED, RequestError, invalid
from tfner.serving.server.servable import definitions_to_json
from tfner.serving.server.service import Service

logger = logging.getLogger(__name__)
NAME = r"(?P<name>[^/:]+)"
WHICH = r"(?:/versions/(?P<version>[0-9]+)|/labels/(?P<label>[^/:]+))?"
POST = re.compile(rf"/v1/models/{NAME}{WHICH}:(?P<method>classify|regress|predict)", re.IGNORECASE)
GET = re.compile(rf"/v1/models(?:/{NAME})?{WHICH}(?P<metadata>/metadata)?", re.IGNORECASE)
# With these the body may not have been read, so nothing can follow it on the connection.
UNREAD = (HTTP_STATUS["RESOURCE_EXHAUSTED"], HTTP_STATUS["DEADLINE_EXCEEDED"])
LARGEST_VERSION = 2**63 - 1


class ClientGoneError(Exception):
    """Signal that the client has closed the connection before its request was read."""


class RestApi:
    """Answer everything under /v1/."""

    def __init__(self, service: Service):
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await self._answer(scope, receive)
            status = 200
        except RequestError as error:
            body = encode_error(str(error))
            status = error.http_status
        except ClientGoneError:
            return
        except Exception:
            logger.exception("%s %s failed", scope["method"], scope["path"])
            body = encode_error(UNEXPECTED)
            status = 500
        await respond(send, status, body)

    async def _answer(self, scope: Scope, receive: Receive) -> bytes:
        """Find what a path means, and give the body of the answer."""
        method = scope["method"]
        path = scope["path"]
        if method == "POST" and (match := POST.fullmatch(path)):
            spec = read_spec(match)
            return await self._post(spec, match["method"].lower(), scope, receive)
        if method == "GET" and (match := GET.fullmatch(path)):
            if not match["name"]:
                raise invalid("Missing model name in request.")
            return self._get(read_spec(match), bool(match["metadata"]))
        raise invalid(f"Malformed request: {method} {path}")

    async def _post(self, spec: ModelSpec, method: str, scope: Scope, receive: Receive) -> bytes:
        """Predict; other methods are refused."""
        if method != "predict":
            raise self._service.refuse(spec, method)
        with self._service.request(spec) as servable:
            body = await read_body(scope, receive, self._service.limits)
            call = decode_predict(body, servable.signatures)
            answer = await self._service.ask(servable, call.signature, call.inputs)
            return encode_answer(answer, by_row=call.by_row)

    def _get(self, spec: ModelSpec, metadata: bool) -> bytes:
        """Report the status of versions, or the signatures of one."""
        if metadata:
            with self._service.models.hold(spec) as servable:
                report = metadata_to_json(spec.name, servable)
        else:
            statuses = self._service.models.status(spec)
            report = {"model_version_status": list(map(status_to_json, statuses))}
        return json.dumps(report).encode()


def read_spec(match: re.Match[str]) -> ModelSpec:
    """Read which model a path names.

    Raises:
        RequestError: the number of the version is too large.
    """
    digits = match["version"]
    if digits is None:
        return ModelSpec(match["name"], label=match["label"])
    version = int(digits.lstrip("0")[:20] or 0)  # 20 digits tell that more are too many
    if version > LARGEST_VERSION:
        raise invalid(f"Failed to convert version: {digits} to numeric.")
    return ModelSpec(match["name"], version)


async def read_body(scope: Scope, receive: Receive, limits: Limits) -> bytes:
    """Read all of a request's body, but no more than is allowed.

    Raises:
        RequestError: it is too large.
        ClientGoneError: it was not sent whole.
    """
    for name, value in scope["headers"]:
        if name == b"content-length":  # refused before it is sent, where the client waits for that
            limits.check_bytes(int(value))
    received, size = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGoneError
        body = message.get("body", b"")
        received.append(body)
        size += len(body)
        limits.check_bytes(size)
        if not message.get("more_body", False):
            return b"".join(received)


async def respond(send: Send, status: int, body: bytes) -> None:
    """Send an answer of JSON."""
    length = str(len(body)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", length)]
    if status in UNREAD:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def encode_error(message: str) -> bytes:
    """Write an error as the server does."""
    return json.dumps({"error": message}).encode()


def status_to_json(status: VersionStatus) -> dict[str, Any]:
    """Write ModelVersionStatus as JSON; 64-bit numbers are strings there."""
    code = "UNKNOWN" if status.error else "OK"
    outcome = {"error_code": code, "error_message": status.error}
    return {"version": str(status.version), "state": status.state, "status": outcome}


def metadata_to_json(name: str, servable: Servable) -> dict[str, Any]:
    """Write GetModelMetadataResponse as the server prints it."""
    spec = {"name": name, "signature_name": "", "version": str(servable.version)}
    definitions = {"signature_def": definitions_to_json(servable.definitions)}
    return {"model_spec": spec, "metadata": {"signature_def": definitions}}
