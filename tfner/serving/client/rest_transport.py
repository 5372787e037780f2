"""Write requests to TensorFlow Serving's REST API and read its answers, without TensorFlow."""

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
from tfner.serving.client.options import Options
from tfner.serving.schema import Outputs, SignatureSchema

BUSY = (429, 502, 503)  # a proxy says 502 where it could not reach the server
TOO_SLOW = (408, 504)
UNCONNECTED = (httpx.NetworkError, httpx.ConnectTimeout)
UNDELIVERED = (*UNCONNECTED, httpx.RemoteProtocolError, httpx.WriteTimeout)
ESCAPED_ERROR = re.compile(rb'\s*\{\s*"error"\s*:\s*"(.*)"\s*\}\s*', re.DOTALL)
ESCAPE = re.compile(rb"\\([0-7]{3}|.)", re.DOTALL)
ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}
LONGEST_MESSAGE = 1000


class RestModel:
    """Writes and reads the messages of one model's REST API.

    It sends nothing itself, so that both clients can use it, the one that waits and the one for
    asyncio.

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
        """Give the arguments for an httpx.Client or AsyncClient.

        Raises:
            ConfigError: the file of authorities cannot be read.
        """
        options = self._options
        timeout = httpx.Timeout(options.timeout, connect=options.connect_timeout, pool=None)
        headers = dict(options.headers)
        settings = {"headers": headers, "auth": self._login, "timeout": timeout}
        if options.ca_file is not None:
            settings["verify"] = ssl_context(options.ca_file)
        return settings

    def request(self, signature: SignatureSchema, values: Sequence[Any]) -> dict[str, Any]:
        """Give the arguments for the `post` of such a client."""
        inputs = {signature.inputs[0].name: as_json(values)}
        body = {"signature_name": signature.name, "inputs": inputs}
        content = json.dumps(body, ensure_ascii=False).encode("utf-8")
        headers = {"Content-Type": "application/json"}
        return {"url": f"{self.url}:predict", "content": content, "headers": headers}

    def answer(
        self, signature: SignatureSchema, values: Sequence[Any], response: httpx.Response
    ) -> Outputs:
        """Read what the server found in the values.

        Raises:
            ServerError: it refused them, or its answer is not one to them.
        """
        if response.status_code != httpx.codes.OK:
            raise self._refusal(response)
        try:
            document = json.loads(response.content)
            outputs = document.get("outputs") if isinstance(document, dict) else None
            if not isinstance(outputs, dict):
                came = message_of(response)
                raise ValueError(f"expected a JSON object with outputs, got {came}")
            return signature.read(outputs, values)
        except (ValueError, RecursionError) as error:
            what = f"not an answer to signature {signature.name}: {error}"
            raise ServerError(f"{self.url}: {what}") from None

    def failure(self, error: httpx.HTTPError) -> ServerError:
        """Say why there is no answer at all."""
        too_slow = isinstance(error, httpx.ReadTimeout)
        reason = str(error) or type(error).__name__
        if isinstance(error, httpx.ConnectTimeout):
            what = f"no connection within {self._options.connect_timeout:g} s"
        elif too_slow:
            what = f"no answer within {self._options.timeout:g} s"
        elif isinstance(error, httpx.ConnectError):
            what = f"cannot be reached: {reason}"
        else:
            what = f"no answer: {reason}"
        again = isinstance(error, UNDELIVERED) or (too_slow and self._options.retry_timeouts)
        return ServerError(f"{self.url}: {what}", transient=again)

    def _refusal(self, response: httpx.Response) -> ServerError:
        status = response.status_code
        again = status in BUSY or (status in TOO_SLOW and self._options.retry_timeouts)
        words = message_of(response)
        wait = seconds(response.headers.get("Retry-After", ""))
        message = f"{self.url}: HTTP {status}: {words}"
        return ServerError(message, transient=again, retry_after=wait)


class RestTransport:
    """Sends one request and waits for its answer."""

    def __init__(self, address: Address, options: Options, http: httpx.BaseTransport | None = None):
        self._model = RestModel(address, options)
        settings = self._model.client_settings()
        self._client = httpx.Client(transport=http, **settings)

    def __call__(self, signature: SignatureSchema, values: Sequence[Any]) -> Outputs:
        request = self._model.request(signature, values)
        try:
            response = self._client.post(**request)
        except httpx.HTTPError as error:
            raise self._model.failure(error) from error
        return self._model.answer(signature, values, response)

    def close(self) -> None:
        self._client.close()


def as_json(value: Any) -> Any:
    """Write UTF-8 as a JSON string, other bytes as the server takes them, lists of both as lists.

    >>> as_json([b"Mara", b"\\xff"])
    ['Mara', {'b64': '/w=='}]
    """
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            encoded = base64.b64encode(value)
            return {"b64": encoded.decode("ascii")}
    return [as_json(one) for one in value]


def message_of(response: httpx.Response) -> str:
    """Give the server's own words."""
    if response.has_redirect_location:
        message = f"moved to {response.headers['Location']}"
    else:
        message = message_in(response.content)
    line = printable(" ".join(message.split()))
    return line[:LONGEST_MESSAGE] or response.reason_phrase


def message_in(body: bytes) -> str:
    """Read the message in the body of a refusal."""
    try:
        document = json.loads(body)
        error = document.get("error") if isinstance(document, dict) else None
        if isinstance(error, str):
            return error
        return body.decode("utf-8")
    except (ValueError, RecursionError):
        # The server escapes as C does, not JSON: \' and octal digits for all that is not ASCII.
        escaped = ESCAPED_ERROR.fullmatch(body)
        message = unescape(escaped[1]) if escaped else body
        return message.decode("utf-8", "replace")


def unescape(text: bytes) -> bytes:
    """Undo absl::CEscape.

    >>> unescape(rb"it\\'s \\303\\205se").decode()
    "it's Åse"
    """
    return ESCAPE.sub(unescape_one, text)


def unescape_one(match: re.Match[bytes]) -> bytes:
    code = match[1]
    if len(code) == 3:
        return bytes([int(code, 8) & 0xFF])
    return ESCAPES.get(code, code)


def seconds(header: str) -> float:
    """Read a Retry-After of so many seconds; one that names a date counts as 0."""
    return float(header) if re.fullmatch(r"[0-9]{1,9}", header.strip()) else 0.0


def ssl_context(ca_file: str) -> ssl.SSLContext:
    """Trust the authorities in a file.

    Raises:
        ConfigError: it cannot be read as PEM certificates.
    """
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # ssl.SSLError, for what is no PEM, is one
        raise ConfigError(f"{ca_file}: cannot be read as PEM certificates: {error}") from None
