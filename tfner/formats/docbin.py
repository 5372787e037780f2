"""Read spaCy's DocBin (`.spacy`): each Doc a document with its tokens and entities.

A file is held in memory, as spaCy reads it.
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tfner.corpus.ledger import Ledger
from tfner.documents import Document
from tfner.exceptions import DataError, MissingExtraError
from tfner.formats.document_records import document_record
from tfner.formats.hub import fetch, unusable
from tfner.formats.record_documents import Item, RecordReader
from tfner.formats.registry import Format, register
from tfner.formats.settings import ReadSettings
from tfner.formats.text_files import unreadable
from tfner.safeio.bounded import read_at_most
from tfner.safeio.printable import show

KIND = "a DocBin of spaCy"


def read_docbin(path: Path, settings: ReadSettings, ledger: Ledger) -> Iterator[Document]:
    """Read one document a Doc, white space no token; its entities are `ents`.

    Where a Doc has none, they are the spans of the group `sc`, which may be nested.

    Raises:
        DataError: it is no such file, is damaged, or has more than `max_file` bytes when unpacked.
        MissingExtraError: the package spacy is not installed.
    """
    source = str(path)
    try:
        spacy = importlib.import_module("spacy")
    except ImportError:
        raise MissingExtraError("spacy", "spacy", f"reading {source}") from None
    content = read_packed(path, settings.max_file)
    docbin = fetch(partial(unpack, spacy, content), source, KIND)
    items = partial(iterate_docs, docbin, spacy, path)
    return RecordReader(items, settings, ledger).documents()


def read_packed(path: Path, largest: int) -> bytes:
    """Read a file, and check how large it is when unpacked: a few bytes may be gigabytes then."""
    try:
        content = read_at_most(path, largest)
        unpacked = zlib.decompressobj().decompress(content, largest + 1)
    except OSError as error:
        raise unreadable(path, error) from None
    except zlib.error as error:
        raise unusable(str(path), str(error), KIND) from None
    if len(unpacked) > largest:
        expected = f"expected at most {largest:,} bytes when unpacked (max_file)"
        raise DataError(f"{path}: {expected}, got more")
    return content


def unpack(spacy: Any, content: bytes) -> Any:
    """Make a DocBin of bytes.

    Raises:
        ValueError: they hold numbers of tokens that do not fit together.
    """
    try:
        docbin = spacy.tokens.DocBin().from_bytes(content)
    except (AssertionError, zlib.error) as error:
        raise ValueError(str(error) or "its lengths do not fit") from None
    check_lengths(docbin, importlib.import_module("srsly").msgpack_loads(zlib.decompress(content)))
    return docbin


def check_lengths(docbin: Any, packed: Mapping[str, Any]) -> None:
    """Check that the Docs have as many tokens as there are: else spaCy leaves some out.

    Raises:
        ValueError: they have not.
    """
    counts = {len(docbin.tokens), len(docbin.spaces), len(docbin.cats), len(docbin.flags)}
    if len(counts) > 1:
        raise ValueError(f"expected as many tokens, spaces, cats and flags, got {sorted(counts)}")
    lengths = np.frombuffer(packed["lengths"], dtype="int32")
    tokens = len(packed["spaces"])
    if (lengths < 0).any() or lengths.sum() != tokens:
        raise ValueError(f"expected Docs of {tokens} tokens together, got {show(lengths.tolist())}")


def iterate_docs(docbin: Any, spacy: Any, path: Path) -> Iterator[Item]:
    """Make a record of each Doc."""
    vocab = spacy.vocab.Vocab()
    docs = docbin.get_docs(vocab)
    index = 0
    while (doc := fetch(lambda: next(docs, None), str(path), KIND)) is not None:
        where = f"{path}[{index}]"
        record = fetch(partial(to_record, doc), where, KIND)
        yield Item(record, where, f"{path.name}[{index}]")
        index += 1


def to_record(doc: Any) -> dict[str, Any]:
    """Make a record in the shape of JSON of a Doc."""
    return document_record(Document.from_spacy(doc))


register(Format(name="spacy", suffixes=(".spacy",), read=read_docbin))
