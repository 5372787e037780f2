"""Read and write tasks of Label Studio, with what was found as their predictions.

The names are those of its template for named entities: `<Labels name="label" toName="text">` over
`<Text name="text" value="$text"/>`. It counts code points, as we do.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

from tfner.documents import Document, Entity
from tfner.formats.json_array import read_json_array, read_unmarked_array
from tfner.formats.jsonl import entity_record, json_line
from tfner.formats.registry import Format, register
from tfner.formats.resume import WrittenFile, one_line
from tfner.formats.writers import FramedWriter

HEAD, FOOT = "[\n", "]\n"
LABELS = {"from_name": "label", "to_name": "text", "type": "labels"}
MODEL = "tfner"


class LabelStudioWriter(FramedWriter):
    """Write an array of tasks, one a line; a document's id is in `meta`, other fields in `data`.

    The score of a task is that of its least certain entity.
    """

    unencodable = "backslashreplace"

    def head(self) -> str:
        return HEAD

    def foot(self) -> str:
        return FOOT

    def write(self, document: Document, entities: Sequence[Entity]) -> None:
        task = to_task(document, entities)
        comma = "" if self.is_first else ","
        self.write_block(comma + json_line(task))


def to_task(document: Document, entities: Sequence[Entity]) -> dict[str, Any]:
    """Make a task of a document, whose entities are what a model said of it."""
    data = {**(document.other_fields or {}), "text": document.text}
    results = [result_of(number, document, entity) for number, entity in enumerate(entities, 1)]
    prediction: dict[str, Any] = {"model_version": MODEL, "result": results}
    if results:
        prediction["score"] = min(result["score"] for result in results)
    return {"data": data, "meta": {"id": document.id}, "predictions": [prediction]}


def result_of(number: int, document: Document, entity: Entity) -> dict[str, Any]:
    """Make a labelled region of an entity; `number` tells those of a task apart."""
    value = entity_record(document, entity)
    value["labels"] = [value.pop("label")]
    score = value.pop("score")
    return {"id": f"e{number}", **LABELS, "value": value, "score": score}


def is_task_of(record: bytes, document: Document) -> bool:
    """Tell whether a task is of the document's id and text."""
    expected = json.loads(json.dumps([document.text, document.id]))
    try:
        task = json.loads(record.removeprefix(b","))
        found = [task["data"]["text"], task["meta"]["id"]]
    except (ValueError, TypeError, KeyError, RecursionError):
        return False
    return found == expected


register(
    Format(
        name="label-studio",
        read=read_json_array,
        read_unmarked=read_unmarked_array,
        open_writer=LabelStudioWriter,
        resume=partial(
            WrittenFile,
            ends=one_line,
            belongs=is_task_of,
            head=HEAD.encode(),
            foot=FOOT.encode(),
        ),
        output_suffix=".json",
        framed=True,
    )
)
