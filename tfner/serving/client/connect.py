"""A recognizer whose model runs behind TensorFlow Serving, or what speaks its protocol."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from tfner.exceptions import ServerError
from tfner.serving.client.address import Address, parse_address
from tfner.serving.client.answers import TEXTS, WORDS, Signature
from tfner.serving.client.options import Options
from tfner.serving.client.requests import in_requests, size_of_words
from tfner.serving.client.rest_transport import RestTransport
from tfner.serving.client.retry import pause_after
from tfner.serving.runtime.recognizer import Answer, Recognizer, pad_rows, strip_row


class Transport(Protocol):
    """Sends one request to a model and waits for its answer."""

    def __call__(self, signature: Signature, values: Sequence[Any]) -> Answer:
        """The outputs of a signature for B texts or [B, W] words; ServerError if there are none."""
        ...

    def close(self) -> None:
        """Give connections back."""


def connect(
    url: str, *, version: int | None = None, label: str | None = None, **options: Any
) -> Recognizer:
    """The recognizer of a served model; see `tfner.connect`. Nothing is sent before something is asked."""
    address, settings = parse_address(url, version=version, label=label), Options(**options)
    return remote_recognizer(address, settings, open_transport(address, settings))


def open_transport(address: Address, options: Options) -> Transport:
    if address.is_grpc:
        from tfner.serving.client.grpc_transport import GrpcTransport

        return GrpcTransport(address, options)
    return RestTransport(address, options)


def remote_recognizer(
    address: Address,
    options: Options,
    transport: Transport,
    sleep: Callable[[float], None] = time.sleep,
) -> Recognizer:
    """A recognizer over a transport, which is closed when nobody holds the recognizer any more."""
    client = Client(transport, options, sleep)
    recognizer = Recognizer(client.ask_texts, client.ask_words, address.card)
    weakref.finalize(recognizer, transport.close)
    return recognizer


class Client:
    """Asks for any number of texts in requests of bounded size, and again where that is safe: the asking half of a Recognizer."""

    def __init__(self, transport: Transport, options: Options, sleep: Callable[[float], None]):
        self._transport = transport
        self._options = options
        self._sleep = sleep

    def ask_texts(self, texts: list[bytes]) -> Answer:
        """The answer of the signature serving_default to B texts."""
        return TEXTS.merge(
            [self._ask(TEXTS, request) for request in in_requests(texts, len, self._options)]
        )

    def ask_words(self, rows: list[list[bytes]]) -> Answer:
        """The answer of the signature words to [B, W] words; each request is only as wide as its own longest sentence."""
        sentences = map(strip_row, rows)
        answers = [
            self._ask_rows(pad_rows(request))
            for request in in_requests(sentences, size_of_words, self._options)
        ]
        return WORDS.merge(answers, columns=len(rows[0]) if rows else 0)

    def _ask_rows(self, rows: list[list[bytes]]) -> Answer:
        return self._ask(WORDS, rows) if rows[0] else WORDS.nothing(len(rows))

    def _ask(self, signature: Signature, values: Sequence[Any]) -> Answer:
        failures = 0
        while True:
            try:
                return self._transport(signature, values)
            except ServerError as error:
                failures += 1
                self._sleep(pause_after(error, failures, self._options))
