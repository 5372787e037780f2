"""One more output of an export costs one declaration: here is all that it takes, and what has it
then.

`entity_length` counts an entity's characters. Nothing outside this file knows of it.
"""

from __future__ import annotations

import asyncio
import json

import httpx
import numpy as np
import pytest
import server_fakes as fakes
import tensorflow as tf
import tiny
from markdown_it import MarkdownIt

import tfner
from tfner.serving import schema
from tfner.serving.client import connect_async
from tfner.serving.export.bundle import export_model, live_recognizer, make_card
from tfner.serving.schema import SIGNATURES, TEXTS, OutputSchema
from tfner.serving.server.app import ServerSettings, open_models
from tfner.serving.server.servable import load_servable
from tfner.serving.server.service import Service

pytestmark = pytest.mark.long

LENGTH = OutputSchema(
    "entity_length",
    "int32",
    "BE",
    "characters of the entity",
    absent=-1,
    compute=lambda found: (
        found.at_last(found.tokens.unit_end) - found.at_first(found.tokens.unit_start)
    ),
)
ASKED = ["Anna met Boris in New Oslo.", "", "the ACME Corp. near paris", " ".join(tiny.WORDS)]


@pytest.fixture(scope="module", autouse=True)
def declared():
    """Declare the output, as long as the tests of this file run."""
    tiny.loaded()  # is kept for other files, and must not have it
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SIGNATURES, TEXTS, SIGNATURES[TEXTS].with_output(LENGTH))
        yield


@pytest.fixture(scope="module")
def folder(declared, tmp_path_factory):
    """An export that has the output."""
    card = make_card(tiny.tagger(), name="more")
    return export_model(tiny.tagger(), card, tmp_path_factory.mktemp("exports") / "more")


def service(folder, name):
    settings = ServerSettings(folder.parent, name=name)
    return Service(open_models(settings, load_servable), settings.limits, settings.batching)


@pytest.fixture(scope="module")
def addresses(folder):
    """REST URL and gRPC address of a server that has the export."""
    with fakes.running(lambda: service(folder, "more")) as (rest, rpc):
        yield f"{rest}/v1/models/more", f"grpc://{rpc}/more"


@pytest.fixture(scope="module")
def wanted(folder):
    """Compute the lengths of the entities that are found, -1 behind them: [B, E]."""
    found = tiny.loaded().batch(ASKED)
    lengths = np.full((len(ASKED), max(map(len, found))), -1, np.int32)
    for row, entities in enumerate(found):
        lengths[row, : len(entities)] = [entity.end - entity.start for entity in entities]
    assert (lengths == -1).any()
    assert (lengths > 0).any()
    return lengths


def test_the_saved_model_has_it_in_its_signature(folder):
    loaded = tf.saved_model.load(str(folder))
    spec = loaded.signatures[TEXTS].structured_outputs["entity_length"]
    assert (spec.dtype, spec.shape.as_list()) == (tf.int32, [None, None])


def test_a_recognizer_in_this_process_gives_it(folder, wanted):
    loaded = tfner.load(folder)
    np.testing.assert_array_equal(loaded.outputs(ASKED)["entity_length"], wanted)
    live = live_recognizer(tiny.tagger(), make_card(tiny.tagger()))
    np.testing.assert_array_equal(live.outputs(ASKED)["entity_length"], wanted)
    assert [[e.key for e in found] for found in loaded.batch(ASKED)] == [
        [e.key for e in found] for found in tiny.loaded().batch(ASKED)
    ]


def test_the_local_server_answers_with_it_over_rest(addresses, wanted):
    answer = httpx.post(f"{addresses[0]}:predict", json={"inputs": {"text": ASKED}}).json()
    np.testing.assert_array_equal(answer["outputs"]["entity_length"], wanted)
    by_row = httpx.post(f"{addresses[0]}:predict", json={"instances": ASKED[:1]}).json()
    assert "entity_length" in by_row["predictions"][0]


@pytest.mark.parametrize("transport", ["REST", "gRPC"])
@pytest.mark.parametrize("texts_per_request", [1, 3, 64])
def test_clients_give_it_merged_over_their_requests(
    addresses, wanted, transport, texts_per_request
):
    url = addresses[["REST", "gRPC"].index(transport)]
    ner = tfner.connect(url, texts_per_request=texts_per_request)
    answer = ner.outputs(ASKED)
    np.testing.assert_array_equal(answer["entity_length"], wanted)
    assert answer["entity_length"].dtype == np.int32
    assert len(ner("Anna met Boris")) == len(tiny.loaded()("Anna met Boris"))


def test_the_client_for_asyncio_gives_it_too(addresses, wanted):
    async def ask():
        async with connect_async(addresses[0], texts_per_request=1) as ner:
            return await ner.outputs(ASKED)

    np.testing.assert_array_equal(asyncio.run(ask())["entity_length"], wanted)


def test_requests_that_the_server_answers_together_each_get_their_own(addresses, wanted):
    async def ask_all():
        async with connect_async(addresses[0]) as ner:
            return await asyncio.gather(*(ner.outputs([text]) for text in ASKED))

    for answer, lengths in zip(asyncio.run(ask_all()), wanted, strict=True):
        np.testing.assert_array_equal(answer["entity_length"][0], lengths[lengths != -1])


def test_both_cards_tell_of_it(folder):
    card = json.loads((folder / "assets.extra" / "tfner.json").read_text())
    assert card["signatures"][TEXTS]["outputs"]["entity_length"] == {
        "dtype": "int32",
        "axes": ["B", "E"],
        "absent": -1,
        "description": "characters of the entity",
    }
    page = (folder / "assets.extra" / "README.md").read_text()
    rows = MarkdownIt("commonmark").enable("table").render(page).split("<tr>")
    (row,) = [row for row in rows if "entity_length" in row]
    for cell in ("serving_default", "int32 [B, E]", "characters of the entity", "-1"):
        assert cell in row


@pytest.fixture(scope="module")
def older():
    """Addresses of a server that has an export from before the declaration."""
    with fakes.running(lambda: service(tiny.exported(), "old")) as (rest, rpc):
        yield f"{rest}/v1/models/old", f"grpc://{rpc}/old"


def test_an_older_export_loads_and_answers_here():
    ner = tfner.load(tiny.exported())
    assert "entity_length" not in ner.outputs(ASKED)
    assert any(ner.batch(ASKED))


@pytest.mark.parametrize("transport", ["REST", "gRPC"])
def test_an_older_export_answers_behind_a_server(older, transport):
    ner = tfner.connect(older[["REST", "gRPC"].index(transport)], texts_per_request=1)
    assert "entity_length" not in ner.outputs(ASKED)
    assert any(ner.batch(ASKED))


def test_an_answer_with_more_than_is_declared_is_read_all_the_same(addresses, monkeypatch):
    monkeypatch.setitem(SIGNATURES, TEXTS, schema.ENTITIES_OF_TEXTS)
    for url in addresses:
        answer = tfner.connect(url).outputs(ASKED)
        assert list(answer) == [output.name for output in schema.ENTITIES_OF_TEXTS.outputs]


def test_an_output_of_another_type_than_declared_is_refused_when_the_graph_is_made(monkeypatch):
    wrong = OutputSchema(
        "entity_half", "float32", "BE", "", 0.0, lambda found: found.spans.entity_type
    )
    monkeypatch.setitem(SIGNATURES, TEXTS, SIGNATURES[TEXTS].with_output(wrong))
    ner = live_recognizer(tiny.tagger(), {})
    with pytest.raises(TypeError, match=r"entity_half: expected float32 \[B, E\], got int32"):
        ner("Anna")


def test_rows_that_a_server_could_not_cut_are_refused():
    message = "^output entity_length: expected absent=-1, got -7$"
    with pytest.raises(ValueError, match=message):
        OutputSchema("entity_length", "int32", "BE", "", -7, lambda found: found)
