"""Tell the program of SIGTERM, with which schedulers take a machine away, so that it can save.

The first signal raises Terminated in the main thread, wherever that is; a second one, or Ctrl-C,
then ends the process as if nobody had caught it. Python hears a signal only between two of its
instructions. Where TensorFlow does not come back within GRACE seconds, for example from compiling a
step, a thread that the operating system tells ends the process; the last checkpoint stands.
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
    """Raise Terminated on SIGTERM within the block; for the main thread, which gets signals."""
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
    """Raise Terminated, and leave the next signal to the operating system."""
    HEARD.set()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    raise Terminated


def raise_if_terminated() -> None:
    """Raise Terminated at the end of a step: what Python raises in a destructor goes no further."""
    if HEARD.is_set():
        raise Terminated


def interruption(error: BaseException) -> BaseException | None:
    """Find the Terminated or KeyboardInterrupt behind an error; None if another thing caused it.

    TensorFlow can fail to leave a scope in which one of them is raised, and its error hides it.
    """
    while not isinstance(error, Terminated | KeyboardInterrupt):
        # What is raised "from None" speaks for itself.
        if error.__context__ is None or error.__suppress_context__:
            return None
        error = error.__context__
    return error


def watch(reading: int, grace: float) -> None:
    """End the process where SIGTERM is not heard within `grace` seconds."""
    with os.fdopen(reading, "rb", buffering=0) as signals:
        while numbers := signals.read(64):
            if signal.SIGTERM in numbers and not HEARD.wait(grace):
                late = "within a step that did not end in time; the last checkpoint stands"
                print(f"terminated: {late}", file=sys.stderr, flush=True)
                os._exit(TERMINATED)
