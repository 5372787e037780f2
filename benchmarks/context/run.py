"""Trains once on a corpus with documents, asks the model in several ways, and prints JSON.

usage: python -m benchmarks.context.run CORPUS ENCODER DATA SEED [KEY=VALUE …]

The last epoch is scored, micro F1 in percent by the way of asking, and under ` greedy` with the
best tag of each unit by itself. Asked are single sentences, sentences of a document together, and
whole documents as one text; on given words, and, called raw, in the text alone. Called `by
sentence`, the model itself cuts the text: into lines and sentences, or, where nothing but blanks
stands between sentences, by their marks alone.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

from benchmarks.recipes.corpora import CORPORA, columns, documents_of, micro_f1, read, split
from benchmarks.recipes.run import recognizers, settings_of, train
from tfner.config import RunSettings
from tfner.corpus.context import SEPARATOR, Context, join
from tfner.documents import Document

DOCUMENT_LINE = "-DOCSTART- O\n\n"
Way = tuple[list[Document], Context]  # what is asked, and with what context


def main(corpus: str, encoder: str, data: str, seed: str, *overrides: str) -> None:
    """Train, score and print."""
    learned, scored = read_corpus(corpus, Path(data))
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "train.conll"
        path.write_text(with_documents(learned), encoding="utf-8")
        settings = settings_of(corpus, encoder, path, seed, scratch, overrides)
        seconds = train(settings)
        scores = dict(score(settings, corpus, scored))
    print(json.dumps({"scores": scores, "seconds": seconds}))


def read_corpus(name: str, data: Path) -> tuple[list[Document], list[Document]]:
    """Read the sentences to learn from and those to score, each with its document as group."""
    corpus = CORPORA[name]
    learned = read(data / corpus.train)
    if corpus.dev:
        return in_groups(learned), in_groups(read(data / corpus.dev))
    learned, scored = split(learned)
    return in_groups(learned), in_groups(scored)


def in_groups(sentences: list[Document]) -> list[Document]:
    """Name the documents by number.

    >>> [each.group for each in in_groups([Document("Mara left.")] * 51)][-2:]
    ['1', '2']
    """
    named = []
    for number, document in enumerate(documents_of(sentences), start=1):
        named += [replace(sentence, group=str(number)) for sentence in document]
    return named


def with_documents(sentences: list[Document]) -> str:
    """Write sentences in columns, with a line where a document begins.

    >>> with_documents([Document.from_words(["Mara"], group="1")])
    '-DOCSTART- O\\n\\nMara\\tO\\n\\n'
    """
    return "".join(DOCUMENT_LINE + columns(document) for document in documents_of(sentences))


def ways_of(sentences: list[Document]) -> dict[str, dict[str, Way]]:
    """Collect the ways in which a model is asked about the same text, by `export.raw_text`."""
    raw = [replace(sentence, words=None) for sentence in sentences]
    whole = [join(document).document for document in documents_of(raw)]
    blanks = [replace(each, text=each.text.replace(SEPARATOR, " ")) for each in whole]
    as_it_is: dict[str, Way] = {
        "sentences": (sentences, "none"),
        "sentences raw": (raw, "none"),
        "together": (sentences, "document"),
        "together raw": (raw, "document"),
        "one text raw": (whole, "none"),
    }
    by_sentence: dict[str, Way] = {
        "sentences raw by sentence": (raw, "none"),
        "one text by sentence": (whole, "none"),
        "one text by sentence, blanks": (blanks, "none"),
    }
    return {"whole": as_it_is, "sentences": by_sentence}


def score(
    settings: RunSettings, corpus: str, sentences: list[Document]
) -> Iterator[tuple[str, float]]:
    """Score the weights of the run in each way, with each decoder."""
    for raw_text, ways in ways_of(sentences).items():
        export = settings.export.model_copy(update={"raw_text": raw_text})
        asked = settings.model_copy(update={"export": export})
        for ending, recognizer in recognizers(asked):
            for name, (gold, context) in ways.items():
                recognizer.context = context
                found: Iterable = recognizer.documents(gold)
                yield f"{corpus} {name}{ending}", micro_f1(gold, found, all_types=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
