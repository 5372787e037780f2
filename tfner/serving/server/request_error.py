"""A request that gets no answer: one status and one sentence, which REST and gRPC each send in their own form."""

from __future__ import annotations

from typing import Literal

Code = Literal[
    "INVALID_ARGUMENT", "FAILED_PRECONDITION", "NOT_FOUND", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED", "UNAVAILABLE", "UNIMPLEMENTED",
    "INTERNAL",
]  # fmt: skip

# As tensorflow_model_server maps them, but for RESOURCE_EXHAUSTED: it says 429 there, and our only such limit is the size of the body.
HTTP_STATUS: dict[Code, int] = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 413,
    "DEADLINE_EXCEEDED": 504,
    "UNAVAILABLE": 503,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
}

LONGEST_MESSAGE = 500  # characters


class RequestError(Exception):
    """What is wrong with a request, or why it cannot be answered now; `code` is the name of gRPC's status code."""

    def __init__(self, code: Code, message: str):
        # The client's own words are in some of them.
        super().__init__(
            message if len(message) <= LONGEST_MESSAGE else f"{message[:LONGEST_MESSAGE]}…"
        )
        self.code: Code = code

    @property
    def http_status(self) -> int:
        return HTTP_STATUS[self.code]


def invalid(message: str) -> RequestError:
    """An error of the client's making; 400 over REST."""
    return RequestError("INVALID_ARGUMENT", message)
