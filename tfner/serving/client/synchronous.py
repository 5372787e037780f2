"""Make a recognizer whose model runs behind TensorFlow Serving, or what speaks its protocol."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from tfner.exceptions import ServerError
from tfner.serving.client.address import Address, parse_address
from tfner.serving.client.options import Options
from tfner.serving.client.requests import in_requests, size_of_words
from tfner.serving.client.rest_transport import RestTransport
from tfner.serving.client.retry import pause_after
from tfner.serving.runtime.origin import from_origin
from tfner.serving.runtime.recognizer import Recognizer, pad_rows, strip_row
from tfner.serving.schema import SIGNATURES, TEXTS, WORDS, Outputs, SignatureSchema


class Transport(Protocol):
    """Sends one request to a model and waits for its answer."""

    def __call__(self, signature: SignatureSchema, values: Sequence[Any]) -> Outputs:
        """Ask a signature about B texts or [B, W] words; ServerError if there is no answer."""
        ...

    def close(self) -> None:
        """Give connections back."""


def connect(
    url: str, *, version: int | None = None, label: str | None = None, **options: Any
) -> Recognizer:
    """Make the recognizer of a served model; see `tfner.connect`. Nothing is sent yet."""
    address = parse_address(url, version=version, label=label)
    settings = Options(**options)
    transport = open_transport(address, settings)
    recognizer = remote_recognizer(address, settings, transport)
    return from_origin(recognizer, connect, url, version=version, label=label, **options)


def open_transport(address: Address, options: Options) -> Transport:
    """Choose the transport by the URL's scheme."""
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
    """Make a recognizer over a transport, which is closed when nobody holds the recognizer."""
    client = Client(transport, options, sleep)
    recognizer = Recognizer(client.ask_texts, client.ask_words, address.card)
    weakref.finalize(recognizer, transport.close)
    return recognizer


class Client:
    """Asks for any number of texts in requests of bounded size, and again where that is safe."""

    def __init__(self, transport: Transport, options: Options, sleep: Callable[[float], None]):
        self._transport = transport
        self._options = options
        self._sleep = sleep

    def ask_texts(self, texts: list[bytes]) -> Outputs:
        """Ask the signature serving_default about B texts."""
        schema = SIGNATURES[TEXTS]
        requests = in_requests(texts, len, self._options)
        answers = [self._ask(schema, request) for request in requests]
        return schema.merge(answers)

    def ask_words(self, rows: list[list[bytes]]) -> Outputs:
        """Ask the signature words about [B, W] words.

        Each request is only as wide as its own longest sentence.
        """
        requests = in_requests(map(strip_row, rows), size_of_words, self._options)
        answers = [self._ask_rows(pad_rows(request)) for request in requests]
        columns = len(rows[0]) if rows else 0
        return SIGNATURES[WORDS].merge(answers, columns)

    def _ask_rows(self, rows: list[list[bytes]]) -> Outputs:
        schema = SIGNATURES[WORDS]
        if rows[0]:
            return self._ask(schema, rows)
        return schema.empty(len(rows))

    def _ask(self, signature: SignatureSchema, values: Sequence[Any]) -> Outputs:
        failures = 0
        while True:
            try:
                return self._transport(signature, values)
            except ServerError as error:
                failures += 1
                pause = pause_after(error, failures, self._options)
                self._sleep(pause)
