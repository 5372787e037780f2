"""Arguments of a wrong type: both recognizers say what they expected and what came, before anything
is asked."""

from __future__ import annotations

import asyncio

import httpx
import numpy as np
import pytest
from fake_server import TOY, URL, FakeServer, connected

from tfner.documents import Document
from tfner.serving.client.address import parse_address
from tfner.serving.client.asynchronous import AsyncRecognizer
from tfner.serving.client.options import Options

DOCUMENT = Document("Anna")
WRONG = [
    ("__call__", None, "text: expected a str, got None"),
    ("__call__", b"Anna", "text: expected a str, got bytes: b'Anna'"),
    ("__call__", ["Anna"], "text: expected a str, got list: ['Anna']"),
    ("__call__", DOCUMENT, "text: expected a str, got Document: "),
    ("batch", "a text", "texts: expected a list of str, got str: 'a text'"),
    ("batch", b"a text", "texts: expected a list of str, got bytes: b'a text'"),
    ("batch", None, "texts: expected a list of str, got None"),
    ("batch", 7, "texts: expected a list of str, got int: 7"),
    ("batch", {"a": "text"}, "texts: expected a list of str, got dict: {'a': 'text'}"),
    ("batch", ["Anna", b"Bo"], "texts[1]: expected a str, got bytes: b'Bo'"),
    ("batch", ["Anna", None], "texts[1]: expected a str, got None"),
    ("batch", [DOCUMENT], "texts[0]: expected a str, got Document: "),
    ("outputs", "a text", "texts: expected a list of str, got str: 'a text'"),
    ("outputs", [7], "texts[0]: expected a str, got int: 7"),
    ("tag", "a text", "words: expected a list of str, got str: 'a text'"),
    ("tag", None, "words: expected a list of str, got None"),
    ("tag", b"a text", "words: expected a list of str, got bytes: b'a text'"),
    ("tag", ["Anna", 7], "words[1]: expected a str, got int: 7"),
    ("tag", [["Anna"]], "words[0]: expected a str, got list: ['Anna']"),
    ("tag_batch", "a text", "sentences: expected a list of lists of str, got str: 'a text'"),
    ("tag_batch", None, "sentences: expected a list of lists of str, got None"),
    ("tag_batch", ["Anna"], "sentences[0]: expected a list of str, got str: 'Anna'"),
    ("tag_batch", [["Anna"], None], "sentences[1]: expected a list of str, got None"),
    ("tag_batch", [["Anna"], ["Bo", b"x"]], "sentences[1][1]: expected a str, got bytes: b'x'"),
    ("documents", None, "documents: expected "),
    ("documents", "a text", "documents: expected "),
    ("documents", b"a text", "documents: expected "),
    ("documents", DOCUMENT, "documents: expected "),
    ("documents", [DOCUMENT, 7], "documents[1]: expected a Document, got int: 7"),
    ("documents", [DOCUMENT, None], "documents[1]: expected a Document, got None"),
    ("documents", [Document(b"x")], "documents[0].text: expected a str, got bytes: b'x'"),
]
wrong_arguments = pytest.mark.parametrize(("method", "argument", "message"), WRONG)


@wrong_arguments
def test_a_recognizer_says_what_it_expected(method, argument, message):
    server = FakeServer()
    with pytest.raises(TypeError) as caught:
        list(getattr(connected(server), method)(argument))
    assert str(caught.value).startswith(message)
    assert server.requests == []


@wrong_arguments
def test_the_one_for_asyncio_says_the_same(method, argument, message):
    server = FakeServer()

    async def ask():
        http = httpx.MockTransport(lambda request: server(request))
        async with AsyncRecognizer(parse_address(URL), Options(), http=http) as ner:
            answer = getattr(ner, method)(argument)
            if method == "documents":
                return [found async for found in answer]
            return await answer

    with pytest.raises(TypeError) as caught:
        asyncio.run(ask())
    assert str(caught.value).startswith(message)
    assert server.requests == []


def test_documents_says_at_once_what_can_be_seen_at_once():
    with pytest.raises(TypeError, match="documents: expected an iterable of Document, got str"):
        TOY.documents("a text")


def test_plain_texts_are_no_documents_where_only_documents_are_taken():
    with pytest.raises(TypeError, match=r"documents\[0\]: expected a Document, got str: 'Anna'"):
        list(TOY.documents(["Anna"]))


def test_a_long_value_is_not_shown_whole():
    with pytest.raises(TypeError, match=r"^text: expected a str, got bytes: b'a{30,40}\.\.\.$"):
        TOY(b"a" * 10_000)


def test_what_can_be_iterated_over_is_taken_as_before():
    texts = ["Anna met Bo", "", "Bo"]
    wanted = TOY.batch(texts)
    for given in (tuple(texts), iter(texts), np.array(texts), np.array(texts, object)):
        assert TOY.batch(given) == wanted
    assert TOY.tag(np.array(["Anna", "met"])) == TOY.tag(("Anna", "met")) == ["B-PER", "O"]
    assert TOY.tag(iter(["Anna"])) == ["B-PER"]
    assert TOY.tag_batch(iter([("Anna",)])) == TOY.tag_batch([["Anna"]])
