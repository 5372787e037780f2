"""Cut a stream of documents into batches that bound memory, whatever the documents are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

from tfner.documents import Document

SURROGATE = re.compile("[\ud800-\udfff]")


class HasText(Protocol):
    """Be a document, or something that carries one."""

    @property
    def text(self) -> str: ...


Item = TypeVar("Item", bound=HasText)


def batch_by_size(
    documents: Iterable[Item], *, count: int, characters: int
) -> Iterator[list[Item]]:
    """Batch consecutive documents: at most `count` of at most `characters`, but at least one.

    Where a batch ends depends on nothing but the documents.

        >>> documents = [Document(text) for text in ("one", "two", "a long one", "x")]
        >>> batches = batch_by_size(documents, count=3, characters=8)
        >>> [[document.text for document in batch] for batch in batches]
        [['one', 'two'], ['a long one'], ['x']]
    """
    batch: list[Item] = []
    held = 0
    for document in documents:
        size = len(document.text)
        if batch and (len(batch) == count or held + size > characters):
            yield batch
            batch = []
            held = 0
        batch.append(document)
        held += size
    if batch:
        yield batch


def batch_by_padded_size(
    documents: Iterable[Document], *, count: int, characters: int
) -> Iterator[list[Document]]:
    """Batch consecutive documents, all with given words or all without.

    A batch holds at most `count` documents, and `characters` after all of them are padded to its
    longest: a book does not make its neighbours as long as itself. A document longer than that is a
    batch of its own.

        >>> documents = [Document(text) for text in ("one", "two", "a long one", "x")]
        >>> batches = batch_by_padded_size(documents, count=3, characters=8)
        >>> [[document.text for document in batch] for batch in batches]
        [['one', 'two'], ['a long one'], ['x']]
        >>> batches = batch_by_padded_size(documents, count=3, characters=20)
        >>> [[document.text for document in batch] for batch in batches]
        [['one', 'two'], ['a long one', 'x']]
    """
    batch: list[Document] = []
    longest = 0
    for document in documents:
        size = len(document.text)
        widest = max(longest, size)
        if batch:
            first = batch[0]
            has_words = document.words is not None
            have_words = first.words is not None
            rows = len(batch) + 1
            padded = rows * widest
            if len(batch) == count or padded > characters or has_words != have_words:
                yield batch
                batch = []
                widest = size
        batch.append(document)
        longest = widest
    if batch:
        yield batch


def encode_text(text: str) -> bytes:
    """Encode as UTF-8; a lone surrogate, which has none, becomes U+FFFD.

    One code point stands for one, so that offsets stay those of the str.
    """
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        encodable = SURROGATE.sub("\ufffd", text)
        return encodable.encode("utf-8")
