"""The shapes that JSON records of annotated text have, made one: text or words, and tags or spans."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tfner.corpus.ledger import Ledger
from tfner.exceptions import DataError
from tfner.safeio.printable import show

TEXT_KEYS = ("text", "data", "content")
ENTITY_KEYS = ("entities", "spans", "label", "labels")
TAG_KEYS = ("tags", "ner_tags", "labels")
ID_KEYS = ("id", "doc_id", "curid", "uid", "_id")
START_KEYS = ("start", "start_offset", "start_char", "begin")
END_KEYS = ("end", "end_offset", "end_char")
LABEL_KEYS = ("label", "type", "labels", "entity_group", "tag")
SURFACE_KEYS = ("text", "name", "word")

Json = Any  # what json.loads gives


class Mark(NamedTuple):
    """One annotated span as the record gives it, not yet checked against the text."""

    start: int
    end: int
    label: str
    surface: str | None  # the annotated text, where the record repeats it


@dataclass(frozen=True)
class Record:
    """A record of any shape: `words` are strings or (start, end), `tags` one for each word."""

    text: str | None
    words: list[str] | list[tuple[int, int]] | None
    tags: list[str] | None
    marks: list[Mark]
    id: str
    group: str
    slice: str


def parse_record(value: Json, where: str, ledger: Ledger) -> Record | None:
    """Recognise the shape of one record; None where its annotator rejected or left it, which is entered in the ledger.

    Raises:
        DataError: it is none of the known shapes.
    """
    record = to_plain_object(value, where, ledger)
    if record is None:
        return None
    check_texts(record, where)
    text = first_of(record, TEXT_KEYS, str)
    words = parse_words(record, where)
    if text is None and words is None:
        raise DataError(f"{where}: expected a record with text or tokens, got {show_keys(record)}")
    tags = parse_tags(record, words, where)
    marks = (
        []
        if tags is not None
        else [mark for item in entity_list(record, where) for mark in parse_marks(item, where)]
    )
    if text is None and (marks or is_places(words)):
        raise DataError(
            f"{where}: expected a text, because the spans of tokens and entities count its characters, got none"
        )
    for _ in first_of(record, ("relations",), list) or ():
        ledger.record("skipped_annotation", where, "relation")
    names = parse_id(record), as_text(record.get("group") or ""), as_text(record.get("slice") or "")
    for name in (*(tags or ()), *(mark.label for mark in marks), *names):
        check_whole(name, where)
    return Record(text, words, tags, marks, *names)


def to_plain_object(value: Json, where: str, ledger: Ledger) -> Mapping[str, Json] | None:
    """spaCy pairs and Label Studio tasks as `{"text": …, "entities": […]}`; other objects as they are."""
    if (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], str)
        and isinstance(value[1], dict)
    ):
        return {"text": value[0], **value[1]}
    if not isinstance(value, dict):
        raise DataError(
            f"{where}: expected an object, or a pair of a text and an object, got {show(value)}"
        )
    answer = value.get("answer", "accept")  # Prodigy's
    if answer != "accept":
        ledger.record("skipped_record", where, f"answer: {as_text(answer)}")
        return None
    return flatten_task(value, where, ledger) if isinstance(value.get("data"), dict) else value


def flatten_task(task: Mapping[str, Json], where: str, ledger: Ledger) -> Mapping[str, Json] | None:
    """A task of Label Studio's export: of several annotators the first whose work was not cancelled."""
    annotations = first_of(task, ("annotations", "completions"), list) or []
    done = [
        annotation
        for annotation in annotations
        if isinstance(annotation, dict) and not annotation.get("was_cancelled")
    ]
    if annotations and not done:
        ledger.record("skipped_record", where, "annotation cancelled")
        return None
    for _ in done[1:]:
        ledger.record(
            "skipped_annotation", where, "annotation of the same task by another annotator"
        )
    results = first_of(done[0], ("result",), list) if done else None
    entities = list(label_studio_entities(results or [], where, ledger))
    return {
        "id": task.get("id"),
        "meta": task.get("meta"),
        "text": task_text(task["data"], where),
        "entities": entities,
    }


def task_text(data: Mapping[str, Json], where: str) -> str:
    text = first_of(data, TEXT_KEYS, str)
    if text is None:
        raise DataError(
            f"{where}: expected the text of a Label Studio task in data.text, got {show_keys(data)}"
        )
    return text


def label_studio_entities(results: Iterable[Json], where: str, ledger: Ledger) -> Iterator[Json]:
    for result in results:
        value = result.get("value") if isinstance(result, dict) else None
        if isinstance(value, dict) and "labels" in value:
            yield value
        else:
            ledger.record(
                "skipped_annotation",
                where,
                as_text(result.get("type") if isinstance(result, dict) else result),
            )


def parse_words(record: Mapping[str, Json], where: str) -> list[str] | list[tuple[int, int]] | None:
    """Tokens as strings, or Prodigy's token objects as places in the text."""
    tokens = record.get("tokens")
    if tokens is None:
        return None
    if isinstance(tokens, list) and all(isinstance(token, str) for token in tokens):
        return tokens
    if isinstance(tokens, list) and all(isinstance(token, dict) for token in tokens):
        return [
            (offset(token, START_KEYS, where), offset(token, END_KEYS, where)) for token in tokens
        ]
    raise DataError(
        f"{where}: expected tokens to be strings, or objects with start and end, got {show(tokens)}"
    )


def parse_tags(
    record: Mapping[str, Json], words: Sequence[Any] | None, where: str
) -> list[str] | None:
    """One tag a word, or None where the record marks spans or nothing."""
    found = [key for key in TAG_KEYS if isinstance(record.get(key), list)]
    if words is None or is_places(words) or not found:
        return None
    key, tags = found[0], record[found[0]]
    if any(isinstance(tag, (dict, list)) for tag in tags):
        return None
    if any(not isinstance(tag, str) for tag in tags):
        hint = "this file does not say what they mean; write names, or read the dataset itself, saved in a folder or as hub:NAME"
        raise DataError(f"{where}: expected tags such as B-PER in {key}, got {show(tags)}: {hint}")
    if len(tags) != len(words):
        raise DataError(
            f"{where}: expected as many {key} as tokens, got {len(tags)} and {len(words)}"
        )
    return tags


def entity_list(record: Mapping[str, Json], where: str) -> list[Json]:
    """The first list of entities that is not empty. A string under `label` is a class of the whole text, not ours."""
    for key in ENTITY_KEYS:
        value = record.get(key)
        if isinstance(value, list) and value:
            return value
        if value and key in ("entities", "spans"):
            raise DataError(f"{where}: expected a list of {key}, got {show(value)}")
    return []


def parse_marks(item: Json, where: str) -> list[Mark]:
    """`[0, 5, "PER"]` or an object; one mark a label, where it has several."""
    if isinstance(item, list) and len(item) == 3:
        item = {"start": item[0], "end": item[1], "label": item[2]}
    if not isinstance(item, dict):
        raise DataError(
            f"{where}: expected an entity as [start, end, label] or as an object, got {show(item)}"
        )
    if isinstance(item.get("span"), list) and len(item["span"]) == 2:
        item = {**item, "start": item["span"][0], "end": item["span"][1]}
    start, end = offset(item, START_KEYS, where), offset(item, END_KEYS, where)
    labels = next((item[key] for key in LABEL_KEYS if item.get(key)), None)
    labels = labels if isinstance(labels, list) else [labels]
    surface = first_of(item, SURFACE_KEYS, str)
    marks = [
        Mark(start, end, label, surface)
        for label in labels
        if isinstance(label, str) and label.strip()
    ]
    if len(marks) < len(labels):
        raise DataError(f"{where}: expected an entity with a label, got {show(item)}")
    return marks


def offset(item: Mapping[str, Json], keys: Sequence[str], where: str) -> int:
    value = next((item[key] for key in keys if key in item), None)
    if not isinstance(value, int) or isinstance(value, bool):
        raise DataError(
            f"{where}: expected {keys[0]} to be a whole number of characters, got {show(value)} in {show(item)}"
        )
    return value


def parse_id(record: Mapping[str, Json]) -> str:
    meta = record.get("meta")
    for source in (record, meta if isinstance(meta, dict) else {}):
        for key in ID_KEYS:
            value = source.get(key)
            if isinstance(value, (str, int)) and value != "":
                return str(value)
    return ""


def check_texts(record: Mapping[str, Json], where: str) -> None:
    tokens = record.get("tokens")
    texts = [record.get(key) for key in TEXT_KEYS] + (tokens if isinstance(tokens, list) else [])
    for text in (text for text in texts if isinstance(text, str)):
        check_whole(text, where)


def check_whole(text: str, where: str) -> None:
    """JSON can escape half a character (`\\ud83d` alone), which no encoding can write."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        code = ord(text[error.start])
        raise DataError(
            f"{where}: expected whole characters, got half of one, U+{code:04X}, at character {error.start}"
        ) from None


def is_places(words: Sequence[Any] | None) -> bool:
    return isinstance(next(iter(words or ()), None), tuple)


def first_of(record: Mapping[str, Json], keys: Iterable[str], kind: type) -> Any:
    return next((record[key] for key in keys if isinstance(record.get(key), kind)), None)


def show_keys(record: Mapping[str, Json]) -> str:
    keys = ", ".join(record)
    return (
        f"the keys {keys if len(keys) <= 200 else keys[:197] + '...'}"
        if record
        else "an empty object"
    )


def as_text(value: Json) -> str:
    """A name as it is; anything else, however deep or long, as Python writes it."""
    return value if isinstance(value, str) else show(value)
