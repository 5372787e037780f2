"""The time limit of a request: it ends what takes too long, and nothing else."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from tfner.serving.server.limits import Deadline, Limits
from tfner.serving.server.request_error import RequestError


async def wait_in_deadline(seconds, event):
    with Deadline(seconds):
        await event.wait()
    return "in time"


def test_what_takes_too_long_is_ended_and_the_task_goes_on():
    async def scenario():
        with pytest.raises(RequestError, match=r"no answer within 0\.01 seconds") as caught:
            await wait_in_deadline(0.01, asyncio.Event())
        await asyncio.sleep(0)  # a cancellation left behind would end the task here
        return caught.value.code, caught.value.http_status

    assert asyncio.run(scenario()) == ("DEADLINE_EXCEEDED", 504)


def test_what_is_in_time_is_left_alone():
    async def scenario():
        event = asyncio.Event()
        asyncio.get_running_loop().call_soon(event.set)
        return await wait_in_deadline(30, event)

    assert asyncio.run(scenario()) == "in time"


def test_a_cancellation_by_others_stays_one():
    async def scenario():
        task = asyncio.create_task(wait_in_deadline(30, asyncio.Event()))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert asyncio.run(scenario())


def test_an_error_inside_is_not_hidden():
    async def scenario():
        with Deadline(30):
            raise KeyError("x")

    with pytest.raises(KeyError):
        asyncio.run(scenario())


@pytest.mark.parametrize(
    ("shape", "fits"), [((3,), True), ((4,), False), ((3, 9), True), ((), True)]
)
def test_rows_are_the_first_dimension(shape, fits):
    limits, tensors = Limits(batch_size=3), {"a": np.zeros(shape), "b": np.zeros(())}
    if fits:
        limits.check_batch(tensors)
    else:
        with pytest.raises(RequestError, match="expected at most 3 texts in a request, got 4"):
            limits.check_batch(tensors)
