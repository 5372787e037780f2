"""Corpora for verdicts: a clean one, in which mistakes are planted one by one."""

from __future__ import annotations

from pathlib import Path

from tfner.corpus.ledger import Ledger
from tfner.corpus.verdicts.judge import judge_corpus
from tfner.corpus.verdicts.verdict import Verdict
from tfner.documents import Document
from tfner.formats import read_documents
from tfner.formats.settings import ReadSettings

LABELS = ("LOC", "ORG", "PER")


def name(label: str, number: int) -> str:
    """Invent a name that no two types or numbers share."""
    letters = "".join(chr(ord("a") + int(digit)) for digit in f"{number:03d}")
    return f"{label.title()}{letters}"


def sentences(split: str, first: int, count: int) -> list[Document]:
    """Give each type `count` sentences, with names from `first` on, none of them twice."""
    documents = []
    for number in range(first, first + count):
        for label in LABELS:
            own = name(label, number)
            words = [f"word{number}{label}", "saw", own, f"near{own}{number}", f"{own}{own}end"]
            id = f"{split}.conll:{len(documents) + 1}"
            documents.append(Document.from_words(words, [(2, 3, label)], id=id))
    return documents


def clean() -> dict[str, list[Document]]:
    """Make a corpus that nothing is to be said of."""
    return {"train": sentences("train", 0, 50), "dev": sentences("dev", 50, 20)}


def marked(*words: str, spans: tuple = (), id: str = "planted") -> Document:
    return Document.from_words(words, spans, id=id)


def named(verdicts: list[Verdict], name: str) -> Verdict:
    """Find the one verdict of this name."""
    (found,) = [verdict for verdict in verdicts if verdict.name == name]
    return found


def names_of(splits, *arguments) -> list[str]:
    return [verdict.name for verdict in judge_corpus(splits, *arguments)]


def real(folder: Path, ending: str) -> dict[str, list[Document]]:
    """Train and dev of a published corpus."""
    splits = {}
    for split in ("train", "dev"):
        documents = read_documents(folder / f"{split}.{ending}", ReadSettings(), Ledger())
        splits[split] = list(documents)
    return splits
