"""Refuse a request with one status and one sentence; REST and gRPC each send it in their form."""

from __future__ import annotations

from typing import Literal

from tfner.serving.runtime.graph_errors import node_message

Code = Literal[
    "INVALID_ARGUMENT",
    "FAILED_PRECONDITION",
    "NOT_FOUND",
    "RESOURCE_EXHAUSTED",
    "DEADLINE_EXCEEDED",
    "UNAVAILABLE",
    "UNIMPLEMENTED",
    "INTERNAL",
]

# As tensorflow_model_server maps them, but for RESOURCE_EXHAUSTED: it says 429 there, and our only
# such limit is the size of the body.
HTTP_STATUS: dict[Code, int] = {"INVALID_ARGUMENT": 400, "FAILED_PRECONDITION": 400}
HTTP_STATUS |= {"NOT_FOUND": 404, "RESOURCE_EXHAUSTED": 413, "INTERNAL": 500}
HTTP_STATUS |= {"UNIMPLEMENTED": 501, "UNAVAILABLE": 503, "DEADLINE_EXCEEDED": 504}
# TensorFlow's codes of a status: 3 INVALID_ARGUMENT, 9 FAILED_PRECONDITION, 11 OUT_OF_RANGE, 12
# UNIMPLEMENTED. What is not here is a fault of ours.
CODES: dict[int, Code] = {3: "INVALID_ARGUMENT", 11: "INVALID_ARGUMENT"}
CODES |= {9: "FAILED_PRECONDITION", 12: "UNIMPLEMENTED"}
LONGEST_MESSAGE = 500  # characters
UNEXPECTED = "Internal error: the server's log has more"  # all that a client is told of our faults


class RequestError(Exception):
    """Say what is wrong with a request, or why it cannot be answered now.

    `code` is the name of gRPC's status code.
    """

    def __init__(self, code: Code, message: str):
        if len(message) > LONGEST_MESSAGE:  # the client's own words are in some of them
            message = f"{message[:LONGEST_MESSAGE]}…"
        super().__init__(message)
        self.code: Code = code

    @property
    def http_status(self) -> int:
        """Give the status of REST."""
        return HTTP_STATUS[self.code]


def not_found(message: str) -> RequestError:
    """Make an error for a model or version that is not there; 404 over REST."""
    return RequestError("NOT_FOUND", message)


def invalid(message: str) -> RequestError:
    """Make an error of the client's fault; 400 over REST."""
    return RequestError("INVALID_ARGUMENT", message)


def refused_by_graph(code: int, message: str) -> RequestError:
    """Make an error of what TensorFlow says where a graph cannot answer."""
    return RequestError(CODES.get(code, "INTERNAL"), node_message(message))
