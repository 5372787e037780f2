"""A model without TensorFlow for tests of the server.

Every capitalized word is an entity, and calls can be held up and counted.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import numpy as np

from tfner.serving.server.app import (
    RestServer,
    ServerSettings,
    grpc_server,
    rest_socket,
    uvicorn_config,
    web_app,
)
from tfner.serving.server.batching import ServerBatching
from tfner.serving.server.limits import Limits
from tfner.serving.server.model_versions import ModelVersions, Servable
from tfner.serving.server.request_error import invalid
from tfner.serving.server.service import Service
from tfner.serving.server.signature import ServedSignature, Tensors, TensorSpec

NAME = "fake"
REFUSED = b"refuse me"
LABELS = {"Acme": "ORG", "Evil": "<i id='evil'>PER</i>"}
ENTITY_OUTPUTS = {"entity_start": "int32", "entity_end": "int32", "entity_start_byte": "int32",
 "entity_end_byte": "int32",
                  "entity_label": "string", "entity_score": "float"}  # fmt: skip
PLANE = (-1, -1)
SIGNATURES = {
    "features": ServedSignature(
        {"input_ids": TensorSpec("int32", PLANE), "length": TensorSpec("int32", (-1,))},
        {"probabilities": TensorSpec("float", (-1, -1, 2))},
    ),
    "serving_default": ServedSignature(
        {"text": TensorSpec("string", (-1,))},
        {
            **{name: TensorSpec(dtype, PLANE) for name, dtype in ENTITY_OUTPUTS.items()},
            "entity_count": TensorSpec("int32", (-1,)),
        },
    ),
    "words": ServedSignature(
        {"words": TensorSpec("string", PLANE)},
        {"tag": TensorSpec("string", PLANE), "score": TensorSpec("float", PLANE)},
    ),
    "echo": ServedSignature(
        {"some_bytes": TensorSpec("string", (-1,))}, {"some_bytes": TensorSpec("string", (-1,))}
    ),
    "scalar": ServedSignature(
        {"x": TensorSpec("float", (-1,))},
        {"mean": TensorSpec("float", ()), "x": TensorSpec("float", (-1,))},
    ),
    "uneven": ServedSignature(
        {"x": TensorSpec("float", (-1,))},
        {"more": TensorSpec("float", (-1,)), "x": TensorSpec("float", (-1,))},
    ),
}


class FakeModel:
    """`calls` holds what was asked; while `gate` is clear, calls wait in it."""

    def __init__(self):
        self.calls: list[tuple[str, Tensors]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Semaphore(0)
        self.servables: list[Servable] = []  # that a test's loader has made of it

    def __call__(self, signature: str, inputs: Tensors) -> Tensors:
        self.calls.append((signature, inputs))
        self.entered.release()
        if not self.gate.wait(30):
            raise TimeoutError("the gate was never opened")
        return ANSWERS[signature](inputs)


def answer_texts(inputs: Tensors) -> Tensors:
    texts = inputs["text"].tolist()
    if REFUSED in texts:
        raise invalid("such a text is refused")
    rows = [list(find_entities(text.decode())) for text in texts]
    shape = (len(rows), max(map(len, rows), default=0))
    answer = {name: np.full(shape, -1, np.int32) for name in sorted(ENTITY_OUTPUTS)}
    answer |= {
        "entity_label": np.full(shape, b"", object),
        "entity_score": np.zeros(shape, np.float32),
    }
    for row, found in enumerate(rows):
        for column, entity in enumerate(found):
            for name, value in entity.items():
                answer[f"entity_{name}"][row, column] = value
    return {"entity_count": np.array([len(found) for found in rows], np.int32), **answer}


def find_entities(text: str):
    for match in re.finditer(r"[A-ZА-Я\u0590-\u05ff]\w*", text):
        before, inside = len(text[: match.start()].encode()), len(match[0].encode())
        label = LABELS.get(match[0], "PER").encode()
        yield {"start": match.start(), "end": match.end(), "start_byte": before,
         "end_byte": before + inside, "label": label,
               "score": np.float32(0.9)}  # fmt: skip


def answer_words(inputs: Tensors) -> Tensors:
    words_BW = inputs["words"]
    capital = np.array([word[:1].isupper() for word in words_BW.ravel()], bool)
    tags_BW = np.where(capital.reshape(words_BW.shape), b"B-PER", b"O").astype(object)
    tags_BW[words_BW == b""] = b""
    return {"score": np.where(words_BW == b"", 0, 0.5).astype(np.float32), "tag": tags_BW}


ANSWERS: Mapping[str, Callable[[Tensors], Tensors]] = {
    "serving_default": answer_texts,
    "words": answer_words,
    "features": lambda inputs: {
        "probabilities": np.stack([inputs["input_ids"] / 2, inputs["input_ids"] / 4], -1).astype(
            np.float32
        )
    },
    "echo": lambda inputs: inputs,
    "scalar": lambda inputs: {"mean": inputs["x"].mean(), "x": inputs["x"]},
    "uneven": lambda inputs: {"more": np.append(inputs["x"], 0), "x": inputs["x"]},
}


def servable(model: FakeModel, version: int = 1) -> Servable:
    return Servable(version, SIGNATURES, {}, model)


def service(
    model: FakeModel,
    limits: Limits | None = None,
    batching: ServerBatching | None = None,
    **versions,
) -> Service:
    """Make a service over one version, or over `folders` with `labels`; not yet started."""
    folders = versions.pop("folders", {1: Path("1")})
    models = ModelVersions(
        NAME, lambda: folders, lambda _, version: servable(model, version), **versions
    )
    return Service(models, limits or Limits(), batching or ServerBatching())


@contextmanager
def running(make_service: Callable[[], Service]) -> Iterator[tuple[str, str]]:
    """Run a server in another thread; gives the URL of REST and the address of gRPC."""
    started: Future[tuple[str, str, Callable[[], object]]] = Future()
    with ThreadPoolExecutor(1) as thread:
        serving = thread.submit(lambda: asyncio.run(run_until_stopped(make_service(), started)))
        wait([started, serving], return_when=FIRST_COMPLETED)
        if serving.done():
            serving.result()
        rest, rpc, stop = started.result()
        yield rest, rpc
        stop()
        serving.result(30)


async def run_until_stopped(made: Service, started: Future) -> None:
    await made.models.start()
    settings, stopped = (
        ServerSettings(Path(), port=0, grpc_port=0, limits=made.limits),
        asyncio.Event(),
    )
    with rest_socket(settings) as listener:
        rpc, port = grpc_server(settings, made)
        await rpc.start()
        listener.listen()
        rest = RestServer(uvicorn_config(made, settings))
        serving = asyncio.create_task(rest.serve([listener]))
        stop = partial(asyncio.get_running_loop().call_soon_threadsafe, stopped.set)
        started.set_result(
            (f"http://127.0.0.1:{listener.getsockname()[1]}", f"127.0.0.1:{port}", stop)
        )
        await stopped.wait()
        rest.should_exit = True
        await asyncio.gather(serving, rpc.stop(None))
    made.close()


class Client:
    """Send requests to REST and page in this thread.

    `with Client(service) as client: client.get(path)`
    """

    def __init__(self, made: Service):
        transport = httpx.ASGITransport(web_app(made))
        self._client = httpx.AsyncClient(transport=transport, base_url="http://test")
        self._loop = asyncio.new_event_loop()
        self._loop.run_until_complete(made.models.start())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._loop.run_until_complete(self._client.aclose())
        self._loop.close()

    def request(self, method: str, path: str, **options) -> httpx.Response:
        return self._loop.run_until_complete(self._client.request(method, path, **options))

    def get(self, path: str) -> httpx.Response:
        return self.request("GET", path)

    def post(self, path: str, **options) -> httpx.Response:
        return self.request("POST", path, **options)
