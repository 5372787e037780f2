"""Keep several requests to a REST server in flight: a recognizer for asyncio."""

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
from tfner.serving.client.options import Options
from tfner.serving.client.requests import in_requests, size_of_words, stream_in_requests
from tfner.serving.client.rest_transport import RestModel
from tfner.serving.client.retry import pause_after
from tfner.serving.runtime.arguments import (
    check_iterable,
    document_of,
    sentences_of,
    text_of,
    texts_of,
)
from tfner.serving.runtime.recognizer import (
    TaggedWords,
    entities_on_words,
    padded_words,
    read_entities,
    read_tags,
)
from tfner.serving.schema import SIGNATURES, TEXTS, WORDS, Outputs, SignatureSchema

Item = TypeVar("Item")
Result = TypeVar("Result")
Stream = Iterable[Item] | AsyncIterable[Item]
IN_FLIGHT = 8


def connect_async(
    url: str,
    *,
    in_flight: int = IN_FLIGHT,
    version: int | None = None,
    label: str | None = None,
    **options: Any,
) -> AsyncRecognizer:
    """Make the recognizer of a model served over REST, at most `in_flight` requests at once.

    Options are those of `tfner.connect`.

    Raises:
        ConfigError: the URL or an option has another form.
    """
    address = parse_address(url, version=version, label=label)
    if address.is_grpc:
        raise ConfigError(
            f"{address.url}: expected an http or https URL: "
            "there is no asynchronous client for gRPC"
        )
    return AsyncRecognizer(address, Options(**options), in_flight)


class AsyncRecognizer:
    """Finds entities as a Recognizer does, for asyncio; an asynchronous context manager.

    However it is called, and from however many tasks, no more than `in_flight` requests are under
    way, pauses before a retry included.
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
        """Find the entities of one text."""
        return (await self.batch([text_of(text)]))[0]

    async def batch(self, texts: Iterable[str]) -> list[list[Entity]]:
        """Find the entities of several texts, in their order."""
        return [entities async for entities in self.documents(texts_of(texts))]

    async def outputs(self, texts: Iterable[str]) -> Outputs:
        """Give all that the model answers to B texts: arrays by the names of docs/serving.md."""
        encoded = [encode_text(text) for text in texts_of(texts)]
        schema = SIGNATURES[TEXTS]
        requests = in_requests(encoded, len, self._options)
        answers = await asyncio.gather(*(self._ask(schema, request) for request in requests))
        return schema.merge(answers)

    async def tag(self, words: Iterable[str]) -> list[str]:
        """Give one tag for each of the given words of a sentence."""
        return (await self.tag_batch([texts_of(words, "words")]))[0][0]

    async def tag_batch(self, sentences: Iterable[Sequence[str]]) -> list[TaggedWords]:
        """Give tags and their probabilities for the words of several sentences."""
        checked = stream(sentences_of(sentences))
        requests = stream_in_requests(checked, size_of_sentence, lambda _: None, self._options)
        return [tagged async for tagged in self._in_order(requests, self._tag)]

    def documents(self, documents: Stream[Document | str]) -> AsyncGenerator[list[Entity], None]:
        """Find the entities of a stream of documents or plain texts, in order.

        The stream, which may be asynchronous, is read as answers are taken: never more than
        `in_flight` requests and their documents are held. A request is sent when it is full or the
        stream ends.
        """
        if not isinstance(documents, AsyncIterable):
            check_iterable(documents, "documents", "a stream of Document or str")
        requests = stream_in_requests(
            as_documents(documents), size_of_document, has_words, self._options
        )
        return self._in_order(requests, self._recognize)

    async def _recognize(self, documents: Sequence[Document]) -> list[list[Entity]]:
        """Find the entities of documents that all have given words, or all have none."""
        if has_words(documents[0]):
            tagged = await self._tag([document.word_texts() for document in documents])
            return entities_on_words(documents, tagged)
        texts = [document.text for document in documents]
        encoded = [encode_text(text) for text in texts]
        return read_entities(texts, await self._ask(SIGNATURES[TEXTS], encoded))

    async def _tag(self, sentences: Sequence[Sequence[str]]) -> list[TaggedWords]:
        rows = padded_words(sentences)
        schema = SIGNATURES[WORDS]
        if any(map(any, rows)):
            answer = await self._ask(schema, rows)
        else:
            answer = schema.empty(len(rows), len(rows[0]))
        return read_tags(sentences, answer)

    async def _in_order(
        self,
        requests: AsyncIterator[list[Item]],
        work: Callable[[list[Item]], Coroutine[Any, Any, list[Result]]],
    ) -> AsyncGenerator[Result, None]:
        """Work on requests as they come, `in_flight` at once; yield results in their order."""
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

    async def _ask(self, signature: SignatureSchema, values: Sequence[Any]) -> Outputs:
        async with self._room:
            failures = 0
            while True:
                try:
                    return await self._post(signature, values)
                except ServerError as error:
                    failures += 1
                    await self._sleep(pause_after(error, failures, self._options))

    async def _post(self, signature: SignatureSchema, values: Sequence[Any]) -> Outputs:
        try:
            response = await self._client.post(**self._model.request(signature, values))
        except httpx.HTTPError as error:
            raise self._model.failure(error) from error
        return self._model.answer(signature, values, response)


async def stream(items: Stream[Item]) -> AsyncIterator[Item]:
    """Yield the items of any stream, asynchronously."""
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item


async def as_documents(items: Stream[Document | str]) -> AsyncIterator[Document]:
    """Make documents of plain texts."""
    index = 0
    async for item in stream(items):
        yield Document(item) if isinstance(item, str) else document_of(item, index)
        index += 1


def has_words(document: Document) -> bool:
    return document.words is not None


def size_of_document(document: Document) -> int:
    """Count the bytes that a document sends."""
    if document.words is None:
        return len(encode_text(document.text))
    return size_of_sentence(document.word_texts())


def size_of_sentence(words: Sequence[str]) -> int:
    return size_of_words([encode_text(word) for word in words])
