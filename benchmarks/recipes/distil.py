"""Compares students with their teachers and with these together; goes on where it was stopped.

usage: python -m benchmarks.recipes.distil RESULTS.jsonl --data FOLDER --encoder FOLDER
           --work FOLDER [--tasks NAME …] [--seeds 1 2 3 4 5] [--students 1 2 3 4 5]
           [--weights 0.5] [--set KEY=VALUE …] [--table]

A task is a corpus, with all its gold sentences or with few, and then with text without labels. One
teacher a seed learns from gold alone; `ensemble` averages what all of them say; a student, of the
same encoder, learns from gold and from the teachers, whose share in it is the weight. Everything is
a process of its own and leaves one line in RESULTS; what has its line already is not run again,
unless its settings have changed, or what they mean by the defaults, or a teacher's export has gone.
--work keeps the teachers' exports and their answers. --set are settings of teachers and students
alike. --table prints what there is. Scores are micro F1 in percent of the last epoch.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.machine import print_machine
from benchmarks.processes import module_command, run_for_json
from benchmarks.recipes.corpora import columns, lay_out, read
from benchmarks.recipes.results import (
    append,
    current_lines,
    describe_version,
    describe_versions,
    read_lines,
)
from benchmarks.tables import gain, spread, table_row

PRECISION = "training.precision=mixed_bfloat16"  # as in recipes.yaml
ENSEMBLE = "ensemble"
KEYS = ("task", "arm", "seed", "settings", "scores")  # of a line of results


class Task(NamedTuple):
    """Names what is learned.

    corpus: of the table of corpora.
    gold: how many of its training sentences have labels, the first ones; the rest is text without
        labels. None: all have.
    unlabelled: a file of more such text, under the data folder.
    """

    corpus: str
    gold: int | None = None
    unlabelled: str | None = None


TASKS = {
    "wnut17": Task("wnut17"),
    "ncbi": Task("ncbi"),
    # CrossNER trains on 100 sentences; the text of its dev split is otherwise unused here.
    "ai": Task("ai", unlabelled="crossner/ai/dev.txt"),
    "wnut17-100": Task("wnut17", gold=100),
    "ncbi-100": Task("ncbi", gold=100),
}
Key = tuple[str, str, int]  # task, arm, seed


class Runner:
    """Runs what has no result yet, for one task.

    Args:
        options: of the command line.
        name: of the task.
    """

    def __init__(self, options: argparse.Namespace, name: str):
        self.options = options
        self.name = name
        self.task = TASKS[name]
        self.folder = (options.work / name).resolve()
        self.gold = self.folder / "gold.conll"
        self.unlabelled = self.folder / "unlabelled.conll"

    def lay_out(self) -> None:
        """Write the sentences with labels, and the text without, once."""
        task = self.task
        files = lay_out(task.corpus, self.options.data, self.options.work)
        if self.gold.exists():
            return
        sentences = read(files.train)
        count = len(sentences) if task.gold is None else task.gold
        rest = sentences[count:]
        if task.unlabelled:
            rest += read(self.options.data / task.unlabelled)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.unlabelled.write_text(columns(rest), encoding="utf-8")
        self.gold.write_text(columns(sentences[:count]), encoding="utf-8")

    def export_of(self, seed: int) -> Path:
        """Name the folder of a teacher's exports."""
        return self.folder / "teachers" / f"seed-{seed}"

    def teacher(self, seed: int) -> list[str]:
        """Give the settings of a teacher."""
        export = self.export_of(seed)
        kept = [f"name={export.name}", f"exports_dir={export.parent}", "export.enabled=true"]
        return [*self._common(), *kept]

    def student(self, weight: float) -> list[str]:
        """Give the settings of a student."""
        teachers = [str(self.export_of(seed)) for seed in self.options.seeds]
        taught = [f"training.teachers={json.dumps(teachers)}", f"training.teacher_weight={weight}"]
        if self.unlabelled.stat().st_size:
            taught.append(f"data.unlabelled={self.unlabelled}")
        return [*self._common(), *taught, f"data.cache={self.folder / 'cache'}"]

    def _common(self) -> list[str]:
        return [f"data.train={self.gold}", PRECISION, *self.options.set]

    def train(self, settings: Sequence[str], seed: int) -> dict[str, Any]:
        """Train and score once."""
        options = self.options
        files = (options.encoder, options.data, options.work, seed)
        command = module_command(sys.executable, "recipes.run", self.task.corpus, *files, *settings)
        return run_for_json(command)

    def average(self, models: Sequence[str]) -> dict[str, Any]:
        """Score the mean of the teachers."""
        files = (self.task.corpus, self.options.data, self.options.work)
        return run_for_json(module_command(sys.executable, "recipes.ensemble", *files, *models))


class Results:
    """Holds the lines of a file of results, and adds to them.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path):
        self.path = path
        lines = read_lines(path, KEYS)
        given = ((line, overrides_of(key_of(line), line["settings"])) for line in lines)
        self.lines = {key_of(line): line for line in current_lines(path, given)}

    def has(self, key: Key, settings: Sequence[str]) -> bool:
        """Tell whether there is a result of these settings."""
        return key in self.lines and self.lines[key]["settings"] == list(settings)

    def add(self, key: Key, settings: Sequence[str], run: Callable[[], dict[str, Any]]) -> None:
        """Run, and write the result."""
        about = dict(zip(("task", "arm", "seed"), key, strict=True))
        version = describe_version(overrides_of(key, settings))
        begin = time.perf_counter()
        result = run()
        wall = round(time.perf_counter() - begin, 1)
        line = {**about, "settings": list(settings), **version, **result, "wall": wall}
        print(f"{key}: {result['scores']} in {wall} s", flush=True)
        append(self.path, line)
        self.lines[key] = line


def key_of(line: Mapping[str, Any]) -> Key:
    """Give what a result is of."""
    return line["task"], line["arm"], line["seed"]


def overrides_of(key: Key, settings: Sequence[str]) -> list[str]:
    """Give the overrides of a run; those of an ensemble, behind its models, are its teachers'."""
    if key[1] != ENSEMBLE:
        return list(settings)
    return [PRECISION, *(each for each in settings if not Path(each).is_absolute())]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is missing, then print the tables."""
    options = parse(arguments)
    results = Results(options.results)
    for name in [] if options.table else options.tasks:
        run_task(Runner(options, name), results)
    print_machine(("tensorflow", "tf-keras"))
    print_tables(list(results.lines.values()))


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--students", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--weights", type=float, nargs="+", default=[0.5])
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE")
    parser.add_argument("--table", action="store_true", help="print what there is, run nothing")
    return parser.parse_args(arguments)


def run_task(runner: Runner, results: Results) -> None:
    """Train the teachers of a task, average them, train their students."""
    options = runner.options
    runner.lay_out()
    for seed in options.seeds:
        settings = runner.teacher(seed)
        key = (runner.name, "teacher", seed)
        if not results.has(key, settings) or not runner.export_of(seed).is_dir():
            results.add(key, settings, lambda s=settings, n=seed: runner.train(s, n))
    models = [str(runner.export_of(seed)) for seed in options.seeds]
    settings = [*models, *options.set]
    key = (runner.name, ENSEMBLE, 0)
    if not results.has(key, settings):
        results.add(key, settings, lambda: runner.average(models))
    for seed in options.students:
        for weight in options.weights:
            settings = runner.student(weight)
            key = (runner.name, f"student {weight}", seed)
            if not results.has(key, settings):
                results.add(key, settings, lambda s=settings, n=seed: runner.train(s, n))


def print_tables(lines: Sequence[Mapping[str, Any]]) -> None:
    """Print the scores of each task, what students gain over their teachers, and the versions."""
    scores: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for line in lines:
        for name, value in line["scores"].items():
            scores[line["task"], name][line["arm"]].append(value)
    for (task, name), by_arm in scores.items():
        print(f"\n{task}: {name}")
        print(table_row("", ("runs", "F1", "- teachers", "- ensemble"), first=20, width=18))
        for arm, values in by_arm.items():
            over = [difference(values, by_arm.get(other)) for other in ("teacher", ENSEMBLE)]
            cells = (len(values), spread(values), *over)
            print(table_row(f"  {arm}", cells, first=20, width=18))
    versions = describe_versions(lines)
    if versions:
        print(f"\n{versions}")


def difference(values: Sequence[float], others: Sequence[float] | None) -> str:
    """Write by how much values are above the mean of others, with their standard error.

    >>> difference([57.0, 59.0], [56.0, 54.0])
    '+3.00 ± 1.00'
    """
    if not others:
        return ""
    mean = statistics.mean(others)
    return gain([value - mean for value in values])


if __name__ == "__main__":
    main()
