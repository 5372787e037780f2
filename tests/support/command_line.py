"""Command lines run in this process, by the entry that all commands share, with what a shell would
see of them.
"""

from __future__ import annotations

import importlib
import logging
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tfner.commands import run

CUT = "'{}..."  # how a long text is shown


class Result(NamedTuple):
    code: int
    stdout: str
    stderr: str


class CommandLine:
    """`line("predict", MODEL, FILE)` is `python -m tfner.predict MODEL FILE`.

    Pytest's capsys and monkeypatch stand for the process.
    """

    def __init__(self, capsys, monkeypatch):
        self._capsys = capsys
        self._monkeypatch = monkeypatch

    def __call__(self, command: str, *arguments: object) -> Result:
        module = importlib.import_module(f"tfner.{command}")
        self._monkeypatch.setattr(sys, "argv", [f"tfner.{command}", *map(str, arguments)])
        self._capsys.readouterr()
        with log_as_before():
            code = exit_code(lambda: run(getattr(module, command)))
        return Result(code, *self._capsys.readouterr())


def exit_code(call) -> int:
    """Hold what the process would end with.

    An exception that gets here would be a traceback, and is one.
    """
    try:
        call()
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    return 0


@contextmanager
def log_as_before():
    """A command sets up the log of its process, which is the test's."""
    loggers = [logging.getLogger(name) for name in (None, "tfner", "py.warnings")]
    before = [(logger, logger.level, list(logger.handlers), logger.propagate) for logger in loggers]
    try:
        yield
    finally:
        logging.captureWarnings(False)
        for logger, level, handlers, propagate in before:
            logger.setLevel(level)
            logger.handlers[:] = handlers
            logger.propagate = propagate


def refused(result: Result, message: str) -> None:
    """Check what a refusal says: one line, exit code 2, nothing on standard output.

    Behind … the words are a library's. HERE is the folder.
    """
    expected = f"error: {message}\n".replace("HERE", str(Path.cwd()))
    if message.endswith("…"):
        assert result.stderr.startswith(expected.removesuffix("…\n"))
        assert result.stderr.count("\n") == 1
    else:
        assert result.stderr == expected
    assert result.stdout == ""
    assert result.code == 2
