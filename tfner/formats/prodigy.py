"""Read and write Prodigy's JSON Lines: a text with its spans, and its tokens where it has words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tfner.documents import Document, Entity
from tfner.formats.jsonl import (
    JsonlWriter,
    entity_record,
    json_lines_of,
    with_others,
)
from tfner.formats.registry import register
from tfner.tagging.word_tags import covered_words, split_borders


class ProdigyWriter(JsonlWriter):
    """Write `{"id", "text", "tokens", "spans"}` a line, `tokens` where words are given.

    Spans then number their first token and their last, which is within.
    """

    def to_record(self, document: Document, entities: Sequence[Entity]) -> dict[str, Any]:
        record: dict[str, Any] = {"id": document.id, "text": document.text}
        spans = [entity_record(document, entity) for entity in entities]
        if document.words is not None:
            record["tokens"] = list(token_records(document))
            for span, entity in zip(spans, entities, strict=True):
                span.update(token_borders(document, entity))
        record["spans"] = spans
        return with_others(record, document)


def token_records(document: Document) -> Iterator[dict[str, Any]]:
    """Make objects of JSON of a document's words.

    >>> next(token_records(Document.from_words(["Bo", "left"])))
    {'text': 'Bo', 'start': 0, 'end': 2, 'id': 0, 'ws': True}
    """
    text = document.text
    for number, (start, end) in enumerate(document.words or ()):
        token = {"text": text[start:end], "start": start, "end": end}
        has_blank = text[end : end + 1] == " "
        yield {**token, "id": number, "ws": has_blank}


def token_borders(document: Document, entity: Entity) -> dict[str, int]:
    """Number the first and the last word of an entity; nothing where it is none of words.

    >>> token_borders(Document.from_words(["New", "York", "is"]), Entity(0, 8, "LOC"))
    {'token_start': 0, 'token_end': 1}
    """
    words = document.words or ()
    first, last = covered_words(entity, *split_borders(words))
    is_of_words = first < last and words[first][0] == entity.start
    if is_of_words and words[last - 1][1] == entity.end:
        return {"token_start": first, "token_end": last - 1}
    return {}


register(json_lines_of("prodigy", ProdigyWriter, output_suffix=".jsonl"))
