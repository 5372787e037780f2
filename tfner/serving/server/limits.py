"""What one request may cost: bytes, rows and seconds."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import TracebackType

from tfner.serving.server.request_error import RequestError, invalid
from tfner.serving.server.signature import Tensors


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one request."""

    body_bytes: int = 8 << 20
    rows: int = 1024  # texts, or sentences of words
    seconds: float = 60.0

    def check_bytes(self, size: int) -> None:
        if size > self.body_bytes:
            raise RequestError(
                "RESOURCE_EXHAUSTED",
                f"request body: expected at most {self.body_bytes} bytes, got {size} or more",
            )

    def check_rows(self, tensors: Tensors) -> None:
        rows = max((len(tensor) for tensor in tensors.values() if tensor.ndim), default=0)
        if rows > self.rows:
            raise invalid(f"batch: expected at most {self.rows} texts in a request, got {rows}")


class Deadline:
    """`with Deadline(seconds):` ends what the current task awaits in it when the time is over.

    asyncio.timeout is not in Python 3.10, and asyncio.wait_for starts a task for every request.

    Raises:
        RequestError: the time was over.
    """

    __slots__ = ("_expired", "_seconds", "_task", "_timer")

    def __init__(self, seconds: float):
        self._seconds = seconds
        self._expired = False

    def __enter__(self) -> None:
        self._task = asyncio.current_task()
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._expire)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        if self._expired and kind is asyncio.CancelledError:
            uncancel = getattr(
                self._task, "uncancel", None
            )  # from Python 3.11 on a task counts what asked it to end
            if uncancel is not None:
                uncancel()
            raise RequestError(
                "DEADLINE_EXCEEDED", f"Timed out: no answer within {self._seconds:g} seconds"
            ) from None

    def _expire(self) -> None:
        self._expired = True
        if self._task is not None:
            self._task.cancel()
