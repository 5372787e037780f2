"""TensorFlow Serving's REST API: what is sent for texts and words, and what the answers and refusals mean. No TensorFlow here."""

from __future__ import annotations

import base64
import json
import re
import ssl
from collections.abc import Sequence
from typing import Any

import httpx

from tfner.exceptions import ConfigError, ServerError
from tfner.safeio.printable import printable
from tfner.serving.client.address import Address
from tfner.serving.client.answers import Signature
from tfner.serving.client.options import Options
from tfner.serving.runtime.recognizer import Answer

BUSY = (429, 502, 503)  # a proxy says 502 where it could not reach the server
TOO_SLOW = (408, 504)
UNDELIVERED = (
    httpx.NetworkError,
    httpx.RemoteProtocolError,
    httpx.ConnectTimeout,
    httpx.WriteTimeout,
)
ESCAPED_ERROR = re.compile(rb'\s*\{\s*"error"\s*:\s*"(.*)"\s*\}\s*', re.DOTALL)
ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}
LONGEST_MESSAGE = 1000


class RestModel:
    """The REST API of one model; sends nothing itself, so that clients of both kinds can use it, those that wait and those that do not.

    Raises:
        ConfigError: the address is none that HTTP knows.
    """

    def __init__(self, address: Address, options: Options):
        self.url = address.url
        try:
            httpx.URL(self.url)
        except httpx.InvalidURL as error:
            raise ConfigError(f"{self.url}: {error}") from None
        self._login = address.login
        self._options = options

    def client_settings(self) -> dict[str, Any]:
        """Arguments for an httpx.Client or AsyncClient.

        Raises:
            ConfigError: the file of authorities cannot be read.
        """
        timeout = httpx.Timeout(
            self._options.timeout, connect=self._options.connect_timeout, pool=None
        )
        settings = {"headers": dict(self._options.headers), "auth": self._login, "timeout": timeout}
        return (
            settings
            if self._options.ca_file is None
            else settings | {"verify": trust(self._options.ca_file)}
        )

    def request(self, signature: Signature, values: Sequence[Any]) -> dict[str, Any]:
        """Arguments for the `post` of such a client."""
        body = {"signature_name": signature.name, "inputs": {signature.input: as_json(values)}}
        content = json.dumps(body, ensure_ascii=False).encode("utf-8")
        return {
            "url": f"{self.url}:predict",
            "content": content,
            "headers": {"Content-Type": "application/json"},
        }

    def answer(
        self, signature: Signature, values: Sequence[Any], response: httpx.Response
    ) -> Answer:
        """What the server found in the values.

        Raises:
            ServerError: it refused them, or its answer is not one to them.
        """
        if response.status_code != httpx.codes.OK:
            raise self._refusal(response)
        try:
            document = json.loads(response.content)
            outputs = document.get("outputs") if isinstance(document, dict) else None
            if not isinstance(outputs, dict):
                raise ValueError(f"expected a JSON object with outputs, got {message_of(response)}")
            return signature.read(outputs, values)
        except (ValueError, RecursionError) as error:
            raise ServerError(
                f"{self.url}: not an answer to signature {signature.name}: {error}"
            ) from None

    def failure(self, error: httpx.HTTPError) -> ServerError:
        """Why there is no answer at all."""
        if isinstance(error, httpx.ConnectTimeout):
            what = f"no connection within {self._options.connect_timeout:g} s"
        elif isinstance(error, httpx.ReadTimeout):
            what = f"no answer within {self._options.timeout:g} s"
        else:
            what = f"{'cannot be reached' if isinstance(error, httpx.ConnectError) else 'no answer'}: {error or type(error).__name__}"
        again = isinstance(error, UNDELIVERED) or (
            isinstance(error, httpx.ReadTimeout) and self._options.retry_timeouts
        )
        return ServerError(f"{self.url}: {what}", transient=again)

    def _refusal(self, response: httpx.Response) -> ServerError:
        status = response.status_code
        again = status in BUSY or (status in TOO_SLOW and self._options.retry_timeouts)
        message = f"{self.url}: HTTP {status}: {message_of(response)}"
        return ServerError(
            message, transient=again, retry_after=seconds(response.headers.get("Retry-After", ""))
        )


class RestTransport:
    """Sends one request and waits for its answer."""

    def __init__(self, address: Address, options: Options, http: httpx.BaseTransport | None = None):
        self._model = RestModel(address, options)
        self._client = httpx.Client(transport=http, **self._model.client_settings())

    def __call__(self, signature: Signature, values: Sequence[Any]) -> Answer:
        try:
            response = self._client.post(**self._model.request(signature, values))
        except httpx.HTTPError as error:
            raise self._model.failure(error) from error
        return self._model.answer(signature, values, response)

    def close(self) -> None:
        self._client.close()


def as_json(value: Any) -> Any:
    """UTF-8 as a JSON string, other bytes as the server takes them, lists of both as lists."""
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return {"b64": base64.b64encode(value).decode("ascii")}
    return [as_json(one) for one in value]


def message_of(response: httpx.Response) -> str:
    """The server's own words."""
    body = response.content
    try:
        document = json.loads(body)
        message = (
            document["error"]
            if isinstance(document, dict) and isinstance(document.get("error"), str)
            else body.decode("utf-8")
        )
    except (ValueError, RecursionError):
        # The server escapes its message as C does, not JSON: \' and octal digits for all that is not ASCII.
        escaped = ESCAPED_ERROR.fullmatch(body)
        message = (unescape(escaped[1]) if escaped else body).decode("utf-8", "replace")
    if response.has_redirect_location:
        message = f"moved to {response.headers['Location']}"
    return printable(" ".join(message.split()))[:LONGEST_MESSAGE] or response.reason_phrase


def unescape(text: bytes) -> bytes:
    """Undo absl::CEscape."""
    return re.sub(
        rb"\\([0-7]{3}|.)",
        lambda match: (
            bytes([int(match[1], 8) & 0xFF])
            if len(match[1]) == 3
            else ESCAPES.get(match[1], match[1])
        ),
        text,
        flags=re.DOTALL,
    )


def seconds(header: str) -> float:
    """A Retry-After of so many seconds; one that names a date counts as 0."""
    return float(header) if re.fullmatch(r"[0-9]{1,9}", header.strip()) else 0.0


def trust(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # ssl.SSLError, for what is no PEM, is one
        raise ConfigError(f"{ca_file}: cannot be read as PEM certificates: {error}") from None
