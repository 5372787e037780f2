"""Compares Spark on this machine with `predict`: texts a second, and memory.

usage: python -m benchmarks.serving.spark MODEL TEXTS [--repeats 5] [--workers 2] [--smoke]

TEXTS is a file of lines. Both sides mark them on as many cores: `predict` in one process, Spark by
so many executors of one core. Both are started first and mark one text some times, of which the
first has Spark's workers start and load the model, and all texts once, which makes graphs warm.
Then they mark all in turn, --repeats times, and the other waits. Spark's rows are read out of
memory and written nowhere, as those of `predict` are. Beside the clock's seconds stand those of the
processors, which other processes on the machine disturb less. Memory is the most that each process
held. Of Spark both are sums over the driver, its Java, the executors' Java and the Python workers.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from subprocess import PIPE
from typing import Any

from benchmarks.machine import peak_mib, print_machine, read_proc
from benchmarks.processes import module_command, rotate, seconds_of, show

SIDES = ("predict", "spark")
SMOKE_TEXTS = 64
ONE, ALL = "one", "all"
PARTITIONS_A_WORKER = 4
FIELDS = ("seconds", "cpu", "mib")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run both sides in turn and print the table, or be one side."""
    options = parse(arguments)
    if options.side:
        answer_rounds(options)
        return
    given = [options.model, options.texts, "--workers", options.workers, "--count", options.count]
    found: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    ones: dict[str, list[float]] = {}
    started = {}
    for side in SIDES:
        command = module_command(sys.executable, "serving.spark", *given, "--side", side)
        started[side] = subprocess.Popen(command, text=True, stdin=PIPE, stdout=PIPE)
        ones[side] = [ask_round(started[side], ONE)["seconds"] for _ in range(1 + options.repeats)]
        ask_round(started[side], ALL)
    for number in range(options.repeats):
        for side in rotate(SIDES, number):
            answer = ask_round(started[side], ALL)
            found[side].append(answer)
    for process in started.values():
        process.communicate()
    print_machine(("tensorflow", "pyspark", "pyarrow"))
    print(f"model: {options.model}; workers: {options.workers}; repeats: {options.repeats}")
    print("median (least to most): seconds for all texts, of the processors; MiB")
    for side, rounds in found.items():
        columns = [show([each[field] for each in rounds]) for field in FIELDS]
        print(f"  {side:10}" + "  ".join(f"{column:28}" for column in columns))
    for side, (first, *others) in ones.items():
        print(f"one text, {side}: {first:.2f} s the first time, then {show(others)} s")
    pairs = list(zip(found["predict"], found["spark"], strict=True))
    for field in ("seconds", "cpu"):
        ratios = [own[field] / other[field] for own, other in pairs]
        print(f"speed of spark as a share of predict's in the same round, {field}: {show(ratios)}")


def ask_round(process: subprocess.Popen[str], which: str) -> dict[str, float]:
    """Have a side mark one text or all once, and read what it measured."""
    if process.stdin is None or process.stdout is None:
        raise ValueError("expected a process with pipes")
    process.stdin.write(f"{which}\n")
    process.stdin.flush()
    for line in process.stdout:
        if line.startswith("{"):
            return json.loads(line)
    raise SystemExit(f"a side has ended: {process.args}")


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


def answer_rounds(options: argparse.Namespace) -> None:
    """Start a side; for each line that comes mark one text or all, and print what it took."""
    lines = options.texts.read_text(encoding="utf-8").splitlines()
    texts = lines[: options.count or None]
    start = start_predict if options.side == "predict" else start_spark
    mark_texts = start(str(options.model), texts, options.workers)
    for line in sys.stdin:
        is_one = line.strip() == ONE
        processes = [os.getpid(), *children_of(os.getpid())]
        before = {process: cpu_seconds(process) for process in processes}
        seconds = seconds_of(lambda is_one=is_one: mark_texts(is_one))
        # one that was idle may have ended
        spent = (max(cpu_seconds(process) - begun, 0.0) for process, begun in before.items())
        cpu = sum(spent)
        mib = sum(map(peak_mib, processes))
        print(json.dumps({"seconds": seconds, "cpu": cpu, "mib": mib}), flush=True)


def start_predict(model: str, texts: list[str], processors: int) -> Callable[[bool], None]:
    """Load a model as `predict` does, on so many processors."""
    from tfner.documents import Document
    from tfner.formats.resume import Nothing
    from tfner.serving.runtime.bulk import mark_all
    from tfner.serving.runtime.saved_model import load_recognizer
    from tfner.serving.runtime.threads import share_processors

    os.sched_setaffinity(0, range(processors))
    recognizer = load_recognizer(model, threads=share_processors(processors))
    documents = [Document(text) for text in texts]

    def mark_texts(is_one: bool) -> None:
        found: list[Any] = []
        given = documents[:1] if is_one else documents
        for _ in mark_all(recognizer, given, lambda *pair: found.append(pair), Nothing()):
            pass

    return mark_texts


def start_spark(model: str, texts: list[str], workers: int) -> Callable[[bool], None]:
    """Start a cluster of executors with one core each, and hold the texts in their memory."""
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    from pyspark.sql import SparkSession

    from tfner.serving.spark import mark

    builder = SparkSession.builder.master(f"local-cluster[{workers},1,1024]")
    quiet = {"spark.ui.enabled": "false", "spark.log.level": "FATAL"}
    spark = builder.config(map=quiet).getOrCreate()
    rows = spark.createDataFrame([(text,) for text in texts], "text string")
    held = rows.repartition(PARTITIONS_A_WORKER * workers).cache()
    held.count()
    one = mark(spark.createDataFrame([(texts[0],)], "text string").coalesce(1), model)
    every = mark(held, model)

    def mark_texts(is_one: bool) -> None:
        marked = one if is_one else every
        marked.write.format("noop").mode("overwrite").save()

    return mark_texts


def cpu_seconds(process: int) -> float:
    """Count the seconds that a process has had of processors, as Linux does."""
    fields = read_proc(Path(f"/proc/{process}/stat")).rpartition(")")[2].split()
    user, system = fields[11:13] or (0, 0)
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
