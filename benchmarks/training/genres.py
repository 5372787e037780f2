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
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from benchmarks.tables import table_row
from tfner.config import ReadSettings
from tfner.corpus.ledger import Ledger
from tfner.documents import Document, Entity
from tfner.evaluation.scores import score_entities
from tfner.formats import read_documents
from tfner.training.restore import open_model

SHARED = {
    "person": "PER",
    "location": "LOC",
    "group": "ORG",
    "corporation": "ORG",
    "PER": "PER",
    "LOC": "LOC",
    "ORG": "ORG",
}
CORPORA = {"BTC dev": "btc/dev.conll", "wikigold": "wikigold/all.conll"}
HOME = {"WNUT-17 dev": "wnut17/dev.conll"}


def main() -> None:
    """Score every run on every corpus, then print a table by setting."""
    data = Path(os.environ["TFNER_DATA"])
    paths = {**HOME, **CORPORA}
    corpora = {name: read_corpus(data / path) for name, path in paths.items()}
    scores: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for run in sys.argv[1:]:
        setting = re.sub(r"-?\d+$", "", Path(run).name)
        found = evaluate(run, corpora)
        for name, f1 in found.items():
            scores[setting][name].append(100 * f1)
        rounded = {name: round(100 * f1, 2) for name, f1 in found.items()}
        print(run, rounded, flush=True)
    print("\n" + table_row("setting", corpora, first=24, width=26))
    for setting, columns in scores.items():
        cells = [show(columns[name]) for name in corpora]
        print(table_row(setting, cells, first=24, width=26))


def read_corpus(path: Path) -> list[Document]:
    """Read all documents of a column file."""
    return list(read_documents(path, ReadSettings(), Ledger()))


def evaluate(run: str, corpora: dict[str, list[Document]]) -> dict[str, float]:
    """Score a run on each corpus, micro F1: all types at home, the shared types elsewhere."""
    recognizer = open_model(Path(run))
    result = {}
    for name, documents in corpora.items():
        gold = [document.entities for document in documents]
        pairs = zip(gold, recognizer.documents(documents), strict=True)
        if name not in HOME:
            pairs = ((shared(wanted), shared(found)) for wanted, found in pairs)
        result[name] = score_entities(pairs).micro.f1
    return result


def shared(entities: Iterable[Entity]) -> list[Entity]:
    """Keep entities of the shared types, under their shared names."""
    kept = [entity for entity in entities if entity.label in SHARED]
    return [replace(entity, label=SHARED[entity.label]) for entity in kept]


def show(values: list[float]) -> str:
    """Write the mean and each value."""
    each = ", ".join(f"{value:.1f}" for value in values)
    return f"{statistics.mean(values):.1f} ({each})"


if __name__ == "__main__":
    main()
