"""Bound what one request may cost: bytes, texts and seconds."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from tfner.serving.server.request_error import RequestError, invalid
from tfner.serving.server.signature import Tensors


@dataclass(frozen=True, slots=True)
class Limits:
    """Hold the bounds of one request."""

    body_bytes: int = 8 << 20
    batch_size: int = 1024  # texts, or sentences of words
    seconds: float = 60.0

    def check_bytes(self, size: int) -> None:
        """Refuse a body that is too large.

        Raises:
            RequestError: it is.
        """
        if size > self.body_bytes:
            message = f"request body: expected at most {self.body_bytes} bytes, got {size} or more"
            raise RequestError("RESOURCE_EXHAUSTED", message)

    def check_batch(self, tensors: Tensors) -> None:
        """Refuse too many texts, by the first axis of the inputs.

        Raises:
            RequestError: there are too many.
        """
        sizes = (len(tensor) for tensor in tensors.values() if tensor.ndim)
        size = max(sizes, default=0)
        if size > self.batch_size:
            bound = f"expected at most {self.batch_size} texts in a request, got {size}"
            raise invalid(f"batch: {bound}")


class Deadline:
    """End what the current task awaits within `with Deadline(seconds):` when the time is over.

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
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._seconds, self._expire)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._timer.cancel()
        if self._expired and kind is asyncio.CancelledError:
            uncancel = getattr(self._task, "uncancel", None)
            if uncancel is not None:  # from Python 3.11 on a task counts what asked it to end
                uncancel()
            message = f"Timed out: no answer within {self._seconds:g} seconds"
            raise RequestError("DEADLINE_EXCEEDED", message) from None

    def _expire(self) -> None:
        """Cancel the task, which `__exit__` turns into the error."""
        self._expired = True
        if self._task is not None:
            self._task.cancel()
