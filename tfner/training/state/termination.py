"""SIGTERM, with which schedulers take a machine away: the program is told at once, wherever it is, and has some seconds to save.

The first signal raises Terminated in the main thread; a second one, or Ctrl-C, then ends the process as if nobody had caught it. Python
hears a signal only between two of its instructions. Where TensorFlow does not come back within GRACE seconds, for example from compiling
a step, a thread that the operating system tells ends the process: nothing is lost but what was done since the last checkpoint.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tfner.exceptions import Terminated

GRACE = 8.0  # seconds
TERMINATED = 128 + signal.SIGTERM  # as shells report it
HEARD = threading.Event()


@contextmanager
def terminable(grace: float = GRACE) -> Iterator[None]:
    """Within the block SIGTERM raises Terminated; for the main thread, which alone gets signals."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    HEARD.clear()
    threading.Thread(target=watch, args=(reading, grace), name="termination", daemon=True).start()
    wakeup = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    before = signal.signal(signal.SIGTERM, on_signal)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        signal.set_wakeup_fd(wakeup)
        os.close(writing)  # which ends the thread


def on_signal(number: int, frame: object) -> None:
    HEARD.set()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    raise Terminated


def raise_if_terminated() -> None:
    """For the borders of steps: what is raised while Python deletes an object goes no further."""
    if HEARD.is_set():
        raise Terminated


def interruption(error: BaseException) -> BaseException | None:
    """The Terminated or KeyboardInterrupt behind an error: TensorFlow can fail to leave a scope that one is raised in."""
    while not isinstance(error, Terminated | KeyboardInterrupt):
        if (
            error.__context__ is None or error.__suppress_context__
        ):  # what is raised "from None" speaks for itself
            return None
        error = error.__context__
    return error


def watch(reading: int, grace: float) -> None:
    """End the process where SIGTERM is not heard in time."""
    with os.fdopen(reading, "rb", buffering=0) as signals:
        while numbers := signals.read(64):
            if signal.SIGTERM in numbers and not HEARD.wait(grace):
                print(
                    "terminated: within a step that did not end in time; the last checkpoint stands",
                    file=sys.stderr,
                    flush=True,
                )
                os._exit(TERMINATED)
