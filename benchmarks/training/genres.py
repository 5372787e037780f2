"""Scores models of WNUT-17 on text of other kinds, types mapped to what the corpora share.

usage: TFNER_DATA=… python -m benchmarks.training.genres RUN …

RUN: run folders or exports of models trained on WNUT-17. What was learned on tweets is tried on BTC
dev and wikigold, where PER, LOC and ORG are scored; runs whose names differ only in a number at the
end are seeds of one setting and averaged.
"""

from __future__ import annotations

import os
import re
import statistics
import sys
from collections import defaultdict
from pathlib import Path

from benchmarks.recipes.corpora import OTHER_GENRES, micro_f1, read
from benchmarks.tables import table_row
from tfner.documents import Document
from tfner.training.restore import open_model

HOME = {"wnut17": "wnut17/dev.conll"}


def main() -> None:
    """Score every run on every corpus, then print a table by setting."""
    data = Path(os.environ["TFNER_DATA"])
    paths = {**HOME, **OTHER_GENRES}
    corpora = {name: read(data / path) for name, path in paths.items()}
    scores: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for run in sys.argv[1:]:
        setting = re.sub(r"-?\d+$", "", Path(run).name)
        found = evaluate(run, corpora)
        for name, f1 in found.items():
            scores[setting][name].append(f1)
        print(run, found, flush=True)
    print("\n" + table_row("setting", corpora, first=24, width=26))
    for setting, columns in scores.items():
        cells = [show(columns[name]) for name in corpora]
        print(table_row(setting, cells, first=24, width=26))


def evaluate(run: str, corpora: dict[str, list[Document]]) -> dict[str, float]:
    """Score a run on each corpus, in percent: all types at home, the shared ones abroad."""
    recognizer = open_model(Path(run))
    result = {}
    for name, documents in corpora.items():
        found = recognizer.documents(documents)
        result[name] = micro_f1(documents, found, all_types=name in HOME)
    return result


def show(values: list[float]) -> str:
    """Write the mean and each value."""
    each = ", ".join(f"{value:.1f}" for value in values)
    return f"{statistics.mean(values):.1f} ({each})"


if __name__ == "__main__":
    main()
