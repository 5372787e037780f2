"""Tell the program of SIGTERM and Ctrl-C, so that it can save, and people what Ctrl-C does.

SIGTERM, with which schedulers take a machine away, raises Terminated in the main thread, wherever
that is; a second one, or Ctrl-C, then ends the process as if nobody had caught it. The first Ctrl-C
raises KeyboardInterrupt, the second ends the process.

Python hears a signal only between two of its instructions, which may be seconds away, in a step or
its compilation. So a thread that the operating system tells says at once what Ctrl-C does, carries
out the second one, and ends the process where SIGTERM is not heard within GRACE seconds; the last
checkpoint stands.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from tfner.exceptions import Terminated
from tfner.monitoring.events import json_asked, log_event
from tfner.safeio.printable import one_line

GRACE = 8.0  # seconds
TERMINATED = 128 + signal.SIGTERM  # as shells report it
INTERRUPTED = 128 + signal.SIGINT
HEARD = threading.Event()
PRESSED = threading.Event()  # Ctrl-C was, in the main thread
SAID = threading.Event()  # what the first Ctrl-C does
SAYING = 1.0  # seconds that a block waits for that at most
SHOW_CURSOR = b"\r\x1b[2K\x1b[?25h"  # on a cleared line; a bar hides it
Say = Callable[[], str]


class CtrlC(NamedTuple):
    """Say what the first Ctrl-C does, and what a second one leaves; asked when it is pressed."""

    first: Say
    second: Say


announced = [CtrlC(lambda: "stopping", lambda: "ended at once")]  # the innermost block's is last


@contextmanager
def announce_ctrl_c(first: Say, second: Say) -> Iterator[None]:
    """Say this on Ctrl-C within the block, where somebody listens.

    Args:
        first: what is being done now, such as "finishing the step".
        second: what is left, and how to go on, once the process has been ended at once.
    """
    announced.append(CtrlC(first, second))
    try:
        yield
    finally:
        if PRESSED.is_set():
            SAID.wait(SAYING)  # the block may end before the thread that watches has come to it
        announced.pop()


@contextmanager
def listening(grace: float = GRACE) -> Iterator[None]:
    """Say what Ctrl-C does within the block, and end the process at the second.

    Only the main thread gets signals: in another one this does nothing, nor where Ctrl-C is ignored
    or another program's own.
    """
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main:
        yield
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    for event in (HEARD, PRESSED, SAID):
        event.clear()
    threading.Thread(target=watch, args=(reading, grace), name="termination", daemon=True).start()
    wakeup = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, Interruption())
    try:
        yield
    finally:
        if before is signal.default_int_handler:
            signal.signal(signal.SIGINT, before)
        signal.set_wakeup_fd(wakeup)
        os.close(writing)  # which ends the thread


@contextmanager
def terminable(grace: float = GRACE) -> Iterator[None]:
    """Raise Terminated on SIGTERM within the block; for the main thread, which gets signals."""
    with listening(grace):
        before = signal.signal(signal.SIGTERM, on_signal)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)


class Interruption:
    """Raise KeyboardInterrupt at the first SIGINT; the thread that watches takes the second."""

    def __init__(self) -> None:
        self._heard = False

    def __call__(self, number: int, frame: object) -> None:
        if not self._heard:
            self._heard = True
            PRESSED.set()
            raise KeyboardInterrupt


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
    """Answer Ctrl-C, and end the process where SIGTERM is not heard within `grace` seconds."""
    interruptions = 0
    with os.fdopen(reading, "rb", buffering=0) as signals:
        while numbers := signals.read(64):
            for _ in range(numbers.count(signal.SIGINT)):
                interruptions += 1
                answer_ctrl_c(interruptions)
            if signal.SIGTERM in numbers and not HEARD.wait(grace):
                late = "within a step that did not end in time; the last checkpoint stands"
                print(f"terminated: {late}", file=sys.stderr, flush=True)
                os._exit(TERMINATED)


def answer_ctrl_c(count: int) -> None:
    """Say what is done at the first, end the process at the second."""
    said = announced[-1]
    if count == 1:
        try:
            say_interrupted(said.first())
        finally:
            SAID.set()
        return
    end_at_once(said.second())


def say_interrupted(doing: str) -> None:
    """Say what the first Ctrl-C does; a bar stays below the line."""
    message = one_line(f"interrupted: {doing}; Ctrl-C again ends at once")
    log_event("interrupt", logging.WARNING, message=message)
    if not json_asked():
        # In one piece: the process may end before this thread writes another.
        print(f"{message}\n", end="", file=sys.stderr, flush=True)


def end_at_once(left: str) -> None:
    """End the process, whatever the main thread is doing.

    The message goes past Python's streams, whose locks the main thread may hold.
    """
    message = one_line(f"interrupted again: {left}")
    log_event("interrupt", logging.WARNING, message=message, exit_code=INTERRUPTED)
    if os.isatty(2):
        os.write(2, SHOW_CURSOR)
    if not json_asked():
        os.write(2, f"{message}\n".encode(errors="replace"))
    os._exit(INTERRUPTED)
