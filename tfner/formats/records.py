"""Read the shapes of JSON records of annotated text as one: text or words, and tags or spans."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tfner.corpus.ledger import Ledger
from tfner.exceptions import DataError
from tfner.formats.gliner import ENTITIES, WORDS, flatten_gliner, is_gliner
from tfner.safeio.printable import show

DONE_KEYS = ("annotations", "completions", "predictions")  # of a task of Label Studio
TEXT_KEYS = ("text", "data", "content")
ENTITY_KEYS = ("entities", "spans", "label", "labels")
TAG_KEYS = ("tags", "ner_tags", "labels")
ID_KEYS = ("id", "doc_id", "curid", "uid", "_id")
START_KEYS = ("start", "start_offset", "start_char", "begin")
END_KEYS = ("end", "end_offset", "end_char")
LABEL_KEYS = ("label", "type", "labels", "entity_group", "tag")
# Read as marks, or of no meaning without them; `answer` is Prodigy's word on the marks.
MARK_KEYS = ("entities", "spans", "relations", "answer", WORDS, ENTITIES)
KEYS_SHOWN = 200  # characters
SURFACE_KEYS = ("text", "name", "word")

Json = Any  # what json.loads gives


class Mark(NamedTuple):
    """Hold one annotated span as the record gives it, not yet checked against the text."""

    start: int
    end: int
    label: str
    surface: str | None  # the annotated text, where the record repeats it


@dataclass(frozen=True)
class Record:
    """Hold a record of any shape: `words` are strings or (start, end), `tags` one for each word."""

    text: str | None
    words: list[str] | list[tuple[int, int]] | None
    tags: list[str] | None
    marks: list[Mark]
    id: str
    group: str
    slice: str


def parse_record(value: Json, where: str, ledger: Ledger) -> Record | None:
    """Recognize the shape of one record.

    Returns:
        None where its annotator rejected or left it, which is entered in the ledger.

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
    marks: list[Mark] = []
    for item in [] if tags is not None else entity_list(record, where):
        marks += parse_marks(item, where)
    if text is None and (marks or are_spans(words)):
        reason = "because the spans of tokens and entities count its characters"
        raise DataError(f"{where}: expected a text, {reason}, got none")
    for _ in first_of(record, ("relations",), list) or ():
        ledger.record("skipped_annotation", where, "relation")
    group, slice = (as_text(record.get(key) or "") for key in ("group", "slice"))
    names = parse_id(record), group, slice
    for name in (*(tags or ()), *(mark.label for mark in marks), *names):
        check_whole(name, where)
    return Record(text, words, tags, marks, *names)


def other_fields(value: Json) -> dict[str, Json]:
    """Pick what a record holds beside its text and what marks it.

        >>> other_fields({"text": "Bo", "label": [[0, 2, "PER"]], "id": 7, "url": "a"})
        {'id': 7, 'url': 'a'}

    What would be read as marks of the text is left out, since others are to take its place. Of a
    task of Label Studio they are those of its data.
    """
    record = value[1] if is_pair(value) else value
    if isinstance(record.get("data"), dict):
        record = record["data"]
    text_key = next((key for key in TEXT_KEYS if isinstance(record.get(key), str)), None)
    read = {text_key, *MARK_KEYS}
    lists = (key for key in (*ENTITY_KEYS, *TAG_KEYS) if isinstance(record.get(key), list))
    read.update(lists)
    return {key: value for key, value in record.items() if key not in read}


def to_plain_object(value: Json, where: str, ledger: Ledger) -> Mapping[str, Json] | None:
    """Make spaCy pairs, Label Studio tasks and GLiNER's words one shape; keep other objects."""
    if is_pair(value):
        return {"text": value[0], **value[1]}
    if not isinstance(value, dict):
        expected = "an object, or a pair of a text and an object"
        raise DataError(f"{where}: expected {expected}, got {show(value)}")
    answer = value.get("answer", "accept")  # Prodigy's
    if answer != "accept":
        ledger.record("skipped_record", where, f"answer: {as_text(answer)}")
        return None
    if is_gliner(value):
        return flatten_gliner(value, where)
    return flatten_task(value, where, ledger) if isinstance(value.get("data"), dict) else value


def is_pair(value: Json) -> bool:
    """Tell one spaCy pair of text and annotations from an array of records."""
    if not isinstance(value, list) or len(value) != 2:
        return False
    return isinstance(value[0], str) and isinstance(value[1], dict)


def flatten_task(task: Mapping[str, Json], where: str, ledger: Ledger) -> Mapping[str, Json] | None:
    """Read a task of Label Studio: of several annotators the first whose work was not cancelled.

    The predictions of a task count where it has no list of annotations at all, as none does that is
    yet to be imported. Label Studio's own exports have one, be it empty.
    """
    check_lists(task, DONE_KEYS, where)
    annotations = first_of(task, DONE_KEYS, list) or []
    objects = [item for item in annotations if isinstance(item, dict)]
    done = [item for item in objects if not item.get("was_cancelled")]
    if annotations and not done:
        ledger.record("skipped_record", where, "annotation cancelled")
        return None
    for _ in done[1:]:
        detail = "annotation of the same task by another annotator"
        ledger.record("skipped_annotation", where, detail)
    if done:
        check_lists(done[0], ("result",), where)
    results = first_of(done[0], ("result",), list) if done else None
    entities = list(label_studio_entities(results or [], where, ledger))
    text = first_of(task["data"], TEXT_KEYS, str)
    if text is None:
        expected = "the text of a Label Studio task in data.text"
        raise DataError(f"{where}: expected {expected}, got {show_keys(task['data'])}")
    return {"id": task.get("id"), "meta": task.get("meta"), "text": text, "entities": entities}


def check_lists(record: Mapping[str, Json], keys: Iterable[str], where: str) -> None:
    """Refuse values that are there and no lists: what they hold would be lost.

    Raises:
        DataError: there is one.
    """
    for key in keys:
        value = record.get(key)
        if value is not None and not isinstance(value, list):
            raise DataError(f"{where}: expected a list of {key}, got {show(value)}")


def label_studio_entities(results: Iterable[Json], where: str, ledger: Ledger) -> Iterator[Json]:
    """Pick the labelled spans of a task's results; the others are entered in the ledger."""
    for result in results:
        value = result.get("value") if isinstance(result, dict) else None
        if isinstance(value, dict) and "labels" in value:
            yield value
        else:
            kind = result.get("type") if isinstance(result, dict) else result
            ledger.record("skipped_annotation", where, as_text(kind))


def parse_words(record: Mapping[str, Json], where: str) -> list[str] | list[tuple[int, int]] | None:
    """Read tokens that are strings, or Prodigy's token objects as spans of the text."""
    tokens = record.get("tokens")
    if tokens is None:
        return None
    if isinstance(tokens, list) and all(isinstance(token, str) for token in tokens):
        return tokens
    if isinstance(tokens, list) and all(isinstance(token, dict) for token in tokens):
        return [borders(token, where) for token in tokens]
    expected = "tokens to be strings, or objects with start and end"
    raise DataError(f"{where}: expected {expected}, got {show(tokens)}")


def parse_tags(
    record: Mapping[str, Json], words: Sequence[Any] | None, where: str
) -> list[str] | None:
    """Read one tag a word; None where the record marks spans or nothing."""
    found = [key for key in TAG_KEYS if isinstance(record.get(key), list)]
    if words is None or are_spans(words) or not found:
        return None
    key, tags = found[0], record[found[0]]
    if any(isinstance(tag, (dict, list)) for tag in tags):
        return None
    if any(not isinstance(tag, str) for tag in tags):
        problem = f"{where}: expected tags such as B-PER in {key}, got {show(tags)}"
        hint = "this file does not say what they mean; write names, or read the dataset itself"
        raise DataError(f"{problem}: {hint}, saved in a folder or as hub:NAME")
    if len(tags) != len(words):
        got = f"{len(tags)} and {len(words)}"
        raise DataError(f"{where}: expected as many {key} as tokens, got {got}")
    return tags


def entity_list(record: Mapping[str, Json], where: str) -> list[Json]:
    """Find the first list of entities that is not empty; a string is a class of the whole text."""
    for key in ENTITY_KEYS:
        value = record.get(key)
        if isinstance(value, list) and value:
            return value
        if value and key in ("entities", "spans"):
            raise DataError(f"{where}: expected a list of {key}, got {show(value)}")
    return []


def parse_marks(item: Json, where: str) -> list[Mark]:
    """Read `[0, 5, "PER"]` or an object; one mark a label, where it has several."""
    if isinstance(item, list) and len(item) == 3:
        item = dict(zip(("start", "end", "label"), item, strict=True))
    if not isinstance(item, dict):
        expected = "an entity as [start, end, label] or as an object"
        raise DataError(f"{where}: expected {expected}, got {show(item)}")
    span = item.get("span")
    if isinstance(span, list) and len(span) == 2:
        item = {**item, "start": span[0], "end": span[1]}
    start, end = borders(item, where)
    label = next(filter(None, map(item.get, LABEL_KEYS)), None)
    labels: list[Any] = label if isinstance(label, list) else [label]
    surface = first_of(item, SURFACE_KEYS, str)
    if not all(isinstance(label, str) and label.strip() for label in labels):
        raise DataError(f"{where}: expected an entity with a label, got {show(item)}")
    return [Mark(start, end, label, surface) for label in labels]


def borders(item: Mapping[str, Json], where: str) -> tuple[int, int]:
    """Read where a span starts and ends."""
    return offset(item, START_KEYS, where), offset(item, END_KEYS, where)


def offset(item: Mapping[str, Json], keys: Sequence[str], where: str) -> int:
    """Read a border of a span under the first of these keys that is there."""
    value = next((item[key] for key in keys if key in item), None)
    if not isinstance(value, int) or isinstance(value, bool):
        expected = f"{keys[0]} to be a whole number of characters"
        raise DataError(f"{where}: expected {expected}, got {show(value)} in {show(item)}")
    return value


def parse_id(record: Mapping[str, Json]) -> str:
    """Find the id of a record, in its `meta` too; empty if it names none."""
    meta = record.get("meta")
    for source in (record, meta if isinstance(meta, dict) else {}):
        for key in ID_KEYS:
            value = source.get(key)
            if isinstance(value, (str, int)) and value != "":
                return str(value)
    return ""


def check_texts(record: Mapping[str, Json], where: str) -> None:
    """Refuse half characters in text and tokens."""
    tokens = record.get("tokens")
    texts = [record.get(key) for key in TEXT_KEYS]
    texts += tokens if isinstance(tokens, list) else []
    for text in texts:
        if isinstance(text, str):
            check_whole(text, where)


def check_whole(text: str, where: str) -> None:
    """Refuse half a character, which JSON can escape (`\\ud83d`) and no encoding can write."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        code = ord(text[error.start])
        half = f"half of one, U+{code:04X}, at character {error.start}"
        raise DataError(f"{where}: expected whole characters, got {half}") from None


def are_spans(words: Sequence[Any] | None) -> bool:
    """Tell words that are given as (start, end) from strings."""
    return isinstance(next(iter(words or ()), None), tuple)


def first_of(record: Mapping[str, Json], keys: Iterable[str], kind: type) -> Any:
    """Find the first value of a kind under these keys; None if there is none."""
    values = map(record.get, keys)
    return next((value for value in values if isinstance(value, kind)), None)


def show_keys(record: Mapping[str, Json]) -> str:
    """Name a record's keys in an error."""
    if not record:
        return "an empty object"
    keys = ", ".join(record)
    if len(keys) > KEYS_SHOWN:
        keys = keys[: KEYS_SHOWN - 3] + "..."
    return f"the keys {keys}"


def as_text(value: Json) -> str:
    """Keep a name as it is; write anything else, however deep or long, as Python does."""
    return value if isinstance(value, str) else show(value)
