"""Processes and disks of the tests' own.

A command as a shell runs it, processes that need not import TensorFlow, the workers of a cluster, a
file system that is soon full.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

SUPPORT = Path(__file__).resolve().parent
ROOT = SUPPORT.parents[1]
# Processes are forked from one that has imported TensorFlow and not used it, which saves the
# seconds that the import takes.
forks = multiprocessing.get_context("forkserver")
forks.set_forkserver_preload(
    ["tfner.training.run", "tfner.train", "transformers.models.bert.modeling_tf_bert"]
)


def call(*arguments, **options):
    environment = {
        name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"
    }
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        timeout=250,
        **options,
    )


def clusters(workers: int) -> list[str]:
    """TF_CONFIG of each of so many workers on this machine."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(workers)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    return [
        json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": number}})
        for number in range(workers)
    ]


THREADS = {  # several processes share the machine
    "TF_NUM_INTRAOP_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}


def free_port() -> int:
    """Find a port of this machine that nobody listens on."""
    with socket.socket() as each:
        each.bind(("127.0.0.1", 0))
        return each.getsockname()[1]


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, **THREADS, "PYTHONPATH": f"{ROOT}{os.pathsep}{SUPPORT}", **more}


def start(arguments: Sequence[str], **variables: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, *arguments],
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@contextmanager
def small_disk(path: Path, options: str):
    """A file system of a few kilobytes, where one may be mounted."""
    path.mkdir(exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"a tmpfs cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(path)], check=True)
