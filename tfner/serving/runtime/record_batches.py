"""Mark batches of records with a model: what Beam, Spark and Ray have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Generic, NamedTuple, Protocol, TypeVar

from tfner.documents import Document, Entity
from tfner.serving.runtime.recognizer import Recognizer, in_blocks


class Record(Protocol):
    """Be a document, or some text that is none; `text` counts towards the size of a block."""

    @property
    def text(self) -> str: ...

    @property
    def document(self) -> Document | None: ...


R = TypeVar("R", bound=Record)


class MarkedRecord(NamedTuple, Generic[R]):
    """Pair a record with its entities, None where it is no document."""

    record: R
    entities: list[Entity] | None


def mark_batches(
    recognizer: Recognizer, batches: Iterable[Sequence[R]]
) -> Iterator[list[MarkedRecord[R]]]:
    """Find the entities of records that come in batches; give all of them, in their order.

    They are given in blocks of `in_blocks`, whatever the batches were: so the model is asked as
    `predict` asks it about the same records, and documents of like length find together.
    """
    records = chain.from_iterable(batches)
    for block in in_blocks(records):
        yield mark_block(recognizer, block)


def mark_block(recognizer: Recognizer, block: Sequence[R]) -> list[MarkedRecord[R]]:
    """Find the entities of one block."""
    documents = [record.document for record in block if record.document is not None]
    found: dict[int, list[Entity]] = {}
    for answered in recognizer.recognize_block(documents):
        found.update(answered)
    in_order = (found[index] for index in range(len(documents)))
    marked = []
    for record in block:
        entities = None if record.document is None else next(in_order)
        marked.append(MarkedRecord(record, entities))
    return marked
