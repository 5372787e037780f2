"""Answer requests that come together by one call of the model; each gets its own rows back."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from tfner.serving.runtime.recognizer import CHARACTERS_AT_ONCE
from tfner.serving.server.request_error import RequestError
from tfner.serving.server.request_merger import RequestMerger
from tfner.serving.server.signature import Tensors

LONGEST_WAIT = 4  # times the wait for the next request, however many keep coming
QUEUE_FULL = "The batch scheduling queue to which this task was submitted is full"
Run = Callable[[Tensors], Tensors]
Outcome = Tensors | BaseException


@dataclass(frozen=True, slots=True)
class ServerBatching:
    """Say how requests are gathered; sizes count texts, or sentences of words."""

    enabled: bool = True
    max_batch_size: int = 32  # of a call, but for a single request that has more
    wait_seconds: float = 0.02  # at most, without a new request
    wait_share: float = 0.1  # of the time of the last call, at most: a wait has to be worth it
    parallel: int = 1  # batches of a signature at once: a call of many texts keeps all cores busy
    max_queue_size: int = 4096  # beyond it requests are turned away


class QueuedRequest(NamedTuple):
    """Hold a request that waits for the model, and the future that its client awaits."""

    inputs: Tensors
    size: int
    longest: int  # bytes of the longest text: a batch is as wide as that
    answer: asyncio.Future


class BatchScheduler:
    """Answer the requests of one signature of one version.

    Lives on the event loop and calls the model on other threads. While the model is free, a batch
    leaves when it is full, when those who were just answered have come back and joined those who
    waited meanwhile, or when nobody has come for a while. So a lone client never waits, and
    clients that ask again as soon as they are answered are answered together: a call of the model
    costs a good deal however few texts it has.
    """

    def __init__(
        self, run: Run, merger: RequestMerger | None, settings: ServerBatching, executor: Executor
    ):
        self._run = run
        self._merger = merger if settings.enabled else None
        self._settings = settings
        self._parallel = settings.parallel
        if self._merger is None:
            self._parallel = max(settings.parallel, os.cpu_count() or 1)
        self._executor = executor
        self._queue: deque[QueuedRequest] = deque()
        self._queued = 0  # rows in the queue
        self._running = 0  # calls of the model
        self._expected = 1  # rows that are likely to have come when all clients are back
        self._timer: asyncio.TimerHandle | None = None
        self._latest = 0.0  # when a batch leaves at last, in the loop's time, if the timer runs
        self._call_seconds = 0.0  # of the last call

    async def ask(self, inputs: Tensors) -> Tensors:
        """Answer one request.

        Raises:
            RequestError: too many wait already, or the model refuses the inputs.
        """
        tensor = next(iter(inputs.values()))
        size = len(tensor) if tensor.ndim else 1
        if self._queued and self._queued + size > self._settings.max_queue_size:
            raise RequestError("UNAVAILABLE", QUEUE_FULL)
        longest = 0
        if self._merger is not None:
            texts = tensor.ravel().tolist()
            longest = max(map(len, texts), default=0)
        answer = asyncio.get_running_loop().create_future()
        request = QueuedRequest(inputs, size, longest, answer)
        self._queue.append(request)
        self._queued += size
        self._schedule()
        return await answer

    def _schedule(self) -> None:
        """Send what waits, if there is reason to, and wait for more otherwise."""
        if not self._queue or self._running >= self._parallel:
            return
        enough = min(self._expected, self._settings.max_batch_size)
        if self._merger is None or self._queued >= enough:
            self._send()
        else:
            self._wait()

    def _wait(self) -> None:
        """Send when nobody comes for a while; called anew for everyone who comes."""
        loop = asyncio.get_running_loop()
        worth_it = self._settings.wait_share * self._call_seconds
        wait = min(self._settings.wait_seconds, worth_it)
        if self._timer is None:
            self._latest = loop.time() + LONGEST_WAIT * wait
        else:
            self._timer.cancel()
        leaves = min(loop.time() + wait, self._latest)
        self._timer = loop.call_at(leaves, self._send)

    def _send(self) -> None:
        """Call the model, on another thread, with the first batch of the queue."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch = self._take_batch()
        if not batch:
            return
        self._running += 1
        loop = asyncio.get_running_loop()
        requests = [request.inputs for request in batch]
        call = loop.run_in_executor(self._executor, self._call, requests)
        finish = partial(self._finish, batch, loop.time())
        call.add_done_callback(finish)
        self._schedule()

    def _take_batch(self) -> list[QueuedRequest]:
        """Take as many requests as go into one call; those whose clients gave up are dropped."""
        batch: list[QueuedRequest] = []
        size = longest = 0
        while self._queue:
            request = self._queue[0]
            if not request.answer.done():
                size += request.size
                longest = max(longest, request.longest)
                if batch and (self._merger is None or self._too_large(size, longest)):
                    break
                batch.append(request)
            self._queue.popleft()
            self._queued -= request.size
        return batch

    def _too_large(self, size: int, longest: int) -> bool:
        """Tell whether a call would have too many rows, or too many characters with padding."""
        padded = size * longest
        return size > self._settings.max_batch_size or padded > CHARACTERS_AT_ONCE

    def _call(self, requests: list[Tensors]) -> list[Outcome]:
        """Answer requests in order, on the thread of a call.

        Where a merged call fails, each request is asked alone and gets its own error.
        """
        if self._merger is not None and len(requests) > 1:
            merged = self._merger.merge(requests)
            answer = attempt(self._run, merged)
            if not isinstance(answer, BaseException):
                return list(self._merger.split(answer, requests))
        return [attempt(self._run, request) for request in requests]

    def _finish(self, batch: list[QueuedRequest], begun: float, done: asyncio.Future) -> None:
        """Give each request its answer or its error, and send what came meanwhile."""
        loop = asyncio.get_running_loop()
        self._running -= 1
        self._call_seconds = loop.time() - begun
        failure = asyncio.CancelledError() if done.cancelled() else done.exception()
        outcomes = [failure] * len(batch) if failure else done.result()
        for request, outcome in zip(batch, outcomes, strict=True):
            if request.answer.done():  # its time was over, or its client has gone
                continue
            if isinstance(outcome, BaseException):
                request.answer.set_exception(outcome)
            else:
                request.answer.set_result(outcome)
        answered = sum(request.size for request in batch)
        self._expected = answered + self._queued
        # Only after these answers are sent, or the wait would be over by then.
        loop.call_soon(self._schedule)


def attempt(run: Run, inputs: Tensors) -> Outcome:
    """Call the model; an error is given back like an answer."""
    try:
        return run(inputs)
    except Exception as error:
        return error
