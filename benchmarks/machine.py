"""Where a benchmark runs: what its tables are headed with."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def describe_machine() -> str:
    """System, cores that this process may use, and the processor's name where Linux tells it."""
    try:
        names = re.findall(
            r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8")
        )
    except OSError:
        names = []
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{platform.system()} {platform.machine()}, {cores} cores, {names[0] if names else 'unknown processor'}"


def describe_versions(packages: Iterable[str]) -> str:
    """Python's version and those of the packages that are installed."""
    return ", ".join(
        [f"Python {platform.python_version()}", *filter(None, map(describe_package, packages))]
    )


def describe_package(name: str) -> str | None:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return None
