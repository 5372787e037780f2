"""Keep several requests to a REST server in flight: a recognizer for asyncio."""

from __future__ import annotations

import asyncio
from collections import abc, deque
from typing import Any, Literal, TypeVar, overload

import httpx

from tfner.data.batching.batch_by_size import encode_text
from tfner.documents import Document, Entity
from tfner.entity_list import Entities
from tfner.exceptions import ConfigError, ServerError
from tfner.serving.client.address import Address, parse_address
from tfner.serving.client.options import Options
from tfner.serving.client.requests import in_requests, size_of_words, stream_in_requests
from tfner.serving.client.rest_transport import RestModel
from tfner.serving.client.retry import pause_after
from tfner.serving.runtime import arguments, recognizer
from tfner.serving.runtime.recognizer import TaggedWords
from tfner.serving.runtime.thresholds import Threshold, Thresholds
from tfner.serving.schema import SIGNATURES, TEXTS, WORDS, Outputs, SignatureSchema

Item = TypeVar("Item")
Result = TypeVar("Result")
Stream = abc.Iterable[Item] | abc.AsyncIterable[Item]
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
        reason = "there is no asynchronous client for gRPC"
        raise ConfigError(f"{address.url}: expected an http or https URL: {reason}")
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
        sleep: abc.Callable[[float], abc.Awaitable[Any]] = asyncio.sleep,
    ):
        if in_flight < 1:
            raise ConfigError(f"in_flight: expected 1 or more, got {in_flight}")
        self.card = address.card
        self._options = options
        self._in_flight = in_flight
        self._room = asyncio.Semaphore(in_flight)
        self._sleep = sleep
        self._model = RestModel(address, options)
        settings = self._model.client_settings()
        limits = httpx.Limits(max_connections=in_flight, max_keepalive_connections=in_flight)
        self._client = httpx.AsyncClient(transport=http, limits=limits, **settings)

    async def __aenter__(self) -> AsyncRecognizer:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def __call__(self, text: str, *, threshold: Threshold = 0.0) -> Entities:
        """Find the entities of one text, without those that score less than `threshold`."""
        (entities,) = await self.batch([arguments.text_of(text)], threshold=threshold)
        return entities

    async def batch(
        self, texts: abc.Iterable[str], *, threshold: Threshold = 0.0
    ) -> list[Entities]:
        """Find the entities of several texts, in their order."""
        keep = Thresholds(threshold).keep
        given = arguments.texts_of(texts)
        found = [entities async for entities in self.documents(given)]
        return [Entities(keep(each), text) for text, each in zip(given, found, strict=True)]

    async def outputs(self, texts: abc.Iterable[str]) -> Outputs:
        """Give all that the model answers to B texts: arrays by the names of docs/serving.md."""
        encoded = [encode_text(text) for text in arguments.texts_of(texts)]
        schema = SIGNATURES[TEXTS]
        requests = in_requests(encoded, len, self._options)
        questions = [self._ask(schema, request) for request in requests]
        answers = await asyncio.gather(*questions)
        return schema.merge(answers)

    @overload
    async def tag(
        self, words: abc.Iterable[str], *, scores: Literal[False] = False
    ) -> list[str]: ...

    @overload
    async def tag(
        self, words: abc.Iterable[str], *, scores: Literal[True]
    ) -> list[tuple[str, float]]: ...

    async def tag(self, words: abc.Iterable[str], *, scores: bool = False) -> Any:
        """Give one tag for each of the given words of a sentence.

        With `scores` each tag comes with its probability, which is not calibrated.
        """
        sentence = arguments.texts_of(words, "words")
        tagged = await self.tag_batch([sentence])
        return recognizer.shape_tags(tagged, scores=scores)[0]

    @overload
    async def tag_batch(
        self, sentences: abc.Iterable[abc.Sequence[str]], *, scores: None = None
    ) -> list[TaggedWords]: ...

    @overload
    async def tag_batch(
        self, sentences: abc.Iterable[abc.Sequence[str]], *, scores: Literal[False]
    ) -> list[list[str]]: ...

    @overload
    async def tag_batch(
        self, sentences: abc.Iterable[abc.Sequence[str]], *, scores: Literal[True]
    ) -> list[list[tuple[str, float]]]: ...

    async def tag_batch(
        self, sentences: abc.Iterable[abc.Sequence[str]], *, scores: bool | None = None
    ) -> Any:
        """Give the tags of the words of several sentences.

        With `scores` True or False each sentence has what `tag` gives for it; without, a list of
        tags and one of their probabilities.
        """
        checked = arguments.sentences_of(sentences)
        items = stream(checked)
        requests = stream_in_requests(items, size_of_sentence, lambda _: None, self._options)
        tagged = [each async for each in self._in_order(requests, self._tag)]
        return recognizer.shape_tags(tagged, scores=scores)

    def documents(
        self, documents: Stream[Document | str]
    ) -> abc.AsyncGenerator[list[Entity], None]:
        """Find the entities of a stream of documents or plain texts, in order.

        The stream, which may be asynchronous, is read as answers are taken: never more than
        `in_flight` requests and their documents are held. A request is sent when it is full or the
        stream ends.
        """
        if not isinstance(documents, abc.AsyncIterable):
            arguments.check_iterable(documents, "documents", "a stream of Document or str")
        items = as_documents(documents)
        requests = stream_in_requests(items, size_of_document, has_words, self._options)
        return self._in_order(requests, self._recognize)

    async def _recognize(self, documents: abc.Sequence[Document]) -> list[list[Entity]]:
        """Find the entities of documents that all have given words, or all have none."""
        if has_words(documents[0]):
            sentences = [document.word_texts() for document in documents]
            answer = await self._ask_words(sentences)
            return recognizer.entities_on_words(documents, answer)
        texts = [document.text for document in documents]
        encoded = [encode_text(text) for text in texts]
        answer = await self._ask(SIGNATURES[TEXTS], encoded)
        return recognizer.read_entities(texts, answer)

    async def _tag(self, sentences: abc.Sequence[abc.Sequence[str]]) -> list[TaggedWords]:
        answer = await self._ask_words(sentences)
        return recognizer.read_tags(sentences, answer)

    async def _ask_words(self, sentences: abc.Sequence[abc.Sequence[str]]) -> Outputs:
        rows = recognizer.padded_words(sentences)
        schema = SIGNATURES[WORDS]
        if any(map(any, rows)):
            return await self._ask(schema, rows)
        width = len(rows[0])
        return schema.empty(len(rows), width)

    async def _in_order(
        self,
        requests: abc.AsyncIterator[list[Item]],
        work: abc.Callable[[list[Item]], abc.Coroutine[Any, Any, list[Result]]],
    ) -> abc.AsyncGenerator[Result, None]:
        """Work on requests as they come, `in_flight` at once; yield results in their order."""
        waiting = deque[asyncio.Task[list[Result]]]()
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

    async def _ask(self, signature: SignatureSchema, values: abc.Sequence[Any]) -> Outputs:
        async with self._room:
            failures = 0
            while True:
                try:
                    return await self._post(signature, values)
                except ServerError as error:
                    failures += 1
                    pause = pause_after(error, failures, self._options)
                    await self._sleep(pause)

    async def _post(self, signature: SignatureSchema, values: abc.Sequence[Any]) -> Outputs:
        request = self._model.request(signature, values)
        try:
            response = await self._client.post(**request)
        except httpx.HTTPError as error:
            raise self._model.failure(error) from error
        return self._model.answer(signature, values, response)


async def stream(items: Stream[Item]) -> abc.AsyncIterator[Item]:
    """Yield the items of any stream, asynchronously."""
    if isinstance(items, abc.AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item


async def as_documents(items: Stream[Document | str]) -> abc.AsyncIterator[Document]:
    """Make documents of plain texts."""
    index = 0
    async for item in stream(items):
        is_text = isinstance(item, str)
        yield Document(item) if is_text else arguments.document_of(item, index)
        index += 1


def has_words(document: Document) -> bool:
    return document.words is not None


def size_of_document(document: Document) -> int:
    """Count the bytes that a document sends."""
    if document.words is None:
        return len(encode_text(document.text))
    return size_of_sentence(document.word_texts())


def size_of_sentence(words: abc.Sequence[str]) -> int:
    return size_of_words([encode_text(word) for word in words])
