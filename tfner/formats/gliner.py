"""Read records of GLiNER: words, and entities as their first word, their last one and a label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfner.documents import locate_joined
from tfner.exceptions import DataError
from tfner.safeio.printable import show

WORDS, ENTITIES = "tokenized_text", "ner"


def is_gliner(record: Mapping[str, Any]) -> bool:
    """Recognize a record by its words."""
    return WORDS in record


def flatten_gliner(record: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Make a record one of a text whose characters are counted; words are joined by one space.

        >>> flatten_gliner({"tokenized_text": ["New", "York"], "ner": [[0, 1, "LOC"]]}, "a.json[0]")
        ... # doctest: +NORMALIZE_WHITESPACE
        {'text': 'New York', 'tokens': [{'start': 0, 'end': 3}, {'start': 4, 'end': 8}],
         'entities': [{'start': 0, 'end': 8, 'label': 'LOC'}]}

    A span of words that are not there becomes one of characters that are not there.

    Raises:
        DataError: words are no list of strings, entities no list of two numbers and a label.
    """
    words = record[WORDS]
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise DataError(f"{where}: expected {WORDS} to be a list of strings, got {show(words)}")
    entities = record.get(ENTITIES) or []
    if not isinstance(entities, list):
        raise DataError(f"{where}: expected a list of {ENTITIES}, got {show(entities)}")
    spans = locate_joined(words)
    text = " ".join(words)
    outside = len(text) + 1
    marks = []
    for entity in entities:
        first, last, label = word_span(entity, where)
        is_there = 0 <= first <= last < len(spans)
        start = spans[first][0] if is_there else outside
        end = spans[last][1] if is_there else outside
        marks.append({"start": start, "end": end, "label": label})
    tokens = [{"start": start, "end": end} for start, end in spans]
    others = {key: value for key, value in record.items() if key in ("id", "group", "slice")}
    return {"text": text, "tokens": tokens, "entities": marks, **others}


def word_span(entity: Any, where: str) -> tuple[int, int, Any]:
    """Read an entity's first and last word and its label."""
    if isinstance(entity, list) and len(entity) == 3:
        first, last, label = entity
        if type(first) is int and type(last) is int:
            return first, last, label
    expected = "an entity as [first word, last word, label]"
    raise DataError(f"{where}: expected {expected}, got {show(entity)}")
