"""Lays out the corpora of the table: training and dev files in columns, the same for all recipes.

A corpus that is published in one piece is split here: every fifth document is for dev. Where a file
does not say where documents end, a document is a run of fifty sentences.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from tfner.corpus.ledger import Ledger
from tfner.documents import Document, Entity
from tfner.evaluation.scores import score_entities
from tfner.formats import read_documents
from tfner.formats.settings import ReadSettings
from tfner.tagging.word_tags import tags_on_words

SENTENCES_OF_A_DOCUMENT = 50
DEV_SHARE = 5  # one document in so many
# Types that WNUT-17, BTC and wikigold share, under one name.
SHARED_TYPES = {
    "person": "PER",
    "location": "LOC",
    "group": "ORG",
    "corporation": "ORG",
    "PER": "PER",
    "LOC": "LOC",
    "ORG": "ORG",
}


class Corpus(NamedTuple):
    """Names the files of a corpus, under the data folder.

    train: to learn from.
    dev: to score; None where `train` is all there is, and is split.
    abroad: other corpora by name, scored by the types that they share with this one.
    multilingual: no English: an encoder of many languages is needed.
    """

    train: str
    dev: str | None = None
    abroad: Mapping[str, str] = MappingProxyType({})
    multilingual: bool = False


OTHER_GENRES = {"btc": "btc/dev.conll", "wikigold": "wikigold/all.conll"}
CORPORA = {
    "wnut17": Corpus("wnut17/train.conll", "wnut17/dev.conll", OTHER_GENRES),
    "ncbi": Corpus("ncbi_disease/train.tsv", "ncbi_disease/dev.tsv"),
    "btc": Corpus("btc/train.conll", "btc/dev.conll"),
    "ewt": Corpus("uner_en_ewt/dev.iob2"),
    "wikigold": Corpus("wikigold/all.conll"),
    "ai": Corpus("crossner/ai/train.txt", "crossner/ai/test.txt"),
    "science": Corpus("crossner/science/train.txt", "crossner/science/test.txt"),
    "danish": Corpus("uner_da_ddt/train.iob2", "uner_da_ddt/dev.iob2", multilingual=True),
    "germeval": Corpus("germeval2014/dev.tsv", multilingual=True),
    "ler": Corpus("ler_de/dev.conll", multilingual=True),
    "turku": Corpus("turku_fi/dev.tsv", multilingual=True),
}


class Files(NamedTuple):
    """Holds the files of a corpus as a run takes them: a token and its tag a line, in columns."""

    train: Path
    texts: dict[str, Path]  # what is scored: the dev split under the corpus's name, those abroad


def lay_out(name: str, data: Path, folder: Path) -> Files:
    """Write the files of a corpus, once; all recipes, the peer's included, read the same.

    Args:
        name: of the corpus.
        data: the folder of corpora as published.
        folder: gets a folder of that name.
    """
    corpus = CORPORA[name]
    train = folder / name / "train.conll"
    texts = {each: folder / name / f"{each}.conll" for each in (name, *corpus.abroad)}
    if train.exists():
        return Files(train, texts)
    learned = read(data / corpus.train)
    if corpus.dev:
        scored = read(data / corpus.dev)
    else:
        learned, scored = split(learned)
    train.parent.mkdir(parents=True, exist_ok=True)
    texts[name].write_text(columns(scored), encoding="utf-8")
    for other, path in corpus.abroad.items():
        texts[other].write_text(columns(read(data / path)), encoding="utf-8")
    train.write_text(columns(learned), encoding="utf-8")  # the last: its sign that all are there
    return Files(train, texts)


def read(path: Path) -> list[Document]:
    """Read the sentences of a file."""
    return list(read_documents(path, ReadSettings(), Ledger()))


def split(sentences: list[Document]) -> tuple[list[Document], list[Document]]:
    """Split sentences into training and dev, whole documents each.

    >>> sentences = [Document(str(number), group=str(number // 2)) for number in range(10)]
    >>> [sentence.text for sentence in split(sentences)[1]]
    ['8', '9']
    """
    train, dev = [], []
    for number, document in enumerate(documents_of(sentences)):
        is_dev = number % DEV_SHARE == DEV_SHARE - 1
        (dev if is_dev else train).extend(document)
    return train, dev


def documents_of(sentences: list[Document]) -> list[list[Document]]:
    """Group sentences by their document, or by fifty where they name none."""
    if any(sentence.group for sentence in sentences):
        return [list(members) for _, members in groupby(sentences, key=lambda each: each.group)]
    starts = range(0, len(sentences), SENTENCES_OF_A_DOCUMENT)
    return [sentences[start : start + SENTENCES_OF_A_DOCUMENT] for start in starts]


def columns(sentences: Iterable[Document]) -> str:
    """Write sentences in two columns, parted by blank lines; empty tokens are left out.

    >>> columns([Document.from_words(["Mara", "left"], [(0, 1, "PER")])])
    'Mara\\tB-PER\\nleft\\tO\\n\\n'
    """
    blocks = []
    for sentence in sentences:
        words, tags = sentence.word_texts(), tags_on_words(sentence, sentence.entities)
        pairs = zip(words, tags, strict=True)
        lines = [f"{word}\t{tag}\n" for word, tag in pairs if word.strip()]
        blocks.append("".join(lines) + "\n")
    return "".join(blocks)


def shared(entities: Iterable[Entity]) -> list[Entity]:
    """Keep entities of the shared types, under their shared names."""
    kept = [entity for entity in entities if entity.label in SHARED_TYPES]
    return [replace(entity, label=SHARED_TYPES[entity.label]) for entity in kept]


def micro_f1(
    gold: Iterable[Document], found: Iterable[Iterable[Entity]], *, all_types: bool
) -> float:
    """Score predictions: micro F1 in percent, over all types or over the shared ones."""
    pairs = zip((document.entities for document in gold), found, strict=True)
    if not all_types:
        pairs = ((shared(wanted), shared(got)) for wanted, got in pairs)
    return round(100 * score_entities(pairs).micro.f1, 3)
