"""Describes where a benchmark runs: what its tables are headed with, and what Linux counts."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PROCESSOR = re.compile(r"model name\s*:\s*(.+)")
MOST_RESIDENT = re.compile(r"VmHWM:\s+(\d+) kB")


def print_machine(packages: Iterable[str]) -> None:
    """Print the two lines that every table begins with: machine and versions."""
    print(f"machine: {describe_machine()}")
    print(f"versions: {describe_versions(packages)}")


def describe_machine() -> str:
    """Name the system, the cores that this process may use, and the processor where it is known."""
    names = PROCESSOR.findall(read_proc(Path("/proc/cpuinfo")))
    processor = names[0] if names else "unknown processor"
    system = f"{platform.system()} {platform.machine()}"
    return f"{system}, {usable_cores()} cores, {processor}"


def usable_cores() -> int | None:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def describe_versions(packages: Iterable[str]) -> str:
    """List Python's version and those of the packages that are installed."""
    found = [describe_package(name) for name in packages]
    installed = [each for each in found if each]
    return ", ".join([f"Python {platform.python_version()}", *installed])


def describe_package(name: str) -> str | None:
    """Give a package's name and version, or None where it is not installed."""
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return None


def peak_mib(process: int | str = "self") -> float:
    """Measure the most memory that a process has held, in MiB, as Linux counts it; NaN elsewhere.

    getrusage would give that of the process which started this one, if it held more.
    """
    found = MOST_RESIDENT.findall(read_proc(Path(f"/proc/{process}/status")))
    return int(found[0]) / 1024 if found else float("nan")


def read_proc(path: Path) -> str:
    """Read a file of /proc; empty where there is none or the process has gone."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
