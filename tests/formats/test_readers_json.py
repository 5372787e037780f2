"""JSON and JSON Lines in the shapes that annotation tools write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfner.corpus.ledger import Ledger
from tfner.documents import Document
from tfner.exceptions import DataError
from tfner.formats import read_documents
from tfner.formats.record_documents import Item, RecordReader
from tfner.formats.settings import ReadSettings

TEXT = "Ada Lovelace met Babbage."
ADA, BABBAGE = (0, 12, "PER"), (17, 24, "PER")
TOKENS = ["Ada", "Lovelace", "met", "Babbage", "."]


def read_text(path: Path, content: str, **settings) -> tuple[list[Document], Ledger]:
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    ledger = Ledger()
    return list(read_documents(path, ReadSettings(**settings), ledger)), ledger


def read_one(path: Path, record: Any, **settings) -> tuple[Document, Ledger]:
    """Read a record as a line and as an item of an array; both must say the same."""
    content = json.dumps(record, ensure_ascii=False)
    (document,), ledger = read_text(path.with_suffix(".jsonl"), content + "\n", **settings)
    (in_array,), _ = read_text(path.with_suffix(".json"), f"[{content}]", **settings)
    assert (in_array.text, in_array.entities, in_array.words) == (
        document.text,
        document.entities,
        document.words,
    )
    return document, ledger


def label_studio(result: list[Any], **more: Any) -> dict[str, Any]:
    return {
        "id": 7,
        "data": {"text": TEXT},
        "annotations": [{"id": 1, "was_cancelled": False, "result": result}],
        **more,
    }


def prodigy_tokens(text: str, words: list[str]) -> list[dict[str, Any]]:
    tokens, position = [], 0
    for number, word in enumerate(words):
        start = text.index(word, position)
        position = start + len(word)
        tokens.append(
            {
                "text": word,
                "start": start,
                "end": position,
                "id": number,
                "ws": text[position : position + 1] == " ",
            }
        )
    return tokens


def as_objects(
    start: str = "start", end: str = "end", label: str = "label", surface: str = "", **more: Any
) -> list[dict[str, Any]]:
    """Both entities as objects with these keys; `surface` is the key that repeats the text."""
    objects = [
        {start: first, end: last, label: name, surface: TEXT[first:last], **more}
        for first, last, name in (ADA, BABBAGE)
    ]
    return [{key: value for key, value in item.items() if key} for item in objects]


LABELLED = [
    {"start": start, "end": end, "text": TEXT[start:end], "labels": [label]}
    for start, end, label in (ADA, BABBAGE)
]
NAMED = [
    {"name": TEXT[start:end], "span": [start, end], "type": label}
    for start, end, label in (ADA, BABBAGE)
]

SHAPES = {
    "start, end, label": {"text": TEXT, "entities": as_objects()},
    "triples": {"text": TEXT, "entities": [ADA, BABBAGE]},
    "doccano, old": {"text": TEXT, "labels": [ADA, BABBAGE]},
    "doccano, older": {"id": 1, "text": TEXT, "label": [ADA, BABBAGE], "meta": {}},
    "doccano, text under data": {"id": 1, "data": TEXT, "label": [ADA, BABBAGE], "Comments": []},
    "doccano, with relations": {
        "id": 1,
        "text": TEXT,
        "entities": as_objects("start_offset", "end_offset", id=1),
        "relations": [],
    },
    "spaCy": [TEXT, {"entities": [ADA, BABBAGE]}],
    "spans, begin": {"text": TEXT, "spans": as_objects("begin", "end", "type")},
    "span and name": {"curid": "9", "text": TEXT, "entities": NAMED},
    "Prodigy": {"text": TEXT, "spans": as_objects(), "answer": "accept"},
    "Label Studio": label_studio([{"type": "labels", "value": value} for value in LABELLED]),
    "Label Studio, short": {"text": TEXT, "label": LABELLED},
    "our own": {"text": TEXT, "entities": as_objects(surface="text", score=0.5)},
}


@pytest.mark.parametrize("name", SHAPES)
def test_the_same_record_in_many_shapes(tmp_path, name):
    document, ledger = read_one(tmp_path / "a", SHAPES[name], strict=True)
    assert document.text == TEXT
    assert [entity.key for entity in document.entities] == [ADA, BABBAGE]
    assert [entity.text for entity in document.entities] == ["Ada Lovelace", "Babbage"]
    assert document.words is None
    assert ledger.counts == {}


WORD_SHAPES = {
    "tags": ({"tokens": TOKENS, "tags": ["B-PER", "I-PER", "O", "B-PER", "O"]}, " ".join(TOKENS)),
    "ner_tags": (
        {
            "tokens": TOKENS,
            "ner_tags": ["B-PER", "E-PER", "O", "S-PER", "O"],
            "pos_tags": [1, 2, 3, 4, 5],
        },
        " ".join(TOKENS),
    ),
    "tags and text": (
        {"tokens": TOKENS, "tags": ["I-PER", "I-PER", "O", "I-PER", "O"], "text": TEXT},
        TEXT,
    ),
    "tags, another text": (
        {"tokens": TOKENS, "tags": ["B-PER", "I-PER", "O", "B-PER", "O"], "text": "?"},
        " ".join(TOKENS),
    ),
    "Prodigy": (
        {"text": TEXT, "tokens": prodigy_tokens(TEXT, TOKENS), "spans": as_objects()},
        TEXT,
    ),
    "spans": ({"text": TEXT, "tokens": TOKENS, "entities": [ADA, BABBAGE]}, TEXT),
    "GLiNER": (
        {"tokenized_text": TOKENS, "ner": [[0, 1, "PER"], [3, 3, "PER"]], "label": ["PER", "LOC"]},
        " ".join(TOKENS),
    ),
}


@pytest.mark.parametrize("name", WORD_SHAPES)
def test_given_words_are_kept(tmp_path, name):
    record, text = WORD_SHAPES[name]
    document, ledger = read_one(tmp_path / "a", record, strict=True)
    assert document.text == text
    assert document.word_texts() == TOKENS
    assert [entity.text for entity in document.entities] == ["Ada Lovelace", "Babbage"]
    assert ledger.counts == {}


@pytest.mark.parametrize(
    ("record", "text", "words"),
    [
        ({"text": TEXT}, TEXT, None),
        ({"text": ""}, "", None),
        ({"text": TEXT, "entities": None}, TEXT, None),
        ({"text": TEXT, "label": "POSITIVE"}, TEXT, None),
        ({"tokens": TOKENS}, " ".join(TOKENS), TOKENS),
        ({"tokens": []}, "", []),
        ({"text": TEXT, "tokens": TOKENS}, TEXT, TOKENS),
        ({"text": TEXT, "tokens": ["ada", "##love"]}, TEXT, None),
        ({"data": {"text": TEXT}, "annotations": []}, TEXT, None),
        ({"text": TEXT, "tags": ["history"]}, TEXT, None),
    ],
)
def test_records_without_entities(tmp_path, record, text, words):
    document, ledger = read_one(tmp_path / "a", record, strict=True)
    assert (document.text, document.entities) == (text, ())
    assert (document.words is None) == (words is None)
    assert document.word_texts() == (words or [])
    assert ledger.counts == {}


@pytest.mark.parametrize(
    ("record", "reason", "detail"),
    [
        ({"text": TEXT, "answer": "reject"}, "skipped_record", "answer: reject"),
        ({"text": TEXT, "answer": "ignore"}, "skipped_record", "answer: ignore"),
        (
            {"data": {"text": TEXT}, "completions": [{"was_cancelled": True, "result": []}]},
            "skipped_record",
            "annotation cancelled",
        ),
        (label_studio([{"type": "relation", "from_id": "a"}]), "skipped_annotation", "relation"),
        (
            label_studio([{"type": "choices", "value": {"choices": ["x"]}}]),
            "skipped_annotation",
            "choices",
        ),
        ({"text": TEXT, "relations": [{"from": 1}]}, "skipped_annotation", "relation"),
        (
            {"text": TEXT, "entities": [[20, 26, "X"]]},
            "invalid_span",
            "X 20..26 in a text of 25 characters",
        ),
        (
            {"text": TEXT, "entities": [[-1, 3, "X"]]},
            "invalid_span",
            "X -1..3 in a text of 25 characters",
        ),
        (
            {"text": TEXT, "entities": [[3, 3, "X"]]},
            "invalid_span",
            "X 3..3 in a text of 25 characters",
        ),
        (
            {"text": TEXT, "entities": [{"span": [1, 4], "type": "X", "name": "Ada"}]},
            "invalid_span",
            "X 1..4, which is 'da ', not 'Ada'",
        ),
        (
            {"tokens": TOKENS, "tags": ["I-X", "I-X", "O", "B-X", "O"]},
            "repaired",
            "I-X at the beginning (token 0)",
        ),
    ],
)
def test_what_is_left_out_is_counted(tmp_path, record, reason, detail):
    path = tmp_path / "a.jsonl"
    documents, ledger = read_text(path, json.dumps(record), scheme="IOB2")
    assert ledger.entries == [(reason, f"{path}:1", detail)]
    assert len(documents) == (reason != "skipped_record")
    assert reason == "repaired" or not any(document.entities for document in documents)


def test_line_breaks_may_be_blanks_in_the_repeated_text(tmp_path):
    record = {
        "text": "New\r\nYork",
        "entities": [{"start": 0, "end": 9, "label": "LOC", "text": "New York"}],
    }
    assert read_one(tmp_path / "a", record, strict=True)[0].entities[0].text == "New\r\nYork"


def test_of_several_annotators_the_first_counts(tmp_path):
    record = label_studio([{"value": {"start": 0, "end": 3, "labels": ["PER", "NAME"]}}])
    record["annotations"] = [
        {"was_cancelled": True, "result": []},
        *record["annotations"],
        {"result": []},
    ]
    document, ledger = read_one(tmp_path / "a", record)
    assert [entity.key for entity in document.entities] == [(0, 3, "PER"), (0, 3, "NAME")]
    assert ledger.counts == {"skipped_annotation": 1}


@pytest.mark.parametrize(
    ("record", "id"),
    [
        ({"text": "a", "id": 0}, "0"),
        ({"text": "a", "doc_id": "x"}, "x"),
        ({"text": "a", "meta": {"id": "m"}}, "m"),
        ({"text": "a", "id": None, "curid": "c"}, "c"),
        ({"text": "a", "meta": "page 3"}, "a.jsonl:3"),
        (label_studio([]), "7"),
    ],
)
def test_ids_are_the_records_or_their_places(tmp_path, record, id):
    path = tmp_path / "a.jsonl"
    documents, _ = read_text(path, '{"text": "first"}\n\n' + json.dumps(record))
    assert documents[1].id == id
    assert documents[0].id == "a.jsonl:1"


def test_items_of_an_array_are_numbered(tmp_path):
    documents, _ = read_text(tmp_path / "a.json", '[{"text": "a"}, {"text": "b", "group": "g"}]')
    assert [(document.id, document.group) for document in documents] == [
        ("a.json[0]", ""),
        ("a.json[1]", "g"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "texts"),
    [
        ("a.json", '{"text": "a"}', ["a"]),
        ("a.json", '\ufeff{"text": "a"}\n{"text": "b"}\n', ["a", "b"]),
        ("a.json", '["a", {"entities": []}]', ["a"]),
        ("a.json", "[]", []),
        ("a.jsonl", '\ufeff{"text": "a\x85\u2028b"}\r\n\r\n{"text": "b"}', ["a\x85\u2028b", "b"]),
        ("a.ndjson", '{"text": "\\ud83d\\ude00 a"}\n', ["😀 a"]),
        ("a.jsonl", "", []),
    ],
)
def test_files_of_one_record_of_lines_or_of_none(tmp_path, name, content, texts):
    assert [document.text for document in read_text(tmp_path / name, content)[0]] == texts


def test_offsets_count_code_points(tmp_path):
    document, _ = read_one(tmp_path / "a", {"text": "😀 é 人", "entities": [[4, 5, "X"]]})
    assert document.entities[0].text == "人"


def test_lines_are_read_one_by_one(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a"}\n' * 3 + "not JSON")
    documents = read_documents(path, ReadSettings(), Ledger())
    assert [next(documents).id for _ in range(3)] == ["a.jsonl:1", "a.jsonl:2", "a.jsonl:3"]
    with pytest.raises(DataError):
        next(documents)


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("json") / "drawn"


KEYS = st.sampled_from(
    [
        "text",
        "tokens",
        "tags",
        "entities",
        "label",
        "start",
        "end",
        "data",
        "annotations",
        "result",
        "value",
        "labels",
        "span",
    ]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-2, 5)
    | st.floats()
    | st.sampled_from(["", "ab", "O", "B-X", "\ud83d"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(KEYS, VALUES) | VALUES)
def test_any_json_is_read_or_refused_with_its_place(file, value):
    path = file.with_suffix(".jsonl")
    assert fault(path, json.dumps(value)).startswith((f"{path}:1: expected", "none"))


@given(st.text(st.sampled_from('{}[]":,a1\n\\ut')))
def test_any_text_is_read_or_refused_with_its_place(file, content):
    for ending in (".json", ".jsonl"):
        path = file.with_suffix(ending)
        assert fault(path, content).startswith((f"{path}:", f"{path}[", "none"))


def fault(path: Path, content: str) -> str:
    try:
        read_text(path, content)
    except DataError as error:
        return str(error)
    return "none"


def test_a_record_names_its_group_and_its_slice(tmp_path):
    path = tmp_path / "records.jsonl"
    path.write_text(
        '{"text": "a", "group": "book", "slice": "hard"}\n{"tokens": ["a"], "slice": "easy"}\n',
        encoding="utf-8",
    )
    documents = list(read_documents(path, ReadSettings(), Ledger()))
    assert [(document.group, document.slice) for document in documents] == [
        ("book", "hard"),
        ("", "easy"),
    ]


def test_entities_of_gliner_count_words_and_may_be_nested(tmp_path):
    record = {
        "id": "7",
        "tokenized_text": ["", "New", "York"],
        "ner": [[1, 2, "ORG"], [2, 2, "LOC"], [0, 0, "X"], [2, 3, "LOC"], [2, 1, "LOC"]],
    }
    document, ledger = read_one(tmp_path / "a", record)
    assert [entity.key for entity in document.entities] == [(1, 9, "ORG"), (5, 9, "LOC")]
    assert (document.id, document.words) == ("7", ((0, 0), (1, 4), (5, 9)))
    assert ledger.counts == {"invalid_span": 3}


@given(
    st.lists(
        st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=4), min_size=1
    ),
    st.data(),
)
def test_words_and_spans_of_gliner_are_those_of_tags(words, data):
    """Compare a span of words with tags of these words: both say the same."""
    first = data.draw(st.integers(0, len(words) - 1))
    last = data.draw(st.integers(first, len(words) - 1))
    tags = ["O"] * len(words)
    tags[first : last + 1] = ["B-X"] + ["I-X"] * (last - first)
    spans = {"tokenized_text": words, "ner": [[first, last, "X"]]}
    tagged = {"tokens": words, "tags": tags}
    settings = ReadSettings(scheme="IOB2")
    found = []
    for record in (spans, tagged):
        items = [Item(record, "x", "x")]
        found += RecordReader(lambda items=items: items, settings, Ledger()).documents()
    assert found[0] == found[1]
