"""A cluster of Spark's on this machine: two executors of one core, each a process of its own."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MASTER = "local-cluster[2,1,1024]"
EXECUTOR = "CoarseGrainedExecutorBackend"
PYTHON_WORKER = "pyspark.daemon"


@contextmanager
def session(master: str = MASTER, **settings: str) -> Iterator:
    """Open a session on a cluster, and take away what its executors write beside the package."""
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    import pyspark
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master(master).appName("tests")
    quiet = {"spark.ui.enabled": "false", "spark.log.level": "FATAL"}
    twice = {"spark.task.maxFailures": "2"}  # each try loads TensorFlow anew
    spark = builder.config(map={**quiet, **twice, **settings}).getOrCreate()
    work = Path(pyspark.__file__).parent / "work" / spark.sparkContext.applicationId
    try:
        yield spark
    finally:
        spark.stop()
        shutil.rmtree(work, ignore_errors=True)


def descendants(process: int) -> list[int]:
    """List the processes that a process has started, and those that they have."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        parents[int(folder.name)] = int(fields[1])
    found = [process]
    for each in found:
        found += [child for child, parent in parents.items() if parent == each]
    return found[1:]


def command_of(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def running(name: str) -> list[int]:
    """List this process's descendants whose command holds a name, in the order of their start."""
    return sorted(each for each in descendants(os.getpid()) if name in command_of(each))


def kill_one(kind: str) -> None:
    """Kill an executor, or a Python worker: one that a daemon has forked, not the daemon."""
    processes = running(kind)
    if kind == PYTHON_WORKER:
        processes = [each for each in processes if not descendants(each)]
    os.kill(processes[0], signal.SIGKILL)


def wait_for_tasks(spark, count: int, seconds: float = 120) -> None:
    """Wait until so many tasks of the running stage have ended."""
    tracker = spark.sparkContext.statusTracker()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for stage in tracker.getActiveStageIds():
            info = tracker.getStageInfo(stage)
            if info is not None and info.numCompletedTasks >= count:
                return
        time.sleep(0.02)
    raise TimeoutError(f"{count} tasks have not ended in {seconds} s")
