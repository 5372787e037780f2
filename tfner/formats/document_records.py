"""Make JSON records of documents, which `records` reads back as the same documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tfner.documents import Document


def document_record(document: Document) -> dict[str, Any]:
    """Make an object of JSON that holds all of a document.

    >>> document_record(Document.from_words(["Bo", "left"], [(0, 1, "PER")], id="a"))
    {'id': 'a', 'text': 'Bo left', 'tokens': [{'start': 0, 'end': 2}, {'start': 3, 'end': 7}],
     'entities': [{'start': 0, 'end': 2, 'label': 'PER'}]}
    """
    record: dict[str, Any] = {"id": document.id, "text": document.text}
    if document.words is not None:
        tokens = span_records(document.words)
        record["tokens"] = tokens
    entities = [(entity.start, entity.end) for entity in document.entities]
    record["entities"] = span_records(entities)
    for marked, entity in zip(record["entities"], document.entities, strict=True):
        marked["label"] = entity.label
    for name in ("group", "slice"):
        value = getattr(document, name)
        if value:
            record[name] = value
    return record


def span_records(spans: Sequence[tuple[int, int]]) -> list[dict[str, Any]]:
    """Make objects of JSON of spans."""
    return [{"start": start, "end": end} for start, end in spans]
