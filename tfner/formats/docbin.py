"""Read and write spaCy's DocBin (`.spacy`): each Doc a document with its tokens and entities.

A file is held in memory, as spaCy reads and writes it.
"""

from __future__ import annotations

import importlib
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tfner.corpus.ledger import Ledger
from tfner.documents import Document, Entity
from tfner.exceptions import ConfigError, DataError
from tfner.formats.document_records import document_record
from tfner.formats.hub import fetch, unusable
from tfner.formats.record_documents import Item, RecordReader
from tfner.formats.registry import Format, register
from tfner.formats.settings import ReadSettings
from tfner.formats.text_files import unreadable
from tfner.formats.writers import PredictionWriter, Target
from tfner.safeio.bounded import read_at_most
from tfner.safeio.printable import show
from tfner.safeio.whole_files import written_whole
from tfner.spacy_docs import LANGUAGE, import_spacy

KIND = "a DocBin of spaCy"


def read_docbin(path: Path, settings: ReadSettings, ledger: Ledger) -> Iterator[Document]:
    """Read one document a Doc, white space no token; its entities are `ents`.

    Where a Doc has none, they are the spans of the group `sc`, which may be nested.

    Raises:
        DataError: it is no such file, is damaged, or has more than `max_file` bytes when unpacked.
        MissingExtraError: the package spacy is not installed.
    """
    source = str(path)
    spacy = import_spacy(f"reading {source}")
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


class DocBinWriter(PredictionWriter):
    """Write a DocBin, whole at the end: until then it is in memory, and an older file stays.

    It has texts, tokens and `ents`, each with its score as `span._.score`, but no ids. A lone
    surrogate, which has no encoding, becomes `?`.

    Raises:
        ConfigError: the target is a stream, which takes text, or a folder.
        MissingExtraError: the package spacy is not installed.
    """

    def __init__(self, target: Target, *, resume: bool = False):
        super().__init__()
        if not isinstance(target, (str, os.PathLike)):
            raise ConfigError("output format spacy: expected a file to write to, got a stream")
        self._path = Path(target)
        if self._path.is_dir():
            raise ConfigError(f"{self._path}: expected a file to write to, got a folder")
        spacy = import_spacy("the output format spacy")
        new_docbin = spacy.tokens.DocBin
        self._docbin = new_docbin(store_user_data=True)
        self._nlp = spacy.blank(LANGUAGE)

    def write(self, document: Document, entities: Sequence[Entity]) -> None:
        text = document.text.encode("utf-8", "replace").decode()
        for entity in entities:
            self._account_for_blanks(document, text[entity.start : entity.end], entity)
        marked = replace(document, text=text, entities=tuple(entities))
        doc = marked.to_spacy(self._nlp)
        self._docbin.add(doc)

    def _account_for_blanks(self, document: Document, surface: str, entity: Entity) -> None:
        """Enter an entity that begins or ends with blanks, which are no token to spaCy."""
        stripped = surface.strip()
        if stripped == surface:
            return
        detail = f"{entity.label} {entity.start}-{entity.end}"
        self.ledger.record("trimmed_border" if stripped else "vanished", document.id, detail)

    def __exit__(self, kind: object, *others: object) -> None:
        if kind is None:
            self.close()

    def close(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(self._path) as temporary:
            self._docbin.to_disk(temporary)


register(
    Format(
        name="spacy",
        suffixes=(".spacy",),
        read=read_docbin,
        open_writer=DocBinWriter,
        framed=True,
    )
)
