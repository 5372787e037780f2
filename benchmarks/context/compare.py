"""Compares settings of context over corpora and seeds, and goes on where it was stopped.

usage: python -m benchmarks.context.compare RESULTS.jsonl --data FOLDER --encoder FOLDER
           [--contexts NAME …] [--corpora NAME …] [--seeds 1 2 3] [--table]
           [--settings KEY=VALUE …]

Every (corpus, context, seed) is a process of its own and leaves one line in RESULTS; what has its
line is not run again, unless its settings have changed, or what they mean by the defaults. Settings
are those of all runs. --table prints what there is. Each model is asked in every way (see `run`);
the second column is the gain over `sentences`, which learns from single sentences, asked in the
same way. The last tables are means over corpora (see `benchmarks.recipes.report`).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.machine import print_machine
from benchmarks.processes import module_command, run_for_json
from benchmarks.recipes.compare import Recipe, run_missing
from benchmarks.recipes.corpora import CORPORA
from benchmarks.recipes.report import print_tables

BASELINE = "sentences"
TOGETHER = "data.context=document"
CONTEXTS = {
    BASELINE: ["data.context=none"],
    "document-128": [TOGETHER],
    "document-256": [TOGETHER, "encoder.max_length=256"],
    "document-512": [TOGETHER, "encoder.max_length=512"],
}
WITH_DOCUMENTS = ("wikigold", "ewt", "ncbi")  # the last in runs of fifty sentences


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is missing, then print the tables."""
    options = parse(arguments)
    contexts = [Recipe(name, [*CONTEXTS[name], *options.settings]) for name in options.contexts]
    results = run_missing(options, contexts, partial(run, options))
    print_machine(("tensorflow", "tf-keras", "transformers"))
    print_tables(list(results.values()), options.contexts, BASELINE)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--contexts", nargs="+", choices=CONTEXTS, default=list(CONTEXTS))
    parser.add_argument("--corpora", nargs="+", choices=CORPORA, default=list(WITH_DOCUMENTS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--table", action="store_true", help="print what there is, run nothing")
    parser.add_argument("--settings", nargs="+", default=[], metavar="KEY=VALUE")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace, corpus: str, context: Recipe, seed: int) -> dict[str, Any]:
    """Train and ask once."""
    files = (options.encoder, options.data, seed)
    command = module_command(sys.executable, "context.run", corpus, *files, *context.settings)
    return run_for_json(command)


if __name__ == "__main__":
    main()
