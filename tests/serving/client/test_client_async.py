"""The client for asyncio: the model's own answers in order, a bounded number of requests at once,
and nothing held beyond that."""

from __future__ import annotations

import asyncio
import random
import weakref

import httpx
import pytest
from fake_server import TOY, FakeServer, refusal
from hypothesis import given, settings
from hypothesis import strategies as st

from tfner.documents import Document
from tfner.exceptions import ConfigError, ServerError
from tfner.serving.client import connect_async
from tfner.serving.client.address import parse_address
from tfner.serving.client.asynchronous import AsyncRecognizer
from tfner.serving.client.options import Options

URL = "http://host:8501/v1/models/toy"
TEXTS = [f"{'Anna' * (number % 5)} met Bo{number}" for number in range(40)]


class SlowServer(FakeServer):
    """Answers each request after `steps()` turns of the event loop; knows how many there were at
    once, and how many were given up."""

    def __init__(self, *script, steps=lambda: 3):
        super().__init__(TOY, *script)
        self.steps = steps
        self.open = self.most = self.given_up = 0

    async def handle(self, request: httpx.Request) -> httpx.Response:
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            for _ in range(self.steps()):
                await asyncio.sleep(0)
            return self(request)
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        finally:
            self.open -= 1


class Sleeper:
    """Sleeps by writing down how long."""

    def __init__(self):
        self.pauses: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.pauses.append(seconds)


def connected(server: SlowServer, in_flight: int = 4, sleep=None, **options) -> AsyncRecognizer:
    return AsyncRecognizer(
        parse_address(URL),
        Options(**options),
        in_flight,
        httpx.MockTransport(server.handle),
        sleep or Sleeper(),
    )


def run(server: SlowServer, use, **options):
    """What `use` makes of a recognizer over `server`."""

    async def session():
        async with connected(server, **options) as ner:
            return await use(ner)

    return asyncio.run(session())


async def all_of(stream) -> list:
    return [item async for item in stream]


items = st.one_of(
    st.sampled_from(["Anna", "", "\ud800Bo", "e\u0301 👩🏽‍🚀 Bo", "Ä" * 50]),
    st.lists(st.sampled_from(["Anna", "met", "", "\x00"]), max_size=5).map(Document.from_words),
    st.text(max_size=9).map(Document),
)


@settings(max_examples=60)
@given(
    st.lists(items, max_size=15),
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(1, 60),
    st.randoms(use_true_random=False),
)
def test_documents_are_answered_in_order_whichever_answer_comes_first(
    items, in_flight, count, most, draw
):
    server = SlowServer(steps=lambda: draw.randrange(6))
    found = run(
        server,
        lambda ner: all_of(ner.documents(items)),
        in_flight=in_flight,
        texts_per_request=count,
        bytes_per_request=most,
    )
    assert found == list(
        TOY.documents(Document(item) if isinstance(item, str) else item for item in items)
    )
    assert server.most <= in_flight


@settings(max_examples=30)
@given(
    st.lists(
        st.lists(st.sampled_from(["Anna", "Bo", "met", "", "\ud800"]), max_size=6), max_size=9
    ),
    st.integers(1, 4),
)
def test_sentences_are_tagged_in_order(sentences, count):
    assert run(
        SlowServer(), lambda ner: ner.tag_batch(sentences), texts_per_request=count
    ) == TOY.tag_batch(sentences)


@pytest.mark.parametrize("scores", [False, True])
def test_scores_have_one_shape_for_one_sentence_and_for_several(scores):
    sentences = [["Anna", "met"], [], ["Bo", ""]]

    async def use(ner):
        one_by_one = [await ner.tag(words, scores=scores) for words in sentences]
        return one_by_one, await ner.tag_batch(sentences, scores=scores)

    wanted = [TOY.tag(words, scores=scores) for words in sentences]
    assert TOY.tag_batch(sentences, scores=scores) == wanted
    assert run(SlowServer(), use) == (wanted, wanted)
    assert isinstance(wanted[0][0], tuple) == scores


def test_one_text_and_one_sentence():
    async def use(ner):
        return (
            await ner("Anna met"),
            await ner.tag(["Anna", "met"]),
            await ner.tag([]),
            await ner.batch([]),
            ner.card,
        )

    found = run(SlowServer(), use)
    assert found == (TOY("Anna met"), ["B-PER", "O"], [], [], {"name": "toy", "url": URL})


@pytest.mark.parametrize("in_flight", [1, 2, 5])
def test_so_many_requests_are_in_flight_and_no_more(in_flight):
    server = SlowServer(steps=lambda: 20)
    assert run(
        server, lambda ner: ner.batch(TEXTS), in_flight=in_flight, texts_per_request=2
    ) == TOY.batch(TEXTS)
    assert server.most == in_flight
    server = SlowServer(steps=lambda: 20)
    found = run(server, lambda ner: asyncio.gather(*map(ner, TEXTS)), in_flight=in_flight)
    assert (found, server.most) == (TOY.batch(TEXTS), in_flight)


class Text(str):
    """A text of which one can see whether anyone still holds it."""


@pytest.mark.parametrize("in_flight", [1, 2, 5])
def test_a_stream_is_read_as_its_answers_are_taken_and_no_text_is_kept(in_flight):
    read = taken = 0
    ahead, held, alive = [], [], weakref.WeakSet()

    def source():
        nonlocal read
        for number in range(60):
            read += 1
            text = Text(f"Bo{number}")
            alive.add(text)
            ahead.append(read - taken)
            held.append(len(alive))
            yield text

    async def use(ner):
        nonlocal taken
        async for _ in ner.documents(source()):
            taken += 1

    run(
        SlowServer(steps=lambda: random.Random(read).randrange(9)),
        use,
        in_flight=in_flight,
        texts_per_request=3,
    )
    assert taken == 60
    assert max(ahead) == 3 * in_flight
    assert max(held) <= 3 * in_flight + 1  # the last one read stays in a variable until the next


def test_an_asynchronous_stream_is_not_waited_for_when_a_request_is_full():
    async def use(ner):
        taken = asyncio.Event()

        async def source():
            yield "Anna"
            yield "Bo"
            await taken.wait()
            yield Document.from_words(["Anna"])

        found = []
        async for entities in ner.documents(source()):
            found.append([entity.text for entity in entities])
            taken.set()
        return found

    server = SlowServer()
    assert run(
        server, lambda ner: asyncio.wait_for(use(ner), 30), in_flight=1, texts_per_request=2
    ) == [["Anna"], ["Bo"], ["Anna"]]
    assert len(server.requests) == 2


def test_retries_keep_the_rule_of_the_client_that_waits():
    busy = httpx.Response(503, content=refusal("full"), headers={"Retry-After": "2"})
    server, sleeper = SlowServer(busy, httpx.ConnectError("refused")), Sleeper()
    assert run(server, lambda ner: ner("Anna"), sleep=sleeper) == TOY("Anna")
    assert sleeper.pauses[0] == 2
    assert 0.2 <= sleeper.pauses[1] <= 0.4
    server, sleeper = SlowServer(*[httpx.ConnectError("refused")] * 9), Sleeper()
    with pytest.raises(ServerError, match=r"toy: cannot be reached: refused \(tried 3 times\)"):
        run(server, lambda ner: ner("Anna"), sleep=sleeper, retries=2)
    assert len(server.requests) == len(sleeper.pauses) + 1 == 3


def test_an_error_comes_in_its_place_and_ends_the_rest():
    started = []

    def steps() -> int:
        started.append(True)
        return 1 if len(started) <= 3 else 10_000

    class Refusing(SlowServer):
        def __call__(self, request):
            return (
                httpx.Response(400, content=refusal("no"))
                if b"Bo2" in request.content
                else super().__call__(request)
            )

    server, found = Refusing(steps=steps), []

    async def use(ner):
        async for entities in ner.documents(TEXTS):
            found.append(entities)

    with pytest.raises(ServerError, match="toy: HTTP 400: no"):
        run(server, use, in_flight=2, texts_per_request=1)
    assert found == TOY.batch(TEXTS[:2])
    assert (len(started), server.given_up, server.open) == (4, 1, 0)


def test_who_stops_reading_stops_the_requests():
    server = SlowServer(steps=lambda: 2 if not server.requests else 10_000)

    async def use(ner):
        stream = ner.documents(TEXTS)
        first = await anext(stream)
        await stream.aclose()
        return first, server.open

    assert run(server, use, in_flight=3, texts_per_request=1) == (TOY(TEXTS[0]), 0)
    assert len(server.requests) <= 3
    assert server.given_up == 3 - len(server.requests)


def test_what_cannot_be_asked_so_is_refused():
    with pytest.raises(
        ConfigError,
        match="grpc://h:8500/toy: expected an http or https URL: there is no asynchronous client",
    ):
        connect_async("grpc://h:8500/toy")
    with pytest.raises(ConfigError, match="in_flight: expected 1 or more, got 0"):
        connect_async(URL, in_flight=0)
    with pytest.raises(ConfigError, match="timeout: expected"):
        connect_async(URL, timeout=-1)
