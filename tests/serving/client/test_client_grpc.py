"""The gRPC client against a server of this process; and all clients against a real model, which
they must not change."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import httpx
import numpy as np
import pytest
import tensorflow as tf
import tiny
from fake_server import TOY, FakeServer, make_certificate
from hypothesis import given, settings
from hypothesis import strategies as st
from subprocesses import environment
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow_serving.apis.predict_pb2 import PredictResponse
from tensorflow_serving.apis.prediction_service_pb2_grpc import (
    PredictionServiceServicer,
    add_PredictionServiceServicer_to_server,
)

import tfner
from tfner.documents import Document
from tfner.exceptions import ConfigError, ServerError
from tfner.predict import predict
from tfner.serving.client.address import parse_address
from tfner.serving.client.asynchronous import AsyncRecognizer
from tfner.serving.client.grpc_transport import GrpcTransport
from tfner.serving.client.options import Options
from tfner.serving.client.rest_transport import RestTransport
from tfner.serving.client.synchronous import remote_recognizer

TEXTS = [
    "Anna met Bo", "", "\x00Bo\x00",
    "e\u0301A\u0301nna 👩🏽‍🚀 Åse Larsson; שלום \u202eAnna [SEP] (Paris)",
    "\ud800anna\udfff met Boris", "東京都 Bo",
    "nothing", " ".join(tiny.WORDS),
]  # fmt: skip
SENTENCES = [
    ["Anna", "met", "\x00", "", "New York", "東京"],
    [],
    ["Oslo"],
    ["", ""],
    ["\ud800", "Bo", ""],
]
CHARACTERS = st.one_of(
    st.characters(exclude_categories=()), st.sampled_from("aé\u0301👩🏽\u202eאב\x00\ud800 東.,-ß")
)
CODE = grpc.StatusCode


class Servicer(PredictionServiceServicer):
    """Answers through a recognizer; `script` holds the refusals that come first."""

    def __init__(self, recognizer=TOY, *script, as_fields=False):
        self.recognizer = recognizer
        self.script = list(script)
        self.as_fields = as_fields
        self.requests: list = []
        self.metadata: list[dict] = []
        self.may_answer = threading.Event()
        self.may_answer.set()

    def Predict(self, request, context):  # noqa: N802, the protocol's name
        self.requests.append(request)
        self.metadata.append(dict(context.invocation_metadata()))
        self.may_answer.wait(30)
        if self.script:
            context.abort(*self.script.pop(0))
        (proto,) = request.inputs.values()
        ask = {"serving_default": self.recognizer._ask_texts, "words": self.recognizer._ask_words}[
            request.model_spec.signature_name
        ]
        response = PredictResponse()
        for name, array in ask(tf.make_ndarray(proto).tolist()).items():
            if name in (request.output_filter or (name,)):
                response.outputs[name].CopyFrom(
                    fields_proto(array) if self.as_fields else tf.make_tensor_proto(array)
                )
        return response


def fields_proto(array: np.ndarray) -> TensorProto:
    """A tensor as the server writes it by default: one field entry a value."""
    dtype = tf.as_dtype(tf.string if array.dtype == object else array.dtype)
    proto = TensorProto(
        dtype=dtype.as_datatype_enum, tensor_shape=tf.TensorShape(array.shape).as_proto()
    )
    {"string": proto.string_val, "int32": proto.int_val, "float32": proto.float_val}[
        dtype.name
    ].extend(array.ravel().tolist())
    return proto


@contextmanager
def listening(servicer: Servicer, certificate=None):
    """Serve on a port of this machine; gives `localhost:PORT`."""
    server = grpc.server(ThreadPoolExecutor(2))
    add_PredictionServiceServicer_to_server(servicer, server)
    if certificate is None:
        port = server.add_insecure_port("localhost:0")
    else:
        pair = certificate.with_suffix(".key").read_bytes(), certificate.read_bytes()
        port = server.add_secure_port("localhost:0", grpc.ssl_server_credentials([pair]))
    server.start()
    try:
        yield f"localhost:{port}"
    finally:
        servicer.may_answer.set()
        server.stop(0).wait()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "localhost,127.0.0.1")


class Sleeper:
    """Sleeps by writing down how long."""

    def __init__(self):
        self.pauses: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.pauses.append(seconds)


def connected(place: str, sleep=None, **options):
    address, settings = parse_address(f"grpc://{place}/toy"), Options(**options)
    return remote_recognizer(
        address, settings, GrpcTransport(address, settings), sleep or Sleeper()
    )


@pytest.mark.parametrize("as_fields", [False, True])
def test_answers_are_the_models_own(as_fields):
    servicer = Servicer(as_fields=as_fields)
    documents = [*map(Document, TEXTS), *map(Document.from_words, SENTENCES), *map(Document, TEXTS)]
    with listening(servicer) as place:
        ner = tfner.connect(f"grpc://{place}/toy", texts_per_request=3)
        assert ner.batch(TEXTS) == TOY.batch(TEXTS)
        assert ner.tag_batch(SENTENCES) == TOY.tag_batch(SENTENCES)
        assert list(ner.documents(documents)) == list(TOY.documents(documents))
        asked = len(servicer.requests)
        assert ner.batch([]) == ner.tag_batch([]) == []
        assert len(servicer.requests) == asked


def test_asking_imports_no_tensorflow():
    code = """
        import sys, tfner
        with tfner.connect(f"grpc://{sys.argv[1]}/toy") as ner:
            print([entity.text for entity in ner("Anna")], "tensorflow" in sys.modules)
    """
    with listening(Servicer()) as place:
        command = [sys.executable, "-c", textwrap.dedent(code), place]
        said = subprocess.check_output(command, env=environment(), text=True)
    assert said.strip() == "['Anna'] False"


@pytest.mark.parametrize(
    ("path", "choice", "version", "label"),
    [
        ("toy", {}, None, ""),
        ("toy", {"version": 3}, 3, ""),
        ("toy/versions/0", {}, 0, ""),
        ("toy/labels/canary", {}, None, "canary"),
    ],
)
def test_a_request_names_model_version_and_signature(path, choice, version, label):
    servicer = Servicer()
    with listening(servicer) as place:
        ner = tfner.connect(
            f"grpc://{place}/{path}", headers={"Authorization": "Bearer x"}, **choice
        )
        assert ner("Anna") == TOY("Anna")
    spec = servicer.requests[0].model_spec
    assert (spec.name, spec.signature_name, spec.version_label) == ("toy", "serving_default", label)
    assert (spec.version.value if spec.HasField("version") else None) == version
    assert servicer.metadata[0]["authorization"] == "Bearer x"
    assert ner.card["name"] == "toy"


@pytest.mark.parametrize("code", [CODE.UNAVAILABLE, CODE.RESOURCE_EXHAUSTED])
def test_what_passes_is_tried_again(code):
    servicer, sleeper = Servicer(TOY, (code, "full"), (code, "full")), Sleeper()
    with listening(servicer) as place:
        assert connected(place, sleeper)("Anna") == TOY("Anna")
    assert (len(servicer.requests), len(sleeper.pauses)) == (3, 2)


@pytest.mark.parametrize(
    "code", [CODE.INVALID_ARGUMENT, CODE.NOT_FOUND, CODE.INTERNAL, CODE.UNAUTHENTICATED]
)
def test_what_stays_wrong_is_not_and_is_said_in_the_servers_words(code):
    servicer, sleeper = Servicer(TOY, (code, "Åse's \x1b problem")), Sleeper()
    with listening(servicer) as place, pytest.raises(ServerError) as caught:
        connected(place, sleeper)("Anna")
    assert str(caught.value) == f"grpc://{place}/toy: {code.name}: Åse's ␛ problem"
    assert (len(servicer.requests), sleeper.pauses, caught.value.transient) == (1, [], False)


@pytest.mark.parametrize(
    ("options", "tries"), [({}, 1), ({"retry_timeouts": True, "retries": 1}, 2)]
)
def test_a_server_that_is_too_slow(options, tries):
    servicer = Servicer()
    servicer.may_answer.clear()
    with (
        listening(servicer) as place,
        pytest.raises(ServerError, match=rf"{place}/toy: no answer within 0\.3 s"),
    ):
        connected(place, timeout=0.3, **options)("Anna")
    assert len(servicer.requests) == tries


def test_a_server_that_is_not_there():
    with listening(Servicer()) as place:
        pass
    sleeper = Sleeper()
    with pytest.raises(
        ServerError, match=rf"grpc://{place}/toy: UNAVAILABLE: .* \(tried 3 times\)"
    ):
        connected(place, sleeper, retries=2, connect_timeout=2)("Anna")
    assert len(sleeper.pauses) == 2


def test_an_answer_that_is_none():
    class Empty(Servicer):
        def Predict(self, request, context):  # noqa: N802
            return PredictResponse()

    message = "toy: not an answer to signature words: expected the output tag, got none"
    with listening(Empty()) as place, pytest.raises(ServerError, match=message):
        connected(place).tag(["a"])


def test_tls_is_trusted_only_with_its_authority(tmp_path):
    certificate = make_certificate(tmp_path)
    with listening(Servicer(), certificate) as place:
        url = f"grpcs://{place}/toy"
        assert tfner.connect(url, ca_file=str(certificate))("Anna") == TOY("Anna")
        with pytest.raises(ServerError, match=f"{url}: UNAVAILABLE: "):
            tfner.connect(url, retries=0, connect_timeout=2)("Anna")
    with pytest.raises(ConfigError, match=r"none\.pem: cannot be read as PEM certificates"):
        tfner.connect(url, ca_file=str(tmp_path / "none.pem"))


def test_the_command_asks_over_grpc_too(tmp_path):
    (tmp_path / "in.txt").write_text("Anna met Bo\n", encoding="utf-8")
    with listening(Servicer()) as place:
        predict(
            tmp_path / "in.txt", output=str(tmp_path / "out.jsonl"), server=f"grpc://{place}/toy"
        )
    (record,) = map(json.loads, (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines())
    assert [entity["text"] for entity in record["entities"]] == ["Anna", "Bo"]


class TestRealModel:
    """A model of TensorFlow, asked here, over REST, by asyncio and over gRPC."""

    @staticmethod
    def over_rest(**options):
        address, settings = parse_address("http://h/v1/models/tiny"), Options(**options)
        return remote_recognizer(
            address,
            settings,
            RestTransport(address, settings, httpx.MockTransport(FakeServer(tiny.live()))),
        )

    @pytest.mark.parametrize("count", [1, 3, 64])
    def test_all_clients_give_what_the_model_gives(self, count):
        live, documents = tiny.live(), [*map(Document, TEXTS), *map(Document.from_words, SENTENCES)]
        wanted = list(live.documents(documents))
        assert sum(map(len, wanted)) > 10

        async def use():
            address = parse_address("http://h/v1/models/tiny")
            http = httpx.MockTransport(FakeServer(live))
            async with AsyncRecognizer(address, Options(texts_per_request=count), 3, http) as ner:
                return [entities async for entities in ner.documents(documents)]

        with listening(Servicer(live)) as place:
            found = [
                list(self.over_rest(texts_per_request=count).documents(documents)),
                asyncio.run(use()),
                list(
                    tfner.connect(f"grpc://{place}/tiny", texts_per_request=count).documents(
                        documents
                    )
                ),
            ]
        for entities in found:
            assert_same(entities, wanted)

    def test_tags_and_scores_of_words_are_the_models(self):
        for (tags, scores), (wanted, wanted_scores) in zip(
            self.over_rest(texts_per_request=2).tag_batch(SENTENCES),
            tiny.live().tag_batch(SENTENCES),
            strict=True,
        ):
            assert tags == wanted
            np.testing.assert_allclose(scores, wanted_scores, atol=1e-5)

    @settings(max_examples=15)
    @given(st.lists(st.text(CHARACTERS, max_size=30)))
    def test_any_text_goes_there_and_back(self, texts):
        assert_same(self.over_rest(texts_per_request=4).batch(texts), tiny.live().batch(texts))


def assert_same(found, wanted) -> None:
    """The same entities; scores may differ as they do between batches of other make-up."""
    assert [[(*e.key, e.text) for e in row] for row in found] == [
        [(*e.key, e.text) for e in row] for row in wanted
    ]
    for row, others in zip(found, wanted, strict=True):
        np.testing.assert_allclose([e.score for e in row], [e.score for e in others], atol=1e-5)
