"""The client of a server: what comes back is what the model gave, what goes out is bounded and in
the server's own format."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from itertools import pairwise

import httpx
import numpy as np
import pytest
from fake_server import TOY, URL, FakeServer, Sleeper, connected
from hypothesis import given, settings
from hypothesis import strategies as st

import tfner
from tfner.documents import Document
from tfner.exceptions import MissingExtraError, ServerError
from tfner.serving.client.address import parse_address
from tfner.serving.client.options import Options
from tfner.serving.client.rest_transport import RestTransport
from tfner.serving.client.synchronous import Client, remote_recognizer
from tfner.serving.schema import TEXTS, WORDS
from tfner.tagging.schemes import PREFIXES, read_spans

ODD = [
    "e\u0301A\u0301nna 👩🏽‍🚀 Bo", "\ud800Anna\udfff", "שלום \u202eAnna", "", "\x00Bo\x00",
    "東京 Bo", '{"b64": "QQ=="} Bo',
    "\ufeffBo \ufffd",
]  # fmt: skip
texts = st.lists(
    st.one_of(st.sampled_from(ODD), st.text(st.characters(exclude_categories=()), max_size=12)),
    max_size=12,
)
sentences = st.lists(
    st.lists(
        st.sampled_from(["Anna", "Bo", "met", "", "\x00", "\ud800", "東", "Ä b", "e\u0301"]),
        max_size=6,
    ),
    max_size=9,
)
limits = st.fixed_dictionaries(
    {"texts_per_request": st.integers(1, 5), "bytes_per_request": st.integers(1, 60)}
)


class TestAnswers:
    @settings(max_examples=60)
    @given(texts, limits)
    def test_of_texts_are_the_models_own_however_they_are_split(self, texts, limits):
        assert connected(FakeServer(), **limits).batch(texts) == TOY.batch(texts)

    @settings(max_examples=60)
    @given(sentences, limits)
    def test_of_words_are_the_models_own_however_they_are_split(self, sentences, limits):
        assert connected(FakeServer(), **limits).tag_batch(sentences) == TOY.tag_batch(sentences)

    @settings(max_examples=30)
    @given(texts, sentences, limits)
    def test_of_documents_come_in_order_with_words_and_without(self, texts, sentences, limits):
        documents = [
            *map(Document, texts),
            *map(Document.from_words, sentences),
            *map(Document, texts),
        ]
        assert list(connected(FakeServer(), **limits).documents(iter(documents))) == list(
            TOY.documents(documents)
        )

    def test_of_one_text_or_sentence(self):
        ner = connected(FakeServer())
        assert [entity.text for entity in ner("Anna met Bo")] == ["Anna", "Bo"]
        assert ner.tag(["Anna", "Bo", "met"]) == ["B-PER", "I-PER", "O"]

    def test_without_anything_to_ask_nobody_is_asked(self):
        server = FakeServer()
        ner = connected(server)
        assert ner.batch([]) == ner.tag([]) == ner.tag_batch([]) == []
        assert ner.tag_batch([[], ["", ""]]) == [([], []), (["O", "O"], [0.0, 0.0])]
        assert server.requests == []

    def test_with_numbers_that_are_none_do_not_stop_the_reader(self):
        server = FakeServer(
            TOY,
            httpx.Response(
                200, content=b'{"outputs": {"tag": [["O", "O"]], "score": [[NaN, -Infinity]]}}'
            ),
        )
        ((_, scores),) = connected(server).tag_batch([["a", "b"]])
        assert np.isnan(scores[0])
        assert scores[1] == -np.inf

    @settings(max_examples=60)
    @given(st.lists(st.sampled_from(["O", "B-A", "I-A", "E-A", "S-A", "L-B", "U-B", "I-B", "B-B"])))
    def test_are_read_into_the_same_spans_whatever_the_models_scheme_is(self, tags):
        assert len({tuple(read_spans(tags, scheme)[0]) for scheme in PREFIXES}) == 1


ASKED = b'{"signature_name": "serving_default", "inputs": {"text": ["Anna"]}}'
GOOD = json.loads(FakeServer().respond("POST", "/v1/models/toy:predict", ASKED)[1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"entity_end": None},
            "expected the output entity_end, "
            "got entity_count, entity_label, entity_score, entity_start: is this",
        ),
        ({"entity_start": [[0], [1]]}, "output entity_start: expected B to be 1, got 2"),
        ({"entity_start": [[0, 1]]}, "output entity_end: expected E to be 2, got 1"),
        ({"entity_start": [0]}, "output entity_start: 2 dimensions expected, 1 found"),
        ({"entity_start": [[0], 1]}, "output entity_start: "),
        ({"entity_start": [[0.5]]}, "output entity_start: int32 expected, float64 found"),
        ({"entity_start": "abc"}, "output entity_start: 2 dimensions expected, 0 found"),
        ({"entity_score": [["high"]]}, "output entity_score: float32 expected"),
        ({"entity_score": [[None]]}, "output entity_score: float32 expected"),
        ({"entity_label": [[7]]}, "output entity_label: strings expected, int found"),
        ({"entity_label": ["L"]}, "output entity_label: 2 dimensions expected, 1 found"),
        ({"entity_label": [["\ud800"]]}, "output entity_label: 'utf-8' codec can't encode"),
        ({"entity_count": [1, 1]}, "output entity_count: expected B to be 1, got 2"),
    ],
)
def test_an_answer_of_another_shape_is_an_error_that_names_it(change, message):
    outputs = {
        name: value for name, value in {**GOOD["outputs"], **change}.items() if value is not None
    }
    server = FakeServer(TOY, httpx.Response(200, content=json.dumps({"outputs": outputs})))
    with pytest.raises(ServerError) as caught:
        connected(server)("Anna")
    assert str(caught.value).startswith(
        f"{URL}: not an answer to signature serving_default: {message}"
    )
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"\xff", b"[1]", b'{"predictions": []}', b'{"outputs": [1]}', b"[" * 100_000],
)
def test_what_is_no_answer_at_all_is_an_error_too(body):
    with pytest.raises(ServerError, match="not an answer to signature words: "):
        connected(FakeServer(TOY, httpx.Response(200, content=body))).tag(["a"])


def test_tags_for_other_words_than_were_sent_are_an_error():
    answer = httpx.Response(200, json={"outputs": {"tag": [["O"]], "score": [[1]]}})
    with pytest.raises(ServerError, match="words: output tag: expected W to be 2, got 1"):
        connected(FakeServer(TOY, answer)).tag(["a", "b"])


class TestRequests:
    @settings(max_examples=60)
    @given(texts, limits)
    def test_are_as_full_as_the_limits_allow(self, texts, limits):
        server = FakeServer()
        connected(server, **limits).batch(texts)
        sent = server.sent
        assert [text for request in sent for text in request] == [
            utf8(text) for text in sorted(texts, key=len, reverse=True)
        ]
        for request in sent:
            assert len(request) == 1 or padded_size(request) <= limits["bytes_per_request"]
            assert len(request) <= limits["texts_per_request"]
        for request, following in pairwise(sent):
            more = [*request, following[0]]
            assert (
                len(more) > limits["texts_per_request"]
                or padded_size(more) > limits["bytes_per_request"]
            )

    def test_with_words_are_only_as_wide_as_their_own_sentences(self):
        server = FakeServer()
        connected(server, texts_per_request=2).tag_batch([["a"], ["b", ""], ["c"] * 5, ["d"]])
        assert server.sent == [[[b"a"], [b"b"]], [[b"c"] * 5, [b"d", b"", b"", b"", b""]]]

    def test_ask_for_one_signature_in_columns(self):
        server = FakeServer()
        ner = connected(server)
        ner('Anna "ü"')
        ner.tag(["a"])
        assert [json.loads(request.content) for request in server.requests] == [
            {"signature_name": "serving_default", "inputs": {"text": ['Anna "ü"']}},
            {"signature_name": "words", "inputs": {"words": [["a"]]}},
        ]

    def test_with_bytes_that_are_no_utf8_hold_them_in_base64(self):
        server = FakeServer()
        transport = RestTransport(parse_address(URL), Options(), httpx.MockTransport(server))
        with pytest.raises(UnicodeDecodeError):  # of the toy model: the bytes have come through
            Client(transport, Options(), Sleeper()).ask_texts(
                [b"a\xff", b"\xed\xa0\x80", "ü".encode()]
            )
        assert json.loads(server.requests[0].content)["inputs"]["text"] == [
            {"b64": "Yf8="},
            {"b64": "7aCA"},
            "ü",
        ]

    def test_carry_headers_login_and_time_limits(self):
        server = FakeServer()
        connected(server, headers={"Authorization": "Bearer x"}, timeout=7, connect_timeout=2)(
            "Anna"
        )
        assert server.requests[0].headers["authorization"] == "Bearer x"
        assert server.requests[0].extensions["timeout"] == {
            "connect": 2,
            "read": 7,
            "write": 7,
            "pool": None,
        }
        connected(server, url="http://me:p%40ss@host:8501/v1/models/toy")("Anna")
        assert (
            server.requests[1].headers["authorization"]
            == httpx.BasicAuth("me", "p@ss")._auth_header
        )
        assert "p%40ss" not in str(server.requests[1].url)


def utf8(text: str) -> bytes:
    return "".join(
        "\ufffd" if "\ud800" <= character <= "\udfff" else character for character in text
    ).encode("utf-8")


def padded_size(texts: list[bytes]) -> int:
    return len(texts) * max(map(len, texts))


def test_connections_are_given_back_with_the_recognizer():
    closed = []

    class Transport:
        def __call__(self, signature, values):
            return {TEXTS: TOY._ask_texts, WORDS: TOY._ask_words}[signature.name](values)

        def close(self):
            closed.append(True)

    ner = remote_recognizer(parse_address(URL), Options(), Transport())
    assert ner("Anna") == TOY("Anna")
    ask = ner.batch
    del ner
    gc.collect()
    assert closed == []
    assert ask(["Anna"]) == TOY.batch(["Anna"])
    del ask
    gc.collect()
    assert closed == [True]


def test_grpc_without_its_packages_names_the_line_that_installs_them(monkeypatch):
    monkeypatch.setitem(sys.modules, "grpc", None)
    monkeypatch.delitem(sys.modules, "tfner.serving.client.grpc_transport", raising=False)
    with pytest.raises(
        MissingExtraError,
        match=r"over gRPC needs the package grpc, .*: pip install 'tfner\[serving\]'",
    ):
        tfner.connect("grpc://h:8500/toy")


def test_a_rest_client_imports_no_tensorflow():
    code = """
import sys, tfner
ner = tfner.connect("http://127.0.0.1:9/v1/models/toy", retries=0)
try:
    ner("Anna")
except tfner.exceptions.ServerError as error:
    print(error)
import tfner.serving.client.asynchronous
print(sorted({"tensorflow", "tf_keras", "keras", "transformers", "grpc"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("http://127.0.0.1:9/v1/models/toy: cannot be reached: ")
    assert done.stdout.endswith("\n[]\n")
