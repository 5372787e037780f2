"""A recognizer for asyncio that keeps several requests to a REST server in flight."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Sequence,
)
from typing import Any, TypeVar

import httpx

from tfner.data.batching.batch_by_size import encode_text
from tfner.documents import Document, Entity
from tfner.exceptions import ConfigError, ServerError
from tfner.serving.client.address import Address, parse_address
from tfner.serving.client.answers import TEXTS, WORDS, Signature
from tfner.serving.client.options import Options
from tfner.serving.client.requests import size_of_words, stream_in_requests
from tfner.serving.client.rest_transport import RestModel
from tfner.serving.client.retry import pause_after
from tfner.serving.runtime.recognizer import (
    Answer,
    entities_on_words,
    padded_words,
    read_entities,
    read_tags,
)

Item = TypeVar("Item")
Result = TypeVar("Result")
Stream = Iterable[Item] | AsyncIterable[Item]
IN_FLIGHT = 8


def connect(
    url: str,
    *,
    in_flight: int = IN_FLIGHT,
    version: int | None = None,
    label: str | None = None,
    **options: Any,
) -> AsyncRecognizer:
    """The recognizer of a model served over REST, at most `in_flight` requests at once; options as for `tfner.connect`.

    Raises:
        ConfigError: the URL or an option has another form.
    """
    address = parse_address(url, version=version, label=label)
    if address.is_grpc:
        raise ConfigError(
            f"{address.url}: expected an http or https URL: there is no asynchronous client for gRPC"
        )
    return AsyncRecognizer(address, Options(**options), in_flight)


class AsyncRecognizer:
    """Finds entities as a Recognizer does, without blocking the event loop; an asynchronous context manager.

    However it is called, and from however many tasks, no more than `in_flight` requests are under way, pauses before a retry included.
    """

    def __init__(
        self,
        address: Address,
        options: Options,
        in_flight: int = IN_FLIGHT,
        http: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ):
        if in_flight < 1:
            raise ConfigError(f"in_flight: expected 1 or more, got {in_flight}")
        self.card = address.card
        self._options = options
        self._in_flight = in_flight
        self._room = asyncio.Semaphore(in_flight)
        self._sleep = sleep
        self._model = RestModel(address, options)
        limits = httpx.Limits(max_connections=in_flight, max_keepalive_connections=in_flight)
        self._client = httpx.AsyncClient(
            transport=http, limits=limits, **self._model.client_settings()
        )

    async def __aenter__(self) -> AsyncRecognizer:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def __call__(self, text: str) -> list[Entity]:
        """The entities of one text."""
        return (await self.batch([text]))[0]

    async def batch(self, texts: Sequence[str]) -> list[list[Entity]]:
        """The entities of several texts, in their order."""
        return [entities async for entities in self.documents(texts)]

    async def tag(self, words: Sequence[str]) -> list[str]:
        """One tag for each of the given words of a sentence."""
        return (await self.tag_batch([words]))[0][0]

    async def tag_batch(
        self, sentences: Sequence[Sequence[str]]
    ) -> list[tuple[list[str], list[float]]]:
        """Tags and their probabilities for the words of several sentences."""
        requests = stream_in_requests(
            stream(sentences), size_of_sentence, lambda _: None, self._options
        )
        return [tagged async for tagged in self._in_order(requests, self._tag)]

    def documents(self, documents: Stream[Document | str]) -> AsyncGenerator[list[Entity], None]:
        """Entities of a stream of documents or plain texts, in order.

        The stream, which may be asynchronous, is read as answers are taken: never more than `in_flight` requests and their documents are
        held. A request is sent when it is full or the stream ends.
        """
        requests = stream_in_requests(
            as_documents(documents), size_of_document, has_words, self._options
        )
        return self._in_order(requests, self._recognize)

    async def _recognize(self, documents: Sequence[Document]) -> list[list[Entity]]:
        if has_words(documents[0]):
            return entities_on_words(
                documents, await self._tag([document.word_texts() for document in documents])
            )
        texts = [document.text for document in documents]
        return read_entities(texts, await self._ask(TEXTS, [encode_text(text) for text in texts]))

    async def _tag(self, sentences: Sequence[Sequence[str]]) -> list[tuple[list[str], list[float]]]:
        rows = padded_words(sentences)
        answer = (
            await self._ask(WORDS, rows)
            if any(map(any, rows))
            else WORDS.nothing(len(rows), len(rows[0]))
        )
        return read_tags(sentences, answer)

    async def _in_order(
        self,
        requests: AsyncIterator[list[Item]],
        work: Callable[[list[Item]], Coroutine[Any, Any, list[Result]]],
    ) -> AsyncGenerator[Result, None]:
        waiting: deque[asyncio.Task[list[Result]]] = deque()
        try:
            async for request in requests:
                waiting.append(asyncio.create_task(work(request)))
                del request  # the task drops it when it is done
                if len(waiting) == self._in_flight:
                    for result in await waiting.popleft():
                        yield result
            while waiting:
                for result in await waiting.popleft():
                    yield result
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def _ask(self, signature: Signature, values: Sequence[Any]) -> Answer:
        async with self._room:
            failures = 0
            while True:
                try:
                    return await self._post(signature, values)
                except ServerError as error:
                    failures += 1
                    await self._sleep(pause_after(error, failures, self._options))

    async def _post(self, signature: Signature, values: Sequence[Any]) -> Answer:
        try:
            response = await self._client.post(**self._model.request(signature, values))
        except httpx.HTTPError as error:
            raise self._model.failure(error) from error
        return self._model.answer(signature, values, response)


async def stream(items: Stream[Item]) -> AsyncIterator[Item]:
    """The items of any stream, asynchronously."""
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item


async def as_documents(items: Stream[Document | str]) -> AsyncIterator[Document]:
    async for item in stream(items):
        yield Document(item) if isinstance(item, str) else item


def has_words(document: Document) -> bool:
    return document.words is not None


def size_of_document(document: Document) -> int:
    return (
        len(encode_text(document.text))
        if document.words is None
        else size_of_sentence(document.word_texts())
    )


def size_of_sentence(words: Sequence[str]) -> int:
    return size_of_words([encode_text(word) for word in words])
