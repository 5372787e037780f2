"""Tells how well the rule that cuts raw text finds the sentences of published corpora.

usage: python -m benchmarks.data.sentences --data FOLDER --encoder FOLDER

The sentences of each document of the dev split are put behind one another, with a blank or a line
end between them, and cut again. `found` is the share of their borders that the rule finds, `false`
the share of its borders that lie within a sentence, `in entities` how many lie within an entity;
`sentences` is how many the rule finds in a training document, in the mean.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

import tensorflow as tf

from benchmarks.context.run import read_corpus
from benchmarks.recipes.corpora import CORPORA, documents_of
from benchmarks.tables import table_row
from tfner.corpus.context import SEPARATOR, Passage, join
from tfner.data.raw_sentences import sentences_per_document
from tfner.documents import Document
from tfner.tokenizers.protocol import Tokenizer
from tfner.tokenizers.registry import open_tokenizer
from tfner.tokenizers.sentences import sentence_begins

SEPARATORS = {"blanks": " ", "line ends": SEPARATOR}
COLUMNS = ("sentences", "between", "found", "false", "in entities")


def main(arguments: Sequence[str] | None = None) -> None:
    """Cut every corpus, and print a row for each and for each separator."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--encoder", required=True, help="whose tokenizer finds the words")
    parser.add_argument("--corpora", nargs="+", choices=CORPORA, default=list(CORPORA))
    options = parser.parse_args(arguments)
    tokenizer = open_tokenizer(options.encoder)
    print(table_row("", COLUMNS, first=10))
    for name in options.corpora:
        learned, scored = read_corpus(name, options.data)
        per_document = sentences_per_document(learned, tokenizer)
        passages = [join(document) for document in documents_of(scored)]
        for between, separator in SEPARATORS.items():
            counts = cut(passages, separator, tokenizer)
            print(table_row(name, [per_document, between, *shares(counts)], first=10))


def cut(passages: Sequence[Passage], separator: str, tokenizer: Tokenizer) -> Counter[str]:
    """Cut passages, and count the borders between sentences and those that the rule gives."""
    counts = Counter(dict.fromkeys(("there", "given", "right", "false", "in entities"), 0))
    texts = [passage.document.text.replace(SEPARATOR, separator) for passage in passages]
    text_B = tf.constant(texts)
    tokens = tokenizer.tokenize_text(text_B)
    begins = sentence_begins(text_B, tokens)
    rows = zip(passages, tokens.unit_start.to_list(), begins.to_list(), strict=True)
    for passage, starts, marks in rows:
        inner = zip(starts[1:], marks[1:], strict=True)
        given = {start for start, is_begin in inner if is_begin}
        there = set(passage.starts[1:])
        counts["there"] += len(there)
        counts["given"] += len(given)
        counts["right"] += len(given & there)
        counts["false"] += len(given - there)
        counts["in entities"] += sum(in_entity(passage.document, border) for border in given)
    return counts


def in_entity(document: Document, border: int) -> bool:
    """Tell whether a border lies within an entity."""
    return any(entity.start < border < entity.end for entity in document.entities)


def shares(counts: Counter[str]) -> list[object]:
    """Give what the last three columns hold.

    >>> shares(Counter({"there": 4, "given": 2, "right": 1, "false": 1, "in entities": 0}))
    ['25 %', '50 %', 0]
    """
    found = counts["right"] / max(counts["there"], 1)
    false = counts["false"] / max(counts["given"], 1)
    return [f"{100 * found:.0f} %", f"{100 * false:.0f} %", counts["in entities"]]


if __name__ == "__main__":
    main()
