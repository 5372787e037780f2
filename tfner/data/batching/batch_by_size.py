"""Cut a stream of documents into portions that are worked on at once, so that memory is bounded whatever the documents are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

from tfner.documents import Document

SURROGATE = re.compile("[\ud800-\udfff]")


class HasText(Protocol):
    """A document, or something that carries one."""

    @property
    def text(self) -> str: ...


Item = TypeVar("Item", bound=HasText)


def blocks(documents: Iterable[Item], *, count: int, characters: int) -> Iterator[list[Item]]:
    """Consecutive documents that are in memory together: at most `count`, and of at most `characters`, but at least one.

    Where a block ends depends on nothing but the documents.
    """
    block: list[Item] = []
    held = 0
    for document in documents:
        if block and (len(block) == count or held + len(document.text) > characters):
            yield block
            block, held = [], 0
        block.append(document)
        held += len(document.text)
    if block:
        yield block


def portions(
    documents: Iterable[Document], *, count: int, characters: int
) -> Iterator[list[Document]]:
    """Consecutive documents, all with given words or all without.

    A portion holds at most `count` documents, and `characters` after all of them are padded to its longest one: a book does not make
    its neighbours as long as itself. A document longer than that is a portion of its own.
    """
    portion: list[Document] = []
    longest = 0
    for document in documents:
        widest = max(longest, len(document.text))
        full = len(portion) == count or (len(portion) + 1) * widest > characters
        if portion and (full or (document.words is None) != (portion[0].words is None)):
            yield portion
            portion, widest = [], len(document.text)
        portion.append(document)
        longest = widest
    if portion:
        yield portion


def encode_text(text: str) -> bytes:
    """UTF-8; a lone surrogate, which has none, becomes U+FFFD: one code point for one, so that offsets stay those of the str."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        return SURROGATE.sub("\ufffd", text).encode("utf-8")
