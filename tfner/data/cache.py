"""Tokenize a corpus once: the encoded windows are kept in a file named for all they depend on.

What was dropped while encoding is in the file too, so that a corpus from the cache has the same
entries in the ledger. A file that is damaged or another's is written anew.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfner.corpus.context import Context
from tfner.corpus.ledger import Entry, Ledger
from tfner.data.encoded_corpus import EncodedCorpus, Labelling, encode
from tfner.documents import Document
from tfner.exceptions import DataError
from tfner.safeio.whole_files import read_arrays, write_arrays
from tfner.tagging.schemes import LabelSet
from tfner.tokenizers.characters import stand_alone
from tfner.tokenizers.protocol import Tokenizer

logger = logging.getLogger(__name__)
# one more whenever `encode` gives something else for the same input, or the file something else
ENCODING = 1
# In the key of words in scripts without spaces, which earlier versions labelled in another way.
CUT_BY_CHARACTER = "by character"
ENTITY = attrgetter("start", "end", "label", "text")
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
    context: Context = "none",
) -> EncodedCorpus:
    """Read what `encode` gives from its file in `folder`; encode and write it where there is none.

    A file that cannot be written is logged and no error.
    """
    settings: dict[str, Any] = {"max_length": max_length, "overlap": overlap}
    settings["labelling"] = labelling
    if context != "none":  # so that files of earlier versions are found
        settings["context"] = context
    key = cache_key(documents, tokenizer, labels, settings)
    path = folder / f"{key[:NAME_LENGTH]}.corpus"
    if path.exists():
        try:
            return read_corpus(path, key, ledger)
        except DataError as error:
            logger.warning("%s; encoding anew", error)
    found = Ledger()
    corpus = encode(documents, tokenizer, labels, found, **settings)
    ledger.entries += found.entries
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_corpus(path, key, corpus, found)
    except OSError as error:
        reason = error.strerror or error
        logger.warning("%s: the encoded corpus cannot be kept: %s", path, reason)
    return corpus


def cache_key(
    documents: Iterable[Document], tokenizer: Tokenizer, labels: LabelSet, settings: dict[str, Any]
) -> str:
    """Hash all that decides the encoded corpus and the ledger's entries, in hexadecimal digits."""
    digest = hashlib.blake2b(digest_size=32)
    versions = ENCODING, tf.__version__
    fingerprint = tokenizer.fingerprint()
    decisive = [*versions, fingerprint, labels.types, labels.scheme, settings]
    digest.update(json.dumps(decisive, sort_keys=True).encode())
    for document in documents:
        entities = list(map(ENTITY, document.entities))
        content = [document.id, document.text, document.words, entities]
        if "context" in settings:
            content.append(document.group)
        if document.words is not None and stand_alone(document.text).any():
            content.append(CUT_BY_CHARACTER)
        digest.update(b"\n" + json.dumps(content).encode())
    return digest.hexdigest()


def write_corpus(path: Path, key: str, corpus: EncodedCorpus, ledger: Ledger) -> None:
    """Write a corpus and what was dropped while it was encoded."""
    splits = corpus.input_ids.row_splits
    arrays = {"splits": splits.numpy()}
    for name in ("input_ids", "labels", "label_mask"):
        arrays[name] = getattr(corpus, name).values.numpy()
    arrays["label_mask"] = arrays["label_mask"].astype(np.uint8)
    arrays["pieces"] = corpus.pieces
    if corpus.passages is not None:
        arrays["passages"] = corpus.passages
    write_arrays(path, {"key": key, "lost": ledger.entries}, arrays)


def read_corpus(path: Path, key: str, ledger: Ledger) -> EncodedCorpus:
    """Read the corpus of this key; what was dropped is entered in the ledger.

    Raises:
        DataError: the file is damaged, or holds something else.
    """
    header, arrays = read_arrays(path)
    if header.get("key") != key:
        got = header.get("key", "another kind of file")
        raise DataError(f"{path}: expected the corpus with the key {key}, got {got}")
    ledger.entries.extend(Entry(*entry) for entry in header["lost"])

    def ragged(values: np.ndarray) -> tf.RaggedTensor:
        return tf.RaggedTensor.from_row_splits(values, arrays["splits"], validate=False)

    ids = ragged(arrays["input_ids"])
    tags = ragged(arrays["labels"])
    label_mask = ragged(arrays["label_mask"].astype(np.float32))
    passages = arrays.get("passages")
    return EncodedCorpus(ids, tags, label_mask, arrays["pieces"], passages)
