"""Texts for clusters: 5,000 sentences, and what `predict` finds in them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import tiny

from tfner.corpus.ledger import Ledger
from tfner.documents import Document
from tfner.formats import read_documents
from tfner.formats.settings import ReadSettings

QUICKSTART = Path(__file__).parents[2] / "tfner" / "quickstart"
SENTENCES = 5000
MADE_UP = ("train.jsonl", "dev.jsonl", "test.jsonl")
REAL = ("wnut17/train.conll", "wnut17/dev.conll", "wikigold/all.conll")


def sentences() -> list[str]:
    """Give real sentences where TFNER_DATA names the folder of corpora, else the quickstart's."""
    folder = os.environ.get("TFNER_DATA")
    source = Path(folder) if folder else QUICKSTART
    texts: list[str] = []
    for path in REAL if folder else MADE_UP:
        documents = read_documents(str(source / path), ReadSettings(), Ledger())
        texts += [document.text for document in documents]
    return texts[:SENTENCES]


def predicted(texts: Sequence[str]) -> list[list[dict]]:
    """Find the entities of texts, read each by itself."""
    documents = (Document(text) for text in texts)
    answers = tiny.loaded().documents(documents)
    return [[entity.to_dict() for entity in entities] for entities in answers]


def assert_equal(rows: Sequence[Mapping], expected: Mapping[int, list[dict]]) -> None:
    """Hold each key once, with the entities expected, whose scores may differ in the last digit."""
    assert sorted(row["key"] for row in rows) == sorted(expected)
    for row in rows:
        wanted = expected[row["key"]]
        scores = [entity["score"] for entity in wanted]
        assert [entity["score"] for entity in row["entities"]] == pytest.approx(scores, abs=2e-6)
        assert without_scores(row["entities"]) == without_scores(wanted)


def without_scores(entities: Sequence[Mapping]) -> list[dict]:
    return [{name: each[name] for name in each if name != "score"} for each in entities]
