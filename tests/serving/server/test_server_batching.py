"""Gathering requests: each gets what it would have got alone, and nobody waits without need."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
import server_fakes as fakes
from hypothesis import given
from hypothesis import strategies as st

from tfner.serving.server import batching
from tfner.serving.server.batching import BatchScheduler, ServerBatching
from tfner.serving.server.request_error import RequestError
from tfner.serving.server.request_merger import merger_of
from tfner.serving.server.signature import ServedSignature, TensorSpec

NEVER = {"wait_seconds": 1000.0, "wait_share": 1e9}  # longer than a test may take
WORDS = st.sampled_from(["Anna", "Bo", "met", "שלום", "a", "Émile"])
TEXTS = st.lists(st.lists(WORDS, max_size=6).map(" ".join), max_size=4)
SENTENCES = st.integers(0, 5).flatmap(
    lambda width: st.lists(st.lists(WORDS, min_size=width, max_size=width), min_size=1, max_size=3)
)


def texts(*values):
    return {"text": np.array([value.encode() for value in values], object)}


def words(rows):
    tensor = np.empty((len(rows), len(rows[0])), object)
    tensor[:] = [[word.encode() for word in row] for row in rows]
    return {"words": tensor}


def with_scheduler(scenario, model, signature="serving_default", **settings):
    """Run `scenario(scheduler)` in an event loop, over threads of its own."""
    with ThreadPoolExecutor(4) as executor:
        settings = ServerBatching(**{"wait_seconds": 0.001, **settings})

        async def main():
            return await scenario(
                BatchScheduler(
                    partial(model, signature),
                    merger_of(fakes.SIGNATURES[signature]),
                    settings,
                    executor,
                )
            )

        return asyncio.run(main())


async def ask_all(requests, scheduler):
    return await asyncio.gather(*map(scheduler.ask, requests), return_exceptions=True)


def assert_same(answers, requests, signature):
    for answer, request in zip(answers, requests, strict=True):
        alone = fakes.ANSWERS[signature](request)
        assert answer.keys() == alone.keys()
        for name, value in alone.items():
            np.testing.assert_array_equal(answer[name], value)
            assert answer[name].shape == value.shape


async def ask_behind(first, requests, scheduler, model):
    """Let `first` occupy the model, queue the others, then let go."""
    model.gate.clear()
    leading = asyncio.ensure_future(scheduler.ask(first))
    await asyncio.to_thread(model.entered.acquire)
    rest = asyncio.ensure_future(ask_all(requests, scheduler))
    while len(scheduler._queue) < len(requests):
        await asyncio.sleep(0)
    model.gate.set()
    return await leading, await rest


@given(st.lists(TEXTS, min_size=1, max_size=6), st.integers(1, 8))
def test_texts_asked_together_are_answered_as_if_alone(groups, rows):
    requests = [texts(*group) for group in groups]
    answers = with_scheduler(partial(ask_all, requests), fakes.FakeModel(), max_batch_size=rows)
    assert_same(answers, requests, "serving_default")


@given(st.lists(SENTENCES, min_size=1, max_size=5))
def test_words_asked_together_are_answered_as_if_alone(groups):
    requests = list(map(words, groups))
    answers = with_scheduler(partial(ask_all, requests), fakes.FakeModel(), "words")
    assert_same(answers, requests, "words")


def test_what_waits_goes_into_one_call_in_order_of_arrival():
    model = fakes.FakeModel()
    requests = [texts(f"A{number}") for number in range(5)]
    with_scheduler(
        lambda scheduler: ask_behind(texts("first"), requests, scheduler, model),
        model,
        parallel=1,
        max_batch_size=4,
    )
    assert [inputs["text"].tolist() for _, inputs in model.calls] == [
        [b"first"],
        [b"A0", b"A1", b"A2", b"A3"],
        [b"A4"],
    ]


def test_a_long_text_is_not_padded_onto_others(monkeypatch):
    monkeypatch.setattr(batching, "CHARACTERS_AT_ONCE", 30)
    model = fakes.FakeModel()
    requests = [texts("a"), texts("b"), texts("long " * 5), texts("c")]
    with_scheduler(
        lambda scheduler: ask_behind(texts("first"), requests, scheduler, model), model, parallel=1
    )
    assert [len(inputs["text"]) for _, inputs in model.calls] == [1, 2, 1, 1]


def test_a_large_request_stays_in_one_piece():
    model = fakes.FakeModel()
    answer = with_scheduler(
        lambda scheduler: scheduler.ask(texts(*"abcdef")), model, max_batch_size=2
    )
    assert len(answer["entity_count"]) == 6
    assert len(model.calls) == 1


def test_one_bad_request_spoils_no_other():
    model = fakes.FakeModel()
    requests = [texts("Anna"), texts(fakes.REFUSED.decode()), texts("Bo")]
    _, (first, refused, last) = with_scheduler(
        lambda scheduler: ask_behind(texts("x"), requests, scheduler, model), model, parallel=1
    )
    assert isinstance(refused, RequestError)
    assert_same([first, last], [requests[0], requests[2]], "serving_default")


def test_a_lone_client_never_waits():
    async def one_after_another(scheduler):
        return [await scheduler.ask(texts("Anna")) for _ in range(3)]

    with_scheduler(one_after_another, fakes.FakeModel(), **NEVER)


def test_clients_that_ask_again_at_once_are_answered_together():
    """The first finds the model free; others come meanwhile, and then all wait for each other."""
    model = fakes.FakeModel()

    async def client(scheduler, requests):
        for _ in range(requests):
            await scheduler.ask(texts("Anna"))

    async def scenario(scheduler):
        await asyncio.gather(client(scheduler, 4), client(scheduler, 3), client(scheduler, 3))

    with_scheduler(scenario, model, parallel=1, **NEVER)
    assert [len(inputs["text"]) for _, inputs in model.calls] == [1, 3, 3, 3]


def test_after_the_wait_a_batch_leaves_with_what_it_has():
    model = fakes.FakeModel()

    async def scenario(scheduler):
        await ask_behind(texts("x"), [texts("a"), texts("b"), texts("c")], scheduler, model)
        return await scheduler.ask(texts("Anna"))

    assert with_scheduler(scenario, model, wait_seconds=0.001, parallel=1)["entity_count"] == [1]


def test_without_batching_every_request_is_a_call():
    model = fakes.FakeModel()
    with_scheduler(partial(ask_all, [texts("a"), texts("b"), texts("c")]), model, enabled=False)
    assert [len(inputs["text"]) for _, inputs in model.calls] == [1, 1, 1]


def test_a_full_queue_turns_requests_away():
    model = fakes.FakeModel()
    requests = [texts("a"), texts("b"), texts("c")]

    async def scenario(scheduler):
        model.gate.clear()
        first = asyncio.ensure_future(scheduler.ask(texts("first")))
        await asyncio.to_thread(model.entered.acquire)
        rest = [asyncio.ensure_future(scheduler.ask(request)) for request in requests]
        with pytest.raises(
            RequestError, match="queue to which this task was submitted is full"
        ) as caught:
            await rest[-1]
        model.gate.set()
        await asyncio.gather(first, *rest[:-1])
        return caught.value.code

    assert with_scheduler(scenario, model, parallel=1, max_queue_size=2) == "UNAVAILABLE"


def test_a_request_that_was_given_up_is_not_asked():
    model = fakes.FakeModel()

    async def scenario(scheduler):
        model.gate.clear()
        first = asyncio.ensure_future(scheduler.ask(texts("first")))
        await asyncio.to_thread(model.entered.acquire)
        given_up, kept = (
            asyncio.ensure_future(scheduler.ask(texts(name))) for name in ("gone", "kept")
        )
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.wait([given_up])
        model.gate.set()
        await asyncio.gather(first, kept)

    with_scheduler(scenario, model, parallel=1)
    assert [inputs["text"].tolist() for _, inputs in model.calls] == [[b"first"], [b"kept"]]


def test_signatures_of_other_models_are_not_merged():
    scores = ServedSignature(
        {"text": TensorSpec("string", (-1,))}, {"score": TensorSpec("float", (-1,))}
    )
    assert merger_of(scores) is None
    assert merger_of(fakes.SIGNATURES["features"]) is None
