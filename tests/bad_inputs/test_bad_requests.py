"""Send requests that no client would send, over a socket.

The server answers in one sentence or hangs up, and answers the next one.
"""

from __future__ import annotations

import json
import re
import socket
from functools import partial

import pytest
import server_fakes as fakes

from tfner.serving.server.limits import Limits

PATH = "/v1/models/fake:predict"
LIMIT = 1 << 20
DEEP = b"[" * 1_000_000
TEXT = b'{"instances": ["Anna met Boris"]}'


def post(body: bytes, path: str = PATH, length: object = None) -> bytes:
    size = len(body) if length is None else length
    lines = [f"POST {path} HTTP/1.1", "Host: x", "Connection: close", f"Content-Length: {size}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def chunked(*chunks: bytes) -> bytes:
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    return head + b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)


TOO_LARGE = f"request body: expected at most {LIMIT} bytes, got "
NO_HTTP = "Invalid HTTP request received."
REQUESTS = [
    ("lists a million deep", post(DEEP), 400, "JSON Parse error: nested too deeply"),
    ("objects in one another", post(b'{"instances":' * 50_000), 400,
     "JSON Parse error: nested too deeply"),
    ("lists in instances", post(b'{"instances": ' + b"[" * 400 + b"]" * 400 + b"}"), 400,
     "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: Encountered list "
     "at unexpected level: 16 expected < 16"),
    ("a number of 5,000 digits", post(b'{"instances": [' + b"1" * 5000 + b"]}"), 400,
     "JSON Parse error: "),
    ("a name of a megabyte", post(b'{"signature_name": "' + b"x" * 900_000 + b'"}'), 400,
     "Serving signature name: "),
    ("a key of a megabyte", post(b'{"instances": [{"' + b"x" * 900_000 + b'": 1}]}'), 400,
     "Failed to process element: 0 key: "),
    ("cut off JSON", post(TEXT[:-2]), 400,
     "JSON Parse error: Expecting ',' delimiter at offset: 31"),
    ("larger than allowed", post(b"x" * (LIMIT + 1)), 413, TOO_LARGE + f"{LIMIT + 1} or more"),
    ("a terabyte announced", post(b"", length=10**12), 413, TOO_LARGE + f"{10**12} or more"),
    ("a chunk after the other", chunked(*[b"x" * 65_536] * 20), 413, TOO_LARGE),
    ("chunks that are none",
     b"POST " + PATH.encode() + b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
     400, NO_HTTP),
    ("a length that is none", post(TEXT, length="many"), 400, NO_HTTP),
    ("a length below zero", post(TEXT, length=-5), 400, NO_HTTP),
    ("no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) + b"\r\n\r\n",
     400, NO_HTTP),
    ("a head without end", b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 300_000 + b"\r\n\r\n", 400,
     NO_HTTP),
    ("a path out of it", post(TEXT, "/v1/../../etc/passwd"), 400,
     "Malformed request: POST /v1/../../etc/passwd"),
    ("a model of markup", post(TEXT, "/v1/models/<script>:predict"), 404,
     "Servable not found for request: Latest(<script>)"),
    ("hung up in the middle", post(TEXT, length=1000), None, ""),
]  # fmt: skip


@pytest.fixture(scope="module")
def server():
    with fakes.running(partial(fakes.service, fakes.FakeModel(), Limits(body_bytes=LIMIT))) as (
        rest,
        rpc,
    ):
        yield rest.removeprefix("http://"), rpc


def ask(address: str, request: bytes, *, hang_up: bool = False) -> bytes:
    """Collect what comes back until the server closes the connection."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        try:
            connection.sendall(request)
            if hang_up:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # refused before it was sent whole
        answer = b""
        try:
            while chunk := connection.recv(65_536):
                answer += chunk
        except ConnectionResetError:
            pass
    return answer


@pytest.mark.parametrize(
    ("request_bytes", "status", "message"),
    [row[1:] for row in REQUESTS],
    ids=[row[0] for row in REQUESTS],
)
def test_a_request(server, request_bytes, status, message):
    answer = ask(server[0], request_bytes, hang_up=status is None)
    if status is None:
        assert answer == b""
    else:
        head, _, body = answer.partition(b"\r\n\r\n")
        assert int(head.split()[1]) == status
        if message == NO_HTTP:
            assert message in body.decode()  # of uvicorn, with or without the frames of its chunks
        else:
            assert json.loads(body)["error"].startswith(message)
        assert len(body) < 1000
        assert b"text/html" not in head.lower()
    assert (
        len(
            json.loads(ask(server[0], post(TEXT)).partition(b"\r\n\r\n")[2])["predictions"][0][
                "entity_label"
            ]
        )
        == 2
    )


@pytest.mark.parametrize(
    "noise",
    [b"\0" * 5000, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 5000, TEXT],
    ids=["NUL", "frames", "JSON"],
)
def test_noise_at_the_port_of_grpc(server, noise):
    assert not re.search(b"Traceback", ask(server[1], noise, hang_up=True))
    assert b"predictions" in ask(server[0], post(TEXT))
