"""Scores a tagger of many languages on each of its corpora, and on one that it did not learn from.

usage: python -m benchmarks.training.languages RUN [--unseen MARKED] [--unseen-types OLD=NEW …]

RUN is a run whose dev split was taken from several sources (`configs/multilingual.yaml`). Each
source's share of it is scored by itself; MARKED is a corpus that no source is of.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

from benchmarks.machine import print_machine
from benchmarks.tables import table_row
from tfner.commands import validate_reading
from tfner.corpus.ledger import Ledger
from tfner.documents import Document
from tfner.evaluation.scores import score_entities
from tfner.formats import read_documents
from tfner.formats.settings import ReadSettings
from tfner.formats.split_record import SplitRecord
from tfner.safeio.sources import Source, expand_source

if TYPE_CHECKING:
    from tfner.serving.runtime.recognizer import Recognizer

NAME_WIDTH = 32
# Of stockmark_ja, Wikipedia in Japanese: what is PER, LOC and ORG elsewhere. Facilities (施設名)
# are a place here and an organization there: left out, with products and events.
JAPANESE = (
    "人名=PER",
    "地名=LOC",
    "法人名=ORG",
    "政治的組織名=ORG",
    "その他の組織名=ORG",
    "施設名=",
    "製品名=",
    "イベント名=",
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Score and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--unseen")
    parser.add_argument("--unseen-types", nargs="+", default=JAPANESE, metavar="OLD=NEW")
    options = parser.parse_args(arguments)
    from tfner.training.restore import open_model

    recognizer = open_model(options.run)
    print_machine(("tensorflow", "tf-keras", "transformers"))
    print(table_row("documents of", ["documents", "entities", "F1", "F1, raw"], first=NAME_WIDTH))
    for name, documents in dev_by_source(options.run):
        print(row(name, recognizer, documents))
    if options.unseen:
        reading = validate_reading(types=list(options.unseen_types))
        print(row(options.unseen, recognizer, list(read(options.unseen, reading))))


def dev_by_source(run: Path) -> Iterator[tuple[str, list[Document]]]:
    """Give the dev documents of a run by the source that they were read from, in its order."""
    record = SplitRecord.read(run)
    is_dev = set(record.numbers("dev"))
    first = 0
    for source in expand_source(record.source):
        documents = list(read(source, record.reading))
        path = Path(source)
        numbered = enumerate(documents, first)
        kept = [document for number, document in numbered if number in is_dev]
        yield f"{path.parent.name}/{path.name}", kept
        first += len(documents)


def read(source: Source, reading: ReadSettings) -> Iterator[Document]:
    """Read a source, without an account of what is left out."""
    return read_documents(source, reading, Ledger())


def row(name: str, recognizer: Recognizer, documents: list[Document]) -> str:
    """Score documents by their words and by their text alone: micro F1 in percent."""
    texts = [Document(document.text) for document in documents]
    scores = [f1(recognizer, documents, asked) for asked in (documents, texts)]
    entities = sum(len(document.entities) for document in documents)
    columns = [len(documents), entities, *(f"{score:.1f}" for score in scores)]
    return table_row(name, columns, first=NAME_WIDTH)


def f1(recognizer: Recognizer, gold: Sequence[Document], asked: Sequence[Document]) -> float:
    """Score what is found in documents by the marks of the same ones."""
    found = recognizer.documents(asked)
    pairs = ((document.entities, entities) for document, entities in zip(gold, found, strict=True))
    return 100 * score_entities(pairs).micro.f1


if __name__ == "__main__":
    main()
