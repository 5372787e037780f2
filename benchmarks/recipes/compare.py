"""Compares recipes over corpora and seeds, paired with a baseline; goes on where it was stopped.

usage: python -m benchmarks.recipes.compare RESULTS.jsonl --data FOLDER --encoder FOLDER
           [--multilingual FOLDER] [--recipes NAME …] [--corpora NAME …] [--seeds 1 2 3 4 5]
           [--baseline NAME] [--file RECIPES.yaml] [--peer-python PYTHON] [--table]

A recipe is a name in the file with the settings that it has beside the defaults; `trainer` is the
peer. Every (corpus, recipe, seed) is a process of its own and leaves one line in RESULTS. What has
its line already is not run again, unless the recipe's settings have changed, or what they mean by
the defaults. The order is seed by seed, so that a table is whole for the seeds that are done,
whenever it is stopped. --table prints what there is, `report` says how to read it. Scores are micro
F1 in percent of the last epoch.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from benchmarks.machine import print_machine
from benchmarks.peers import TRAINER_PACKAGES
from benchmarks.processes import make_environment, module_command, run_for_json
from benchmarks.recipes.corpora import CORPORA, lay_out, micro_f1, read
from benchmarks.recipes.report import print_tables
from benchmarks.recipes.results import append, current_lines, describe_version, read_lines

PEER = "trainer"
PEER_RECIPE = {
    "epochs": 3,
    "learning_rate": 2e-4,
    "batch_size": 32,
    "max_length": 128,
    "bf16": True,
    "by_length": False,
}
HERE = Path(__file__).parent
KEYS = ("corpus", "recipe", "seed", "settings", "scores", "seconds")  # of a line of results
Key = tuple[str, str, int]  # corpus, recipe, seed


class Recipe(NamedTuple):
    """Names a recipe with its settings."""

    name: str
    settings: list[str]


Run = Callable[[str, Recipe, int], dict[str, Any]]  # corpus, recipe, seed -> scores and seconds


class Runner:
    """Runs what has no result yet.

    Args:
        options: of the command line.
        folder: for the corpora's files.
    """

    def __init__(self, options: argparse.Namespace, folder: Path):
        self.options = options
        self.folder = folder
        self.python = options.peer_python or ""

    def run(self, corpus: str, recipe: Recipe, seed: int) -> dict[str, Any]:
        """Train and score once."""
        if recipe.name == PEER:
            return self._run_peer(corpus, seed)
        files = (self._encoder(corpus), self.options.data, self.folder, seed)
        command = module_command(sys.executable, "recipes.run", corpus, *files, *recipe.settings)
        return run_for_json(command)

    def _encoder(self, corpus: str) -> str:
        if not CORPORA[corpus].multilingual:
            return self.options.encoder
        if not self.options.multilingual:
            sys.exit(f"{corpus}: needs --multilingual, the folder of an encoder of many languages")
        return self.options.multilingual

    def _run_peer(self, corpus: str, seed: int) -> dict[str, Any]:
        """Train the peer; it writes tags, which are scored here."""
        if not self.python:
            self.python = make_environment(self.folder / "peer", TRAINER_PACKAGES)
        files = lay_out(corpus, self.options.data, self.folder)
        tagged = {name: self.folder / f"{name}.tagged" for name in files.texts}
        write = {str(path): str(tagged[name]) for name, path in files.texts.items()}
        settings = json.dumps({**PEER_RECIPE, "seed": seed, "write": write})
        paths = (self._encoder(corpus), files.train, files.texts[corpus])
        result = run_for_json(module_command(self.python, "peers.trainer", *paths, settings))
        scores = {}
        for name, path in files.texts.items():
            found = [document.entities for document in read(tagged[name])]
            scores[f"{name} greedy"] = micro_f1(read(path), found, all_types=name == corpus)
        return {"scores": scores, "seconds": result["seconds"]}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is missing, then print the tables."""
    options = parse(arguments)
    recipes = choose_recipes(options)
    with tempfile.TemporaryDirectory() as scratch:
        runner = Runner(options, Path(scratch))
        results = run_missing(options, recipes, runner.run)
    print_machine(("tensorflow", "tf-keras", "transformers"))
    names = [recipe.name for recipe in recipes]
    print_tables(list(results.values()), names, options.baseline)


def run_missing(
    options: argparse.Namespace, recipes: Sequence[Recipe], run: Run
) -> dict[Key, dict[str, Any]]:
    """Run what has no result yet, seed by seed, and add a line for each; give all results."""
    results = read_results(options.results, recipes)
    for seed in [] if options.table else options.seeds:
        for corpus in options.corpora:
            for recipe in recipes:
                if (corpus, recipe.name, seed) not in results:
                    line = run_line(run, corpus, recipe, seed)
                    append(options.results, line)
                    results[corpus, recipe.name, seed] = line
    return results


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--multilingual", default="")
    parser.add_argument("--recipes", nargs="+", default=[])
    english = [name for name, corpus in CORPORA.items() if not corpus.multilingual]
    parser.add_argument("--corpora", nargs="+", choices=CORPORA, default=english)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--baseline", default="default")
    parser.add_argument("--file", type=Path, default=HERE / "recipes.yaml")
    parser.add_argument("--peer-python")
    parser.add_argument("--table", action="store_true", help="print what there is, run nothing")
    return parser.parse_args(arguments)


def choose_recipes(options: argparse.Namespace) -> list[Recipe]:
    """Look up the recipes that are asked for; all of the file by default, without the peer."""
    known = yaml.safe_load(options.file.read_text(encoding="utf-8"))
    names = options.recipes or list(known)
    known[PEER] = []
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"{options.file}: no recipe {unknown[0]!r}; there are {', '.join(known)}")
    return [Recipe(name, known[name]) for name in names]


def run_line(run: Run, corpus: str, recipe: Recipe, seed: int) -> dict[str, Any]:
    """Run once; give the line of results."""
    about = {"corpus": corpus, "recipe": recipe.name, "seed": seed, "settings": recipe.settings}
    version = describe_version(None if recipe.name == PEER else recipe.settings)
    begin = time.perf_counter()
    result = run(corpus, recipe, seed)
    wall = round(time.perf_counter() - begin, 1)
    print(f"seed {seed}, {corpus}, {recipe.name}: {result['scores']} in {wall} s", flush=True)
    return {**about, **version, **result, "wall": wall}


def read_results(path: Path, recipes: Sequence[Recipe]) -> dict[Key, dict[str, Any]]:
    """Read the results of recipes that still mean the same; of repeated ones the last."""
    settings = {recipe.name: recipe.settings for recipe in recipes}
    lines = ((line, line["settings"]) for line in read_lines(path, KEYS))
    asked = ((line, given) for line, given in lines if settings.get(line["recipe"]) == given)
    current = current_lines(path, asked)
    return {(line["corpus"], line["recipe"], line["seed"]): line for line in current}


if __name__ == "__main__":
    main()
