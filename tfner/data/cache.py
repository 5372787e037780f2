"""A corpus tokenized once: the encoded windows in a file that is named for all that they depend on.

What was lost while encoding is in the file too, so that a corpus from the cache has the same entries in the ledger. A file that is
damaged or another's is written anew.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfner.corpus.ledger import Entry, Ledger
from tfner.data.encoded_corpus import EncodedCorpus, Labelling, encode
from tfner.documents import Document
from tfner.exceptions import DataError
from tfner.safeio.whole_files import read_arrays, write_arrays
from tfner.tagging.schemes import LabelSet
from tfner.tokenizers.protocol import Tokenizer

logger = logging.getLogger(__name__)
ENCODING = 1  # one more whenever `encode` gives something else for the same input, or the file holds something else
NAME_LENGTH = 32


def encode_cached(
    documents: Sequence[Document],
    tokenizer: Tokenizer,
    labels: LabelSet,
    ledger: Ledger,
    folder: Path,
    *,
    max_length: int,
    overlap: int,
    labelling: Labelling = "word",
) -> EncodedCorpus:
    """What `encode` gives, from its file in `folder`, which is written where there is none; if it cannot be, the log says so."""
    settings = {"max_length": max_length, "overlap": overlap, "labelling": labelling}
    key = cache_key(documents, tokenizer, labels, settings)
    path = folder / f"{key[:NAME_LENGTH]}.corpus"
    if path.exists():
        try:
            return read_corpus(path, key, ledger)
        except DataError as error:
            logger.warning("%s; encoding anew", error)
    found = Ledger()
    corpus = encode(
        documents,
        tokenizer,
        labels,
        found,
        max_length=max_length,
        overlap=overlap,
        labelling=labelling,
    )
    ledger.entries.extend(found.entries)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_corpus(path, key, corpus, found)
    except OSError as error:
        logger.warning("%s: the encoded corpus cannot be kept: %s", path, error.strerror or error)
    return corpus


def cache_key(
    documents: Iterable[Document],
    tokenizer: Tokenizer,
    labels: LabelSet,
    settings: dict[str, Any],
) -> str:
    """A hash of all that decides the encoded corpus and the ledger's entries, in hexadecimal digits."""
    digest = hashlib.blake2b(digest_size=32)
    facts = [
        ENCODING,
        tf.__version__,
        tokenizer.fingerprint(),
        labels.types,
        labels.scheme,
        settings,
    ]
    digest.update(json.dumps(facts, sort_keys=True).encode())
    for document in documents:
        entities = [
            (entity.start, entity.end, entity.label, entity.text) for entity in document.entities
        ]
        digest.update(
            b"\n" + json.dumps([document.id, document.text, document.words, entities]).encode()
        )
    return digest.hexdigest()


def write_corpus(path: Path, key: str, corpus: EncodedCorpus, ledger: Ledger) -> None:
    """Keep a corpus and what was lost while it was encoded."""
    arrays = {
        "splits": corpus.input_ids.row_splits.numpy(),
        "input_ids": corpus.input_ids.values.numpy(),
        "labels": corpus.labels.values.numpy(),
        "label_mask": corpus.label_mask.values.numpy().astype(np.uint8),
        "pieces": corpus.pieces,
    }
    write_arrays(path, {"key": key, "lost": ledger.entries}, arrays)


def read_corpus(path: Path, key: str, ledger: Ledger) -> EncodedCorpus:
    """The corpus of this key; what was lost is entered in the ledger.

    Raises:
        DataError: the file is damaged, or holds something else.
    """
    header, arrays = read_arrays(path)
    if header.get("key") != key:
        raise DataError(
            f"{path}: expected the corpus with the key {key}, got {header.get('key', 'another kind of file')}"
        )
    ledger.entries.extend(Entry(*entry) for entry in header["lost"])
    label_mask = arrays["label_mask"].astype(np.float32)
    ids, labels, mask = (
        tf.RaggedTensor.from_row_splits(values, arrays["splits"], validate=False)
        for values in (arrays["input_ids"], arrays["labels"], label_mask)
    )
    return EncodedCorpus(ids, labels, mask, arrays["pieces"])
