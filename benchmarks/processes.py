"""Seconds from the start of a process to a point in it, for several kinds of process in turn."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

REACHED = (
    "\nimport time; print(f'reached {time.time()}')"  # the clock of all processes of a machine
)


def seconds_in_turn(
    kinds: Mapping[str, Sequence[str]], repeats: int, *, warm: bool = True
) -> dict[str, list[float]]:
    """Kinds of process by name, each a Python, the code to run and its arguments -> seconds until the code has run.

    The start of the interpreter counts, its end does not. A first round warms the file system's cache and is not counted.
    """
    times: dict[str, list[float]] = {name: [] for name in kinds}
    for number in range(repeats + warm):
        for name, (python, code, *arguments) in kinds.items():
            seconds = seconds_to_run(python, code, arguments)
            if number >= warm:
                times[name].append(seconds)
    return times


def seconds_to_run(python: str, code: str, arguments: Sequence[str]) -> float:
    """Seconds from the start of a process until it has run the code.

    A process that fails ends this one, with what it said.
    """
    begin = time.time()
    result = subprocess.run(
        [python, "-c", code + REACHED, *arguments], capture_output=True, text=True, check=False
    )
    if result.returncode:
        sys.exit(f"{code} ended with {result.returncode}:\n{result.stderr[-3000:]}")
    return float(result.stdout.split("reached ")[-1]) - begin


def show(values: Sequence[float]) -> str:
    """Median and spread."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"
