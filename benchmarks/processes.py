"""Runs what is measured in processes of their own, in turn, and times how they start."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

# time.time is the clock of all processes of a machine; the start of another is known by it alone.
# The second number of statm is the memory that is resident, in pages.
REACHED = """
import os, time; reached = time.time()
pages = open('/proc/self/statm').read().split()[1] if os.path.exists('/proc/self/statm') else 0
print(f'reached {reached} {int(pages) * os.sysconf("SC_PAGESIZE")}')
"""
MIB = 1 << 20
T = TypeVar("T")


class Start(NamedTuple):
    """Hold the seconds from the start of a process until its code has run, and its MiB then."""

    seconds: float
    mib: float


def module_command(python: str, module: str, *arguments: object) -> list[str]:
    """Build the command that runs a module of benchmarks, which needs the repository's root."""
    return [python, "-m", f"benchmarks.{module}", *map(str, arguments)]


def make_environment(folder: Path, packages: Sequence[str]) -> str:
    """Make a virtual environment with these packages.

    Returns:
        The path of its Python.
    """
    python = str(folder / "bin" / "python")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
    return python


def run_for_json(command: Sequence[str]) -> Any:
    """Run a command and parse the last line that it prints as JSON.

    Raises:
        SystemExit: with the end of what it said, where the command fails.
    """
    printed = run_command(command).splitlines()
    return json.loads(printed[-1])


def run_command(command: Sequence[str]) -> str:
    """Run a command and give what it prints; end this process where the command fails."""
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        said = finished.stderr[-3000:]
        sys.exit(f"{' '.join(command)} ended with {finished.returncode}:\n{said}")
    return finished.stdout


def rotate(items: Sequence[T], number: int) -> list[T]:
    """Begin with another item each round, so that none always runs first.

    >>> rotate(["a", "b", "c"], 4)
    ['b', 'c', 'a']
    """
    begin = number % len(items)
    return [*items[begin:], *items[:begin]]


def starts_in_turn(
    kinds: Mapping[str, Sequence[str]], repeats: int, *, warm: bool = True
) -> dict[str, list[Start]]:
    """Time several kinds of process in turn, from the start of each until its code has run.

    `kinds` maps a name to a Python, the code to run and its arguments. The start of the
    interpreter counts, its end does not. A first round warms the file system's cache and is not
    counted.
    """
    starts: dict[str, list[Start]] = {name: [] for name in kinds}
    for number in range(repeats + warm):
        for name, (python, code, *arguments) in kinds.items():
            start = start_and_run(python, code, arguments)
            if number >= warm:
                starts[name].append(start)
    return starts


def start_and_run(python: str, code: str, arguments: Sequence[str]) -> Start:
    """Time one process from its start until it has run the code; it ends this one if it fails."""
    begin = time.time()
    printed = run_command([python, "-c", code + REACHED, *arguments])
    reached, resident = map(float, printed.split("reached ")[-1].split())
    return Start(reached - begin, resident / MIB)


def seconds_of(work: Callable[[], object]) -> float:
    """Time one call in this process."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def show(values: Sequence[float]) -> str:
    """Write median and spread.

    >>> show([3.0, 1.0, 2.0])
    '2.00 (1.00 to 3.00)'
    """
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"
