"""Compares Spark on this machine with `predict`: texts a second, and memory.

usage: python -m benchmarks.serving.spark MODEL TEXTS [--repeats 5] [--workers 2] [--smoke]

TEXTS is a file of lines. Both sides mark them on as many cores, in processes of their own that run
in turn, --repeats times: `predict` in one process, Spark with so many executors of one core. What
is timed is the second time over all texts, when models are loaded and graphs are warm; starting is
shown apart. Spark's rows are read out of memory and written nowhere, as those of `predict` are.
Beside the clock's seconds stand those of the processors, which other processes on the machine
disturb less. Memory is the most that each process held. Of Spark both are sums over the driver, its
Java, the executors' Java and the Python workers.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import peak_mib, print_machine, read_proc
from benchmarks.processes import module_command, rotate, run_for_json, seconds_of, show

SIDES = ("predict", "spark")
SMOKE_TEXTS = 64
PARTITIONS_A_WORKER = 4
FIELDS = ("seconds", "cpu", "start", "mib")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run both sides in turn and print the table, or measure one side."""
    options = parse(arguments)
    if options.side:
        print(json.dumps(measure(options)))
        return
    given = [options.model, options.texts, "--workers", options.workers, "--count", options.count]
    found: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    for number in range(options.repeats):
        for side in rotate(SIDES, number):
            command = module_command(sys.executable, "serving.spark", *given, "--side", side)
            found[side].append(run_for_json(command))
    print_machine(("tensorflow", "pyspark", "pyarrow"))
    print(f"model: {options.model}; workers: {options.workers}; repeats: {options.repeats}")
    print("median (least to most): seconds for all texts, of the processors, to start; MiB")
    for side, rounds in found.items():
        columns = [show([each[field] for each in rounds]) for field in FIELDS]
        print(f"  {side:10}" + "  ".join(f"{column:28}" for column in columns))
    pairs = list(zip(found["predict"], found["spark"], strict=True))
    for field in ("seconds", "cpu"):
        ratios = [own[field] / other[field] for own, other in pairs]
        print(f"speed of spark as a share of predict's in the same round, {field}: {show(ratios)}")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("texts", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--count", type=int, default=0, help="texts at most; 0 for all")
    parser.add_argument("--smoke", action="store_true", help="once over few texts: does it run")
    parser.add_argument("--side", choices=SIDES, help="measure one side in this process")
    options = parser.parse_args(arguments)
    if options.smoke:
        options.repeats, options.count = 1, SMOKE_TEXTS
    return options


def measure(options: argparse.Namespace) -> dict[str, float]:
    """Measure one side."""
    lines = options.texts.read_text(encoding="utf-8").splitlines()
    texts = lines[: options.count or None]
    side = measure_predict if options.side == "predict" else measure_spark
    return side(str(options.model), texts, options.workers)


def measure_predict(model: str, texts: list[str], processors: int) -> dict[str, float]:
    """Mark all texts twice, as `predict` does, on so many processors."""
    began = time.perf_counter()
    from tfner.documents import Document
    from tfner.formats.resume import Nothing
    from tfner.quiet_tensorflow import load_tensorflow
    from tfner.serving.runtime.bulk import mark_all

    os.sched_setaffinity(0, range(processors))
    load_tensorflow()
    from tfner.serving.runtime.saved_model import load_recognizer
    from tfner.serving.runtime.threads import share_processors

    share_processors(processors)
    recognizer = load_recognizer(model)
    documents = [Document(text) for text in texts]

    def mark_them() -> None:
        found: list[Any] = []
        for _ in mark_all(recognizer, documents, lambda *pair: found.append(pair), Nothing()):
            pass

    start = time.perf_counter() - began
    mark_them()
    before = time.process_time()
    seconds = seconds_of(mark_them)
    cpu = time.process_time() - before
    return {"seconds": seconds, "cpu": cpu, "start": start, "mib": peak_mib()}


def measure_spark(model: str, texts: list[str], workers: int) -> dict[str, float]:
    """Mark all texts twice on a cluster of executors with one core each."""
    began = time.perf_counter()
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    from pyspark.sql import SparkSession

    from tfner.serving.spark import mark

    builder = SparkSession.builder.master(f"local-cluster[{workers},1,1024]")
    quiet = {"spark.ui.enabled": "false", "spark.log.level": "FATAL"}
    spark = builder.config(map=quiet).getOrCreate()
    partitions = PARTITIONS_A_WORKER * workers
    rows = spark.createDataFrame([(text,) for text in texts], "text string")
    held = rows.repartition(partitions).cache()
    held.count()
    marked = mark(held, model)

    def mark_them() -> None:
        marked.write.format("noop").mode("overwrite").save()

    start = time.perf_counter() - began
    mark_them()
    processes = [os.getpid(), *children_of(os.getpid())]
    before = sum(map(cpu_seconds, processes))
    seconds = seconds_of(mark_them)
    cpu = sum(map(cpu_seconds, processes)) - before
    mib = sum(map(peak_mib, processes))
    spark.stop()
    return {"seconds": seconds, "cpu": cpu, "start": start, "mib": mib}


def cpu_seconds(process: int) -> float:
    """Count the seconds that a process has had of processors, as Linux does."""
    fields = read_proc(Path(f"/proc/{process}/stat")).rpartition(")")[2].split()
    user, system = fields[11:13]
    ticks = int(user) + int(system)
    return ticks / os.sysconf("SC_CLK_TCK")


def children_of(process: int) -> list[int]:
    """List the processes that a process has started, and those that they have."""
    found = []
    for file in Path(f"/proc/{process}/task").glob("*/children"):
        for child in map(int, file.read_text().split()):
            found += [child, *children_of(child)]
    return found


if __name__ == "__main__":
    main()
