"""The REST paths of tensorflow_model_server, as one ASGI application: nothing of a framework stands between a request and its model."""

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
from tfner.serving.server.request_error import HTTP_STATUS, RequestError, invalid
from tfner.serving.server.servable import describe
from tfner.serving.server.service import Service

logger = logging.getLogger(__name__)
WHICH = r"(?:/versions/(?P<version>[0-9]+)|/labels/(?P<label>[^/:]+))?"
POST = re.compile(
    rf"/v1/models/(?P<name>[^/:]+){WHICH}:(?P<method>classify|regress|predict)", re.IGNORECASE
)
GET = re.compile(rf"/v1/models(?:/(?P<name>[^/:]+))?{WHICH}(?P<metadata>/metadata)?", re.IGNORECASE)
UNREAD = (
    HTTP_STATUS["RESOURCE_EXHAUSTED"],
    HTTP_STATUS["DEADLINE_EXCEEDED"],
)  # the body may not have been read, so nothing can follow it
LARGEST_VERSION = 2**63 - 1


class ClientGoneError(Exception):
    """The client has closed the connection before its request was read."""


class RestApi:
    """Answers everything under /v1/."""

    def __init__(self, service: Service):
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            status, body = 200, await self._answer(scope, receive)
        except RequestError as error:
            status, body = error.http_status, encode_error(str(error))
        except ClientGoneError:
            return
        except Exception:
            logger.exception("%s %s failed", scope["method"], scope["path"])
            status, body = 500, encode_error("Internal error: the server's log has more")
        await respond(send, status, body)

    async def _answer(self, scope: Scope, receive: Receive) -> bytes:
        method, path = scope["method"], scope["path"]
        if method == "POST" and (match := POST.fullmatch(path)):
            return await self._post(read_spec(match), match["method"].lower(), scope, receive)
        if method == "GET" and (match := GET.fullmatch(path)):
            if not match["name"]:
                raise invalid("Missing model name in request.")
            return self._get(read_spec(match), bool(match["metadata"]))
        raise invalid(f"Malformed request: {method} {path}")

    async def _post(self, spec: ModelSpec, method: str, scope: Scope, receive: Receive) -> bytes:
        if method != "predict":
            raise self._service.refuse(spec, method)
        with self._service.request(spec) as servable:
            body = await read_body(scope, receive, self._service.limits)
            call = decode_predict(body, servable.signatures)
            answer = await self._service.ask(servable, call.signature, call.inputs)
            return encode_answer(answer, by_row=call.by_row)

    def _get(self, spec: ModelSpec, metadata: bool) -> bytes:
        if not metadata:
            return json.dumps(
                {
                    "model_version_status": [
                        describe_status(each) for each in self._service.models.status(spec)
                    ]
                }
            ).encode()
        with self._service.models.hold(spec) as servable:
            return json.dumps(describe_model(spec.name, servable)).encode()


def read_spec(match: re.Match[str]) -> ModelSpec:
    """The model that a path names."""
    version = match["version"]
    if version is not None and int(version[:20]) > LARGEST_VERSION:
        raise invalid(f"Failed to convert version: {version} to numeric.")
    return ModelSpec(match["name"], None if version is None else int(version), match["label"])


async def read_body(scope: Scope, receive: Receive, limits: Limits) -> bytes:
    """All of a request's body, but no more than is allowed."""
    for name, value in scope["headers"]:
        if name == b"content-length":  # refused before it is sent, where the client waits for that
            limits.check_bytes(int(value))
    chunks, size = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGoneError
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        limits.check_bytes(size)
        if not message.get("more_body", False):
            return b"".join(chunks)


async def respond(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status in UNREAD:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def encode_error(message: str) -> bytes:
    return json.dumps({"error": message}).encode()


def describe_status(status: VersionStatus) -> dict[str, Any]:
    """ModelVersionStatus as JSON; 64-bit numbers are strings there."""
    return {
        "version": str(status.version),
        "state": status.state,
        "status": {
            "error_code": "UNKNOWN" if status.error else "OK",
            "error_message": status.error,
        },
    }


def describe_model(name: str, servable: Servable) -> dict[str, Any]:
    """GetModelMetadataResponse as the server prints it."""
    return {
        "model_spec": {"name": name, "signature_name": "", "version": str(servable.version)},
        "metadata": {"signature_def": {"signature_def": describe(servable.definitions)}},
    }
