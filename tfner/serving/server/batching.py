"""Requests that come together are answered together: one call of the model for many, each gets its own rows back."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from tfner.serving.runtime.recognizer import CHARACTERS_AT_ONCE
from tfner.serving.server.request_error import RequestError
from tfner.serving.server.signature import Signature, Tensors, TensorSpec

LONGEST_WAIT = 4  # times the wait for the next request, however many keep coming
Run = Callable[[Tensors], Tensors]
Outcome = Tensors | BaseException


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """How requests are gathered."""

    enabled: bool = True
    rows: int = 32  # at most in a call, but for a single request that has more
    wait_seconds: float = 0.02  # at most, without a new request
    wait_share: float = (
        0.1  # of the time of the last call, at most: a wait has to be worth its while
    )
    parallel: int = 1  # batches of a signature at once: a call of many texts keeps all cores busy
    queue_rows: int = 4096  # that may wait; beyond it requests are turned away


class Merge(NamedTuple):
    """How the requests of one signature become one, and its answer theirs."""

    join: Callable[[Sequence[Tensors]], Tensors]
    cut: Callable[
        [Tensors, int, int, Tensors], Tensors
    ]  # answer, first row, one past the last, what was asked -> its share


class Waiting(NamedTuple):
    inputs: Tensors
    rows: int
    longest: int  # bytes of the longest text: a batch is as wide as that
    answer: asyncio.Future


def merge_of(signature: Signature) -> Merge | None:
    """How requests of a signature can be merged; None where it is not known to be one of ours."""
    if (
        signature.inputs == {"text": TensorSpec("string", (-1,))}
        and "entity_count" in signature.outputs
    ):
        return Merge(join_texts, cut_entities)
    if signature.inputs == {"words": TensorSpec("string", (-1, -1))}:
        return Merge(join_words, cut_words)
    return None


def join_texts(requests: Sequence[Tensors]) -> Tensors:
    return {"text": np.concatenate([request["text"] for request in requests])}


def cut_entities(answer: Tensors, start: int, stop: int, asked: Tensors) -> Tensors:
    """The rows, [B, E] outputs no wider than their own entities need: what they would be alone."""
    width = int(answer["entity_count"][start:stop].max(initial=0))
    return {
        name: value[start:stop] if value.ndim == 1 else value[start:stop, :width]
        for name, value in answer.items()
    }


def join_words(requests: Sequence[Tensors]) -> Tensors:
    width = max(request["words"].shape[1] for request in requests)
    return {"words": np.concatenate([widen(request["words"], width) for request in requests])}


def widen(words_BW: np.ndarray, width: int) -> np.ndarray:
    """Fill rows up with b"", which is no word."""
    return np.pad(words_BW, [(0, 0), (0, width - words_BW.shape[1])], constant_values=b"")


def cut_words(answer: Tensors, start: int, stop: int, asked: Tensors) -> Tensors:
    return {name: value[start:stop, : asked["words"].shape[1]] for name, value in answer.items()}


class Caller:
    """Answers the requests of one signature of one version; lives on the event loop, calls the model on other threads.

    While the model is free, a batch leaves when it is full, when those who were just answered have come back and joined those who
    waited meanwhile, or when nobody has come for a while. So a lone client never waits, and clients that ask again as soon as they are
    answered are answered together: a call of the model costs a good deal however few texts it has.
    """

    def __init__(self, run: Run, merge: Merge | None, settings: BatchSettings, executor: Executor):
        self._run = run
        self._merge = merge if settings.enabled else None
        self._settings = settings
        self._parallel = (
            settings.parallel if self._merge else max(settings.parallel, os.cpu_count() or 1)
        )
        self._executor = executor
        self._waiting: deque[Waiting] = deque()
        self._rows = 0  # that wait
        self._running = 0
        self._expected = 1
        self._timer: asyncio.TimerHandle | None = None
        self._latest = (
            0.0  # when a batch leaves at last, in the loop's time; only while the timer runs
        )
        self._call_seconds = 0.0  # of the last call

    async def ask(self, inputs: Tensors) -> Tensors:
        """The answer to one request.

        Raises:
            RequestError: too many wait already, or the model refuses the inputs.
        """
        tensor = next(iter(inputs.values()))
        rows = len(tensor) if tensor.ndim else 1
        if self._rows and self._rows + rows > self._settings.queue_rows:
            raise RequestError(
                "UNAVAILABLE", "The batch scheduling queue to which this task was submitted is full"
            )
        longest = max(map(len, tensor.ravel().tolist()), default=0) if self._merge else 0
        answer = asyncio.get_running_loop().create_future()
        self._waiting.append(Waiting(inputs, rows, longest, answer))
        self._rows += rows
        self._consider()
        return await answer

    def _consider(self) -> None:
        """Send what waits, if there is reason to, and wait for more otherwise."""
        if not self._waiting or self._running >= self._parallel:
            return
        if self._merge is None or self._rows >= min(self._expected, self._settings.rows):
            self._send()
        else:
            self._wait()

    def _wait(self) -> None:
        """Send when nobody comes for a while; called anew for everyone who comes."""
        loop = asyncio.get_running_loop()
        wait = min(self._settings.wait_seconds, self._settings.wait_share * self._call_seconds)
        if self._timer is None:
            self._latest = loop.time() + LONGEST_WAIT * wait
        else:
            self._timer.cancel()
        self._timer = loop.call_at(min(loop.time() + wait, self._latest), self._send)

    def _send(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch = self._take()
        if not batch:
            return
        self._running += 1
        loop = asyncio.get_running_loop()
        call = loop.run_in_executor(
            self._executor, self._call, [request.inputs for request in batch]
        )
        call.add_done_callback(partial(self._finish, batch, loop.time()))
        self._consider()

    def _take(self) -> list[Waiting]:
        """The first of those that wait, as many as go into one call; those that gave up are dropped."""
        batch: list[Waiting] = []
        rows = longest = 0
        while self._waiting:
            request = self._waiting[0]
            rows, longest = rows + request.rows, max(longest, request.longest)
            if batch and (
                self._merge is None
                or rows > self._settings.rows
                or rows * longest > CHARACTERS_AT_ONCE
            ):
                break
            self._waiting.popleft()
            self._rows -= request.rows
            if request.answer.done():
                rows -= request.rows
            else:
                batch.append(request)
        return batch

    def _call(self, requests: list[Tensors]) -> list[Outcome]:
        """On another thread: the answers in order; where a merged call fails, each request is asked alone and gets its own error."""
        if self._merge is None or len(requests) == 1:
            return [attempt(self._run, request) for request in requests]
        merged = attempt(self._run, self._merge.join(requests))
        if isinstance(merged, BaseException):
            return [attempt(self._run, request) for request in requests]
        answers, start = [], 0
        for request in requests:
            stop = start + len(next(iter(request.values())))
            answers.append(self._merge.cut(merged, start, stop, request))
            start = stop
        return answers

    def _finish(self, batch: list[Waiting], begun: float, done: asyncio.Future) -> None:
        loop = asyncio.get_running_loop()
        self._running -= 1
        self._call_seconds = loop.time() - begun
        failure = asyncio.CancelledError() if done.cancelled() else done.exception()
        for request, outcome in zip(
            batch, [failure] * len(batch) if failure else done.result(), strict=True
        ):
            if request.answer.done():  # its time was over, or its client has gone
                continue
            if isinstance(outcome, BaseException):
                request.answer.set_exception(outcome)
            else:
                request.answer.set_result(outcome)
        self._expected = sum(request.rows for request in batch) + self._rows
        loop.call_soon(
            self._consider
        )  # after these answers are sent, or the wait would be over by then


def attempt(run: Run, inputs: Tensors) -> Outcome:
    """What a call gives, or the error it ends with."""
    try:
        return run(inputs)
    except Exception as error:
        return error
