"""Set how a server is asked: time limits, what is tried again, how much goes into a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tfner.exceptions import ConfigError

ABOVE_ZERO = (
    "timeout", "connect_timeout", "longest_pause", "texts_per_request", "bytes_per_request",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Options:
    """Hold the options of a client. Times are in seconds.

    A request that could not be delivered, or that the server was too busy for, is sent again up to
    `retries` times, after pauses that double from `first_pause` to `longest_pause`; one that the
    server calls wrong is not. One that got no answer within `timeout` is sent again only with
    `retry_timeouts`: the server may still be at work on it, and would be given the work twice when
    it has too much of it.

    A request holds at most `texts_per_request` texts, and `bytes_per_request` bytes of UTF-8 when
    each text counts as much as the longest beside it, because the server pads them so. A text
    longer than that goes alone.

    `headers` are HTTP headers or gRPC metadata, for example {"Authorization": "Bearer …"}.
    `ca_file` holds, in PEM, the authorities that https and grpcs trust, where not the usual ones.
    """

    timeout: float = 60.0  # for the answer
    connect_timeout: float = 5.0
    retries: int = 3
    retry_timeouts: bool = False
    first_pause: float = 0.2
    longest_pause: float = 10.0
    texts_per_request: int = 64
    bytes_per_request: int = 1 << 20
    headers: Mapping[str, str] = field(default_factory=dict)
    ca_file: str | None = None

    def __post_init__(self) -> None:
        for name in ABOVE_ZERO:
            value = getattr(self, name)
            if not value > 0:
                raise ConfigError(f"{name}: expected a number above 0, got {value!r}")
        for name in ("retries", "first_pause"):
            value = getattr(self, name)
            if not value >= 0:
                raise ConfigError(f"{name}: expected 0 or more, got {value!r}")
