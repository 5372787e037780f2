"""The project's client against its server: the entities of a loaded model, over REST and gRPC."""

from __future__ import annotations

import asyncio

import pytest
import server_fakes as fakes
import tiny

import tfner
from tfner.documents import Document
from tfner.exceptions import ServerError
from tfner.serving.client import connect_async
from tfner.serving.server.app import ServerSettings, open_models
from tfner.serving.server.batching import ServerBatching
from tfner.serving.server.limits import Limits
from tfner.serving.server.servable import load_servable
from tfner.serving.server.service import Service

DOCUMENTS = [
    Document("Anna Svensson met Boris in New Oslo, 東京都."),
    Document(""),
    Document("e\u0301a 👩🏽‍🚀 Åse; שלום (Paris)"),
    Document.from_words(["Anna", "met", "\x00", "Boris"]),
    Document.from_words(["oslo"]),
    Document(" ".join(tiny.WORDS)),
]


@pytest.fixture(scope="module")
def addresses():
    def service():
        settings = ServerSettings(tiny.exported().parent, name="tiny", labels={"stable": 1})
        return Service(
            open_models(settings, load_servable), Limits(batch_size=64), ServerBatching()
        )

    with fakes.running(service) as (rest, rpc):
        yield [f"{rest}/v1/models/tiny", f"grpc://{rpc}/tiny"]


@pytest.fixture(params=["REST", "gRPC"])
def url(request, addresses):
    return addresses[["REST", "gRPC"].index(request.param)]


def rounded(entities):
    return [
        [(entity.key, entity.text, round(entity.score, 4)) for entity in found]
        for found in entities
    ]


def test_a_served_model_gives_the_entities_of_the_loaded_one(url):
    expected = rounded(tiny.loaded().documents(DOCUMENTS))
    assert sum(map(len, expected)) > 5
    assert rounded(tfner.connect(url).documents(DOCUMENTS)) == expected
    assert rounded(tfner.connect(url, label="stable").documents(DOCUMENTS)) == expected
    assert tfner.connect(url).tag(["Anna", "met", "Boris"]) == tiny.loaded().tag(
        ["Anna", "met", "Boris"]
    )


def test_many_clients_at_once_get_their_own_answers(addresses):
    texts = [
        " ".join(tiny.WORDS[start : start + length])
        for start in range(0, 40, 4)
        for length in (1, 5, 9)
    ]
    expected = dict(zip(texts, rounded(tiny.loaded().batch(texts)), strict=True))

    async def ask_all():
        async with connect_async(addresses[0]) as recognizer:
            return dict(zip(texts, await asyncio.gather(*map(recognizer, texts)), strict=True))

    assert {text: rounded([found])[0] for text, found in asyncio.run(ask_all()).items()} == expected


def test_errors_reach_the_user_in_the_servers_words(url):
    with pytest.raises(ServerError, match=r"Servable not found for request: Specific\(tiny, 7\)"):
        tfner.connect(url, version=7)("Anna")
