"""Trains a tagger on for one more type, and says what the types that it knew lose.

usage: python -m benchmarks.training.new_type MARKED TYPE ENCODER FOLDER [KEY=VALUE …]

Of the documents of MARKED a third is marked without TYPE, a third with it, and a third is the test.
`first` learns the first third. From there `on` learns the second one, `encoder alone` too, but
with a new head. `mixed` learns both thirds as they are marked, `second alone` the second, both from
ENCODER. KEY=VALUE are settings of the runs, which FOLDER gets.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import tfner
from benchmarks.machine import print_machine
from benchmarks.tables import table_row
from tfner.corpus.ledger import Ledger
from tfner.documents import Document
from tfner.evaluation.scores import EntityScores
from tfner.formats import read_documents
from tfner.formats.settings import ReadSettings

THIRDS = 3
NAME_WIDTH = 16


def main(marked: str, new_type: str, encoder: str, folder: str, *overrides: str) -> None:
    """Train five runs and print a table."""
    documents = list(read_documents(marked, ReadSettings(), Ledger()))
    first, second, test = (documents[number::THIRDS] for number in range(THIRDS))
    first = [without_type(document, new_type) for document in first]
    runs = Path(folder)
    known = str(runs / "first")
    tried = {
        "first": (first, encoder, True),
        "on": (second, known, True),
        "mixed": ([*first, *second], encoder, True),
        "encoder alone": (second, known, False),
        "second alone": (second, encoder, True),
    }
    print_machine(("tensorflow", "tf-keras", "transformers"))
    columns = ["others' F1", f"{new_type} F1"]
    print(table_row("run", columns, first=NAME_WIDTH))
    for name, (train, checkpoint, keep_head) in tried.items():
        settings: dict[str, Any] = {"name": name.replace(" ", "-"), "runs_dir": str(runs)}
        settings |= {"encoder": {"checkpoint": checkpoint}, "model": {"keep_head": keep_head}}
        settings["export"] = {"enabled": False}
        outcome = tfner.train(settings, *overrides, train=train, test=test)
        print(row(name, outcome.reports["test"].scores, new_type), flush=True)


def without_type(document: Document, label: str) -> Document:
    """Take the marks of one type away."""
    others = [entity for entity in document.entities if entity.label != label]
    return replace(document, entities=tuple(others))


def row(name: str, scores: EntityScores, new_type: str) -> str:
    """Write the micro F1 of the known types, and that of the new one, in percent."""
    counts = (scores.true, scores.predicted, scores.correct)
    known = [{label: one for label, one in each.items() if label != new_type} for each in counts]
    f1 = EntityScores(*known).micro.f1
    cells = [f"{100 * f1:.1f}", f"{100 * scores.types[new_type].f1:.1f}"]
    return table_row(name, cells, first=NAME_WIDTH)


if __name__ == "__main__":
    main(*sys.argv[1:])
