"""How well what was learned on tweets holds on other text: models of WNUT-17 on BTC dev and wikigold, types mapped to what they share.

usage: TFNER_DATA=… python benchmarks/genres.py RUN …      RUN: run folders or exports of models trained on WNUT-17
Scores PER, LOC and ORG; runs whose names differ only in a number at the end are seeds of one setting and averaged.
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
    data = Path(os.environ["TFNER_DATA"])
    corpora = {
        name: list(read_documents(data / path, ReadSettings(), Ledger()))
        for name, path in (HOME | CORPORA).items()
    }
    scores: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for run in sys.argv[1:]:
        setting = re.sub(r"-?\d+$", "", Path(run).name)
        for name, f1 in evaluate(run, corpora).items():
            scores[setting][name].append(100 * f1)
        print(
            run,
            {name: round(values[-1], 2) for name, values in scores[setting].items()},
            flush=True,
        )
    print(f"\n{'setting':24}" + "".join(f"{name:>26}" for name in corpora))
    for setting, columns in scores.items():
        print(f"{setting:24}" + "".join(f"{show(columns[name]):>26}" for name in corpora))


def evaluate(run: str, corpora: dict[str, list[Document]]) -> dict[str, float]:
    """Micro F1 on each corpus: all types at home, the shared types elsewhere."""
    recognizer = open_model(Path(run))
    result = {}
    for name, documents in corpora.items():
        pairs = zip(
            (document.entities for document in documents),
            recognizer.documents(documents),
            strict=True,
        )
        kept = pairs if name in HOME else ((shared(gold), shared(found)) for gold, found in pairs)
        result[name] = score_entities(kept).micro.f1
    return result


def shared(entities: Iterable[Entity]) -> list[Entity]:
    """Entities of the shared types under their shared names; the others are left out."""
    return [
        replace(entity, label=SHARED[entity.label]) for entity in entities if entity.label in SHARED
    ]


def show(values: list[float]) -> str:
    return f"{statistics.mean(values):.1f} ({', '.join(f'{value:.1f}' for value in values)})"


if __name__ == "__main__":
    main()
