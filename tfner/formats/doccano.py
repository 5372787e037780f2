"""Read and write Doccano's JSON Lines: a text, and `[start, end, type]` of each entity.

Doccano counts code points, as we do. It refuses empty texts, and keeps other fields as metadata.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from tfner.documents import Document, Entity
from tfner.formats.counts import count_filled_lines
from tfner.formats.jsonl import (
    JsonlWriter,
    is_json_of,
    read_json_lines,
    read_unmarked_lines,
    with_others,
)
from tfner.formats.registry import Format, register
from tfner.formats.resume import WrittenFile, one_line


class DoccanoWriter(JsonlWriter):
    """Write `{"id", "text", "label": [[start, end, type]]}` a line; it has no scores."""

    def to_record(self, document: Document, entities: Sequence[Entity]) -> dict[str, Any]:
        marks = [list(entity.key) for entity in entities]
        record = {"id": document.id, "text": document.text, "label": marks}
        return with_others(record, document)


register(
    Format(
        name="doccano",
        read=read_json_lines,
        read_unmarked=read_unmarked_lines,
        count=count_filled_lines,
        open_writer=DoccanoWriter,
        resume=partial(WrittenFile, ends=one_line, belongs=is_json_of),
        output_suffix=".jsonl",
    )
)
