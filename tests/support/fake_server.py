"""A model without TensorFlow, and a stand-in for TensorFlow Serving's REST port over any
recognizer; it serves tests only.

The protocol is written from the server's sources: `util/json_tensor.cc` and
`model_servers/http_rest_api_handler.cc`.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tfner.serving.client.address import parse_address
from tfner.serving.client.options import Options
from tfner.serving.client.rest_transport import RestTransport
from tfner.serving.client.synchronous import remote_recognizer
from tfner.serving.runtime.recognizer import Recognizer

URL = "http://host:8501/v1/models/toy"
PATH = re.compile(r"(/[a-z]+)?/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?:predict")
NAME = re.compile(r"[A-ZÄÖÜא-ת東][\w\u0301\u200d-]*")
LABELS = ("LOC", "PER", "ORG")


def toy_texts(texts: list[bytes]) -> dict[str, np.ndarray]:
    """Every capitalised word of a text is an entity, its label and score by its length."""
    found = [
        [(*match.span(), len(match[0])) for match in NAME.finditer(text.decode("utf-8"))]
        for text in texts
    ]
    width = max(map(len, found), default=0)
    answer = {
        "entity_start": np.full((len(texts), width), -1, np.int32),
        "entity_end": np.full((len(texts), width), -1, np.int32),
        "entity_label": np.full((len(texts), width), b"", object),
        "entity_score": np.zeros((len(texts), width), np.float32),
        "entity_count": np.array([len(row) for row in found], np.int32),
    }
    for row, entities in enumerate(found):
        for place, (start, end, length) in enumerate(entities):
            answer["entity_start"][row, place], answer["entity_end"][row, place] = start, end
            answer["entity_label"][row, place] = LABELS[length % 3].encode()
            answer["entity_score"][row, place] = 1 / length
    return answer


def toy_words(rows: list[list[bytes]]) -> dict[str, np.ndarray]:
    """Capitalised words next to each other are one entity."""
    tags = np.full((len(rows), len(rows[0]) if rows else 0), b"", object)
    scores = np.zeros(tags.shape, np.float32)
    for row, words in enumerate(rows):
        for place in range(max((at for at, word in enumerate(words, 1) if word), default=0)):
            inside = place > 0 and tags[row, place - 1] != b"O"
            tags[row, place] = (
                (b"I-PER" if inside else b"B-PER")
                if NAME.match(words[place].decode("utf-8"))
                else b"O"
            )
            scores[row, place] = 1 / (1 + len(words[place])) if words[place] else 0
    return {"tag": tags, "score": scores}


TOY = Recognizer(toy_texts, toy_words, {"name": "toy"})


class FakeServer:
    """A handler for httpx.MockTransport. What it got is in `requests`; `script` holds what it does
    first, instead of answering."""

    def __init__(self, recognizer: Recognizer = TOY, *script: httpx.Response | Exception):
        self.recognizer = recognizer
        self.script = list(script)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.script:
            action = self.script.pop(0)
            if isinstance(action, Exception):
                raise action
            return action
        status, body = self.respond(request.method, request.url.path, request.content)
        return httpx.Response(status, content=body, headers={"Content-Type": "application/json"})

    @property
    def sent(self) -> list[list[Any]]:
        """The values of each request."""
        return [
            read_values(next(iter(json.loads(request.content)["inputs"].values())))
            for request in self.requests
        ]

    def respond(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        if method != "POST" or not PATH.fullmatch(path):
            return 400, refusal(f"Malformed request: {method} {path}")
        document = json.loads(body)
        signature, inputs = document["signature_name"], document["inputs"]
        wanted, rank, ask = {
            "serving_default": ("text", 1, self.recognizer._ask_texts),
            "words": ("words", 2, self.recognizer._ask_words),
        }[signature]
        if wanted not in inputs:
            return 400, refusal(f"Missing named input: {wanted} in 'inputs' object.")
        values = read_values(inputs[wanted])
        if len(shape_of(values)) != rank:
            return 400, refusal(f"Input of shape {shape_of(values)}")
        outputs = ask(values)
        return 200, json.dumps(
            {"outputs": {name: written(array) for name, array in outputs.items()}}, indent=4
        ).encode("utf-8")


def read_values(value: Any) -> Any:
    """JSON -> nested lists of bytes."""
    if isinstance(value, list):
        return [read_values(one) for one in value]
    return (
        base64.b64decode(value["b64"], validate=True)
        if isinstance(value, dict)
        else value.encode("utf-8")
    )


def shape_of(value: Any) -> tuple[int, ...]:
    """The shape of nested lists, as the server finds it: by their first elements; then all must
    have it."""
    if not isinstance(value, list):
        return ()
    shapes = {shape_of(one) for one in value}
    if len(shapes) > 1:
        raise ValueError(f"rows of unlike length: {shapes}")
    return (len(value), *(shapes.pop() if shapes else ()))


def written(array: np.ndarray) -> Any:
    if array.ndim > 1:
        return [written(row) for row in array]
    return [cell.decode() if isinstance(cell, bytes) else cell for cell in array.tolist()]


def refusal(message: str) -> bytes:
    """`{ "error": "…" }` with the message escaped as absl::CEscape does it, which JSON does not
    know."""
    named = {0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t", 0x22: '\\"', 0x27: "\\'", 0x5C: "\\\\"}
    escaped = "".join(
        named.get(byte) or (chr(byte) if 0x20 <= byte < 0x7F else f"\\{byte:03o}")
        for byte in message.encode("utf-8")
    )
    return f'{{ "error": "{escaped}" }}'.encode()


class Sleeper:
    """Sleeps by writing down how long."""

    def __init__(self):
        self.pauses: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.pauses.append(seconds)


def connected(
    server: FakeServer, url: str = URL, sleep: Sleeper | None = None, **options: Any
) -> Recognizer:
    """The recognizer that `connect` gives, with `server` behind it instead of a network."""
    address, settings = parse_address(url), Options(**options)
    transport = RestTransport(address, settings, httpx.MockTransport(server))
    return remote_recognizer(address, settings, transport, sleep or Sleeper())


@contextmanager
def listening(server: FakeServer, certificate: Path | None = None) -> Iterator[str]:
    """Serve on a port of this machine; gives `localhost:PORT`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            status, body = server.respond(
                "POST", self.path, self.rfile.read(int(self.headers["Content-Length"]))
            )
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("localhost", 0), Handler) as listener:
        listener.daemon_threads = True
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, certificate.with_suffix(".key"))
            listener.socket = context.wrap_socket(listener.socket, server_side=True)
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"localhost:{listener.server_port}"
        finally:
            listener.shutdown()
            thread.join()


def make_certificate(folder: Path) -> Path:
    """A certificate for localhost that is its own authority, in PEM, with its key beside it; skips
    where there is no openssl."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: it makes the certificate for this test")
    certificate = folder / "localhost.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
         "-keyout", str(certificate.with_suffix(".key")), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate
