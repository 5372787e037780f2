"""Files that an earlier version wrote are read as they were meant: a cached corpus, shards.

`written_before/` holds what that version made of DOCUMENTS with the tiny tokenizer.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tiny

from tfner.corpus.ledger import Ledger
from tfner.data import cache
from tfner.data.cache import encode_cached
from tfner.data.encoded_corpus import encode
from tfner.data.shards.manifest import DROPPED
from tfner.data.shards.sharded_corpus import PIECE, ShardedCorpus, ShardReader
from tfner.documents import Document, Entity

FOLDER = Path(__file__).parent / "written_before"
TENSORFLOW = "2.21.0"  # of that version; it is part of a cache's key
OPTIONS = {"max_length": 12, "overlap": 2, "labelling": "word"}
RAW = (Entity(0, 4, "PER"), Entity(9, 14, "PER"), Entity(18, 22, "LOC"))
DOCUMENTS = [
    Document("Anna met Boris in Oslo.", RAW, id="one"),
    Document.from_words(
        ["the", "old", "bank", "of", "lund", "near", "the", "river"], [(4, 5, "LOC")], id="two"
    ),
    Document("Clara's house", (Entity(0, 6, "PER"),), id="three"),
    Document("acme corp", (Entity(0, 9, "RIVER"),), id="four"),
]


@pytest.fixture(scope="module")
def encoded():
    """The corpus as it is encoded now, and the ledger."""
    ledger = Ledger()
    return encode(DOCUMENTS, tiny.tokenizer(), tiny.LABELS, ledger, **OPTIONS), ledger


def test_a_cached_corpus_is_found_and_read(encoded, monkeypatch):
    corpus, ledger = encoded
    monkeypatch.setattr(tf, "__version__", TENSORFLOW)
    monkeypatch.delattr(cache, "encode")
    found = Ledger()
    read = encode_cached(DOCUMENTS, tiny.tokenizer(), tiny.LABELS, found, FOLDER, **OPTIONS)
    assert found.entries == ledger.entries
    for name in ("input_ids", "labels", "label_mask"):
        assert getattr(read, name).to_list() == getattr(corpus, name).to_list()
    np.testing.assert_array_equal(read.pieces, corpus.pieces)


def test_prepared_shards_are_read(encoded):
    corpus, ledger = encoded
    shards = ShardedCorpus(FOLDER)
    assert shards.labels == tiny.LABELS
    assert shards.manifest.encoding.tokenizer == tiny.tokenizer().fingerprint()
    assert shards.ledger.counts == ledger.counts
    with ShardReader(shards) as reader:
        records = [window for block in range(2) for window in reader.windows(block)]
    windows = [np.frombuffer(record, PIECE) for record in records]
    assert [window["id"].tolist() for window in windows] == corpus.input_ids.to_list()
    assert [window["label"].tolist() for window in windows] == corpus.labels.to_list()
    assert [window["labelled"].tolist() for window in windows] == corpus.label_mask.to_list()
    lines = (FOLDER / DROPPED).read_text().splitlines()
    assert [tuple(json.loads(line)) for line in lines] == [tuple(e) for e in ledger.entries]
