"""Read and write Doccano's JSON Lines: a text, and `[start, end, type]` of each entity.

Doccano counts code points, as we do. It refuses empty texts, and keeps other fields as metadata.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tfner.documents import Document, Entity
from tfner.formats.jsonl import (
    JsonlWriter,
    json_lines_of,
    with_others,
)
from tfner.formats.registry import register


class DoccanoWriter(JsonlWriter):
    """Write `{"id", "text", "label": [[start, end, type]]}` a line; it has no scores."""

    def to_record(self, document: Document, entities: Sequence[Entity]) -> dict[str, Any]:
        marks = [list(entity.key) for entity in entities]
        record = {"id": document.id, "text": document.text, "label": marks}
        return with_others(record, document)


register(json_lines_of("doccano", DoccanoWriter, output_suffix=".jsonl"))
