"""Measures the data's way to the training step: preparing, streaming, and waiting for batches.

usage: python -m benchmarks.data.pipeline [--sentences 2000000] [--shards 16] [--workers N]
           [--batch-size 32] [--encoder FOLDER] [--precision float32|mixed_bfloat16]
           [--steps 200] [--keep FOLDER] [--smoke]

The sentences are made up from the grammar of `tfner.quickstart`, other names in each thousand, and
written to a file in a stream. `python -m tfner.prepare` makes shards of it: sentences a second from
the command to its end, and the most memory that all its processes held together, shared pages
counted once. Then one epoch of batches is read, without a model: sentences a second, and the most
resident memory beyond what the process held with its libraries loaded. Last, training steps of the
encoder, by default the small one of the quickstart with random weights, take batches from the file,
held in memory, and from the shards: the share of time in which no step runs because the next batch
is not there. The first batch, for which the pipeline is built, is given on its own; tracing of the
step is excluded. The corpus in memory is its first 20,000 sentences.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.machine import print_machine, read_proc
from benchmarks.tables import table_row

PACKAGES = ("tensorflow", "tf-keras", "numpy")
STREAM_TITLES = ("batches", "seconds", "sentences/s", "peak MiB beyond start")
WAITING_TITLES = ("waiting %", "ms a step", "first batch ms")
BATCHINGS = ("bucketed", "padded", "packed")
FEW = 20_000
WRITTEN_AT_ONCE = 1_000


def main(arguments: Sequence[str] | None = None) -> None:
    """Prepare, stream and train, printing what each took."""
    options = parse(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        print_machine(PACKAGES)
        measure_prepare(options, folder)
        measure_stream(options, folder)
        measure_waiting(options, folder)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sentences", type=int, default=2_000_000)
    parser.add_argument("--shards", type=int, default=16)
    parser.add_argument("--workers", type=int, help="processes that encode; by default one a core")
    parser.add_argument("--batch-size", type=int, default=32)
    about_encoder = "checkpoint; only its shape and its vocabulary matter"
    parser.add_argument("--encoder", default="embedded:quickstart/encoder", help=about_encoder)
    parser.add_argument("--precision", choices=("float32", "mixed_bfloat16"), default="float32")
    parser.add_argument("--steps", type=int, default=200, help="training steps that are timed")
    about_keep = "folder to leave corpus and shards in; by default they are deleted"
    parser.add_argument("--keep", type=Path, help=about_keep)
    about_smoke = "few sentences and steps: does it run, not how fast"
    parser.add_argument("--smoke", action="store_true", help=about_smoke)
    options = parser.parse_args(arguments)
    if options.smoke:
        options.sentences, options.steps = 1_500, 3
        options.shards, options.workers = 2, 1
    return options


def measure_prepare(options: argparse.Namespace, folder: Path) -> None:
    """Write the corpus, its beginning and a configuration, and make shards of it."""
    start = time.perf_counter()
    write_corpus(folder / "corpus.jsonl", options.sentences)
    write_corpus(folder / "few.jsonl", min(options.sentences, FEW))
    size = (folder / "corpus.jsonl").stat().st_size / 2**20
    seconds = time.perf_counter() - start
    print(f"corpus: {options.sentences} sentences, {size:.0f} MiB, written in {seconds:.0f} s")
    write_config(options, folder)
    command = [sys.executable, "-m", "tfner.prepare", str(folder / "config.yaml")]
    command += ["--to", str(folder / "shards"), "--shards", str(options.shards)]
    if options.workers:
        command += ["--workers", str(options.workers)]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    with peak(lambda: sum(map(proportional_memory, family(process.pid)))) as most:
        if process.wait():
            sys.exit(f"ended with {process.returncode}: {' '.join(command)}")
    seconds = time.perf_counter() - start
    size = sum(path.stat().st_size for path in (folder / "shards").iterdir()) / 2**20
    rate = options.sentences / seconds
    written = f"{size:.0f} MiB in {options.shards} shards"
    peak_memory = f"peak memory of all its processes {most[0]:.0f} MiB"
    print(f"prepare: {seconds:.0f} s, {rate:.0f} sentences/s, {written}; {peak_memory}")


def write_corpus(path: Path, sentences: int) -> None:
    """Write sentences of the grammar, with as little in memory as possible.

    Names are new in each thousand, or the inventor would run dry.
    """
    from random import Random

    from tfner.quickstart.generate import Split, quickstart_grammar, records
    from tfner.quickstart.grammar import Grammar
    from tfner.quickstart.words import Inventor

    rules, ordinary = quickstart_grammar().rules, quickstart_grammar().inventor.taken
    with path.open("w", encoding="utf-8") as file:
        for begin in range(0, sentences, WRITTEN_AT_ONCE):
            grammar = Grammar(rules, Inventor(Random(begin), ordinary))
            count = min(WRITTEN_AT_ONCE, sentences - begin)
            for record in records(Split(f"{begin}", count), grammar):
                file.write(json.dumps(record, ensure_ascii=False) + "\n")


def write_config(options: argparse.Namespace, folder: Path) -> None:
    """Write the configuration of a run on the corpus."""
    import yaml

    training = {"batch_size": options.batch_size, "precision": options.precision, "epochs": 1000}
    values = {
        "name": "pipeline",
        "data": {"train": str(folder / "corpus.jsonl")},
        "encoder": {"checkpoint": options.encoder, "initialize": "random"},
        "training": training,
        "runs_dir": str(folder / "runs"),
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")


def measure_stream(options: argparse.Namespace, folder: Path) -> None:
    """Read one epoch of batches of each kind from the shards."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    print(table_row("one epoch from the shards", STREAM_TITLES, first=28, width=24))
    from tfner.data.shards.sharded_corpus import ShardedCorpus
    from tfner.training.batches import make_batches

    start_memory = resident_memory()
    for batching in BATCHINGS:
        prepared = as_prepared(folder, batching, ShardedCorpus(folder / "shards"))
        with peak(resident_memory) as most:
            start = time.perf_counter()
            batches = make_batches(prepared)
            count = sum(1 for _ in batches.training(1))
            seconds = time.perf_counter() - start
        beyond = max(most[0], resident_memory()) - start_memory
        rate = options.sentences / seconds
        columns = [count, f"{seconds:.1f}", f"{rate:.0f}", f"{beyond:.0f}"]
        print(table_row(batching, columns, first=28, width=24))


def as_prepared(folder: Path, batching: str, corpus: Any) -> Any:
    """Build what a run has before its first step, around a corpus that is already encoded."""
    from rich.console import Console

    from tfner.config import load_settings
    from tfner.model.encoders.checkpoints import resolve_checkpoint
    from tfner.tagging.schemes import LabelSet
    from tfner.tokenizers.registry import open_tokenizer
    from tfner.training.run_inputs import RunInputs, Splits
    from tfner.training.state.run_folder import RunFolder

    settings = load_settings(folder / "config.yaml", [f"training.batching={batching}"])
    checkpoint = resolve_checkpoint(settings.encoder.checkpoint)
    labels = LabelSet(("ORGANIZATION", "PERSON", "PLACE", "PRODUCT"))
    tokenizer = open_tokenizer(checkpoint)
    return RunInputs(
        settings,
        RunFolder(settings.run_dir),
        Splits(),
        labels,
        checkpoint,
        tokenizer,
        {"train": corpus},
        Console(),
    )


def measure_waiting(options: argparse.Namespace, folder: Path) -> None:
    """Train on batches from memory and from the shards, and print how long steps waited."""
    from tfner.data.shards.sharded_corpus import ShardedCorpus
    from tfner.training.batches import make_batches

    corpora = {"memory": encode_few(folder), "shards": ShardedCorpus(folder / "shards")}
    print(table_row(f"{options.steps} training steps", WAITING_TITLES, first=28, width=16))
    for batching in ("bucketed", "packed"):
        step, spec = None, None
        for name, corpus in corpora.items():
            prepared = as_prepared(folder, batching, corpus)
            dataset = make_batches(prepared).training(prepared.settings.training.epochs)
            if step is None or dataset.element_spec != spec:
                step, spec = compile_step(prepared), dataset.element_spec
            run_steps(step, dataset, 2)  # traces
            first, waited, worked = run_steps(step, dataset, options.steps)
            share = 100 * waited / (waited + worked)
            step_ms = 1000 * worked / options.steps
            columns = [f"{share:.2f}", f"{step_ms:.1f}", f"{1000 * first:.0f}"]
            print(table_row(f"{batching}, {name}", columns, first=28, width=16))


def encode_few(folder: Path) -> Any:
    """Encode the beginning of the corpus into memory."""
    from tfner.corpus.ledger import Ledger
    from tfner.formats import read_documents
    from tfner.training.run_inputs import encode_split

    prepared = as_prepared(folder, "bucketed", None)
    documents = list(read_documents(folder / "few.jsonl", prepared.settings.data, Ledger()))
    return encode_split(documents, prepared.tokenizer, prepared.labels, Ledger(), prepared.settings)


def compile_step(prepared: Any) -> Callable[[Any], Any]:
    """Build what `fit` runs for each batch, asking for it included."""
    import tensorflow as tf

    from tfner.training.fit import compile_model
    from tfner.training.schedule import Schedule

    model = compile_model(prepared, Schedule(epochs=1, passes=1, steps_per_pass=1000))
    return tf.function(lambda iterator: model.train_step(next(iterator)))


def run_steps(step: Callable[[Any], Any], dataset: Any, steps: int) -> tuple[float, float, float]:
    """Run steps on the batches of a data set.

    Returns:
        Seconds until the first batch, seconds of waiting for the others, seconds of work.
    """
    from tfner.monitoring.input_monitor import InputMonitor

    monitor = InputMonitor()
    start = time.perf_counter()
    iterator = iter(monitor.watch(dataset))
    built = time.perf_counter()
    step(iterator)
    first = monitor.totals.waited
    for _ in range(steps - 1):
        step(iterator)
    worked = time.perf_counter() - built - monitor.totals.waited
    return built - start + first, monitor.totals.waited - first, worked


@contextmanager
def peak(measure: Callable[[], float], seconds: float = 0.1) -> Iterator[list[float]]:
    """Keep the most that `measure` gives while the block runs, asked for every so often."""
    most, done = [measure()], threading.Event()

    def watch() -> None:
        while not done.wait(seconds):
            most[0] = max(most[0], measure())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield most
    finally:
        done.set()
        watcher.join()


def family(pid: int) -> list[int]:
    """List a process and all that it has started, as Linux knows them."""
    members = [pid]
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in read_proc(path).split():
            members += family(int(child))
    return members


def proportional_memory(pid: int) -> float:
    """Measure resident memory in MiB, a page that n processes share as an n-th."""
    counted = read_proc(Path(f"/proc/{pid}/smaps_rollup"))
    found = re.findall(r"^Pss:\s+(\d+) kB", counted, re.MULTILINE)
    return int(found[0]) / 1024 if found else 0.0


def resident_memory() -> float:
    """Measure that of this process, in MiB."""
    status = read_proc(Path("/proc/self/status"))
    found = re.findall(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[0]) / 1024 if found else float("nan")


if __name__ == "__main__":
    main()
