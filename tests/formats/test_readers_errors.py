"""Bad input, and the whole message that each gets: where, what was expected, what came."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tfner.corpus.ledger import Ledger
from tfner.exceptions import ConfigError, DataError
from tfner.formats import read_documents
from tfner.formats.settings import ReadSettings

EXPECTED_TAG = "expected O or a tag such as B-PER in column"
ENCODING = "set encoding (now utf-8) to that of the file, for example cp1252"
WHOLE = "to be a whole number of characters, got"
SPAN = "expected an entity as [start, end, label] or as an object, got"
OTHER_COLUMN = "; set tag_column if the tags stand in another"
UNIT_TAG = "expected O or a prefix of B, I, E, S, L, U with a type, such as B-PER"


def message_for(path: Path, content: str | bytes, **settings) -> str:
    """The message without the path in front; fails if the file is read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError) as caught:
        list(read_documents(path, ReadSettings(**settings), Ledger()))
    message = str(caught.value)
    assert message.startswith(str(path))
    return message.removeprefix(str(path))


@pytest.mark.parametrize(
    ("content", "settings", "message"),
    [
        ("A B-X\nran quickly\n", {}, f":2: {EXPECTED_TAG} 1, got 'quickly'{OTHER_COLUMN}"),
        ("The quick fox.\nIt ran away.\n", {}, f":1: {EXPECTED_TAG} 2, got 'fox.'{OTHER_COLUMN}"),
        ("a\tB\nb\tO\n", {}, f":1: {EXPECTED_TAG} 1, got 'B'{OTHER_COLUMN}"),
        ("a\tX-PER\nb\tO\n", {}, f":1: {EXPECTED_TAG} 1, got 'X-PER'{OTHER_COLUMN}"),
        ("O\ta\nB-X\tb\n", {}, f":1: {EXPECTED_TAG} 1, got 'a'{OTHER_COLUMN}"),
        (
            "a B_X\n" + "b O\n" * 200,
            {"strict": True},
            f":1: {EXPECTED_TAG} 1, got 'B_X'{OTHER_COLUMN}",
        ),
        ("a O\nb\n", {"strict": True}, f":2: {EXPECTED_TAG} 1, got none for 'b'"),
        (
            "a B-X\nb B-X\nc O\nd I-X\n",
            {"strict": True},
            ":4: expected legal IOB2 tags, got I-X after O",
        ),
        (
            "a B-X\nb O\n",
            {"strict": True, "scheme": "BIOES"},
            ":2: expected legal BIOES tags, got O after B-X",
        ),
        (
            "a B-X\n",
            {"strict": True, "scheme": "BIOES"},
            ":1: expected legal BIOES tags, got B-X at the end",
        ),
        ("a B-X\n", {"strict": True, "scheme": "IO"}, ":1: expected legal IO tags, got B-X in IO"),
        ("a\tB-X\nb\tO\n", {"tag_column": 2}, ": tag_column is 2, but most lines have 2 columns"),
        (
            "a\tB-X\nb\tO\n",
            {"token_column": -3},
            ": token_column is -3, but most lines have 2 columns",
        ),
        ("1\ta\tO\n2\tb\tO\n3\n", {}, ":3: expected a token in column 1, got 1 columns: '3'"),
        (b"a O\nb\xe4r O\n", {}, f":2: expected text in utf-8, got the byte 0xe4; {ENCODING}"),
    ],
)
def test_columns(tmp_path, content, settings, message):
    assert message_for(tmp_path / "a.conll", content, **settings) == message


@pytest.mark.parametrize(
    ("record", "settings", "message"),
    [
        ({}, {}, "expected a record with text or tokens, got an empty object"),
        ({"txt": "a", "n": 1}, {}, "expected a record with text or tokens, got the keys txt, n"),
        ("a", {}, "expected an object, or a pair of a text and an object, got 'a'"),
        (["a", "b"], {}, "expected an object, or a pair of a text and an object, got ['a', 'b']"),
        (
            {"data": {"image": "x"}, "annotations": []},
            {},
            "expected the text of a Label Studio task in data.text, got the keys image",
        ),
        (
            {"tokens": "a b"},
            {},
            "expected tokens to be strings, or objects with start and end, got 'a b'",
        ),
        (
            {"tokens": ["a", 1]},
            {},
            "expected tokens to be strings, or objects with start and end, got ['a', 1]",
        ),
        ({"tokens": ["a"], "tags": ["O", "O"]}, {}, "expected as many tags as tokens, got 2 and 1"),
        ({"tokens": ["a", "b"], "tags": ["O", "PER"]}, {}, f"token 1: {UNIT_TAG}, got 'PER'"),
        (
            {"tokens": ["a"], "tags": ["I-X"]},
            {"strict": True, "scheme": "IOB2"},
            "expected legal IOB2 tags, got I-X at the beginning (token 0)",
        ),
        (
            {"tokens": ["a"], "ner_tags": [3]},
            {},
            "expected tags such as B-PER in ner_tags, got [3]: this file does not say what they "
            "mean; "
            "write names, or read the dataset itself, saved in a folder or as hub:NAME",
        ),
        (
            {"tokens": ["a"], "entities": [[0, 1, "X"]]},
            {},
            "expected a text, because the spans of tokens and entities count its characters, got "
            "none",
        ),
        (
            {"text": "ab", "tokens": [{"text": "a"}]},
            {},
            f"expected start {WHOLE} None in {{'text': 'a'}}",
        ),
        (
            {"text": "ab", "tokens": [{"start": 1, "end": 2}, {"start": 0, "end": 1}]},
            {},
            "expected tokens in order inside a text of 2 characters, got [1, 2, 0, 1]",
        ),
        (
            {"text": "ab", "entities": {"X": "ab"}},
            {},
            "expected a list of entities, got {'X': 'ab'}",
        ),
        ({"text": "ab", "entities": ["ab"]}, {}, f"{SPAN} 'ab'"),
        ({"text": "ab", "entities": [[0, 1]]}, {}, f"{SPAN} [0, 1]"),
        (
            {"text": "ab", "entities": [["X", 0, 1]]},
            {},
            f"expected start {WHOLE} 'X' in {{'start': 'X', 'end': 0, 'label': 1}}",
        ),
        (
            {"text": "ab", "entities": [[0, True, "X"]]},
            {},
            f"expected end {WHOLE} True in {{'start': 0, 'end': True, 'label': 'X'}}",
        ),
        (
            {"text": "ab", "entities": [[0, 1.5, ""]]},
            {},
            f"expected end {WHOLE} 1.5 in {{'start': 0, 'end': 1.5, 'label': ''}}",
        ),
        (
            {"text": "ab", "entities": [[0, 1, " "]]},
            {},
            "expected an entity with a label, got {'start': 0, 'end': 1, 'label': ' '}",
        ),
        (
            {"text": "ab", "entities": [{"start": 0, "end": 1}]},
            {},
            "expected an entity with a label, got {'start': 0, 'end': 1}",
        ),
        (
            {"text": "ab", "entities": [[0, 3, "X"]]},
            {"strict": True},
            "expected spans that fit the text, got X 0..3 in a text of 2 characters",
        ),
        (
            {"tokenized_text": "ab", "ner": []},
            {},
            "expected tokenized_text to be a list of strings, got 'ab'",
        ),
        (
            {"tokenized_text": ["ab"], "ner": {"X": 0}},
            {},
            "expected a list of ner, got {'X': 0}",
        ),
        (
            {"tokenized_text": ["ab"], "ner": [[0, "X"]]},
            {},
            "expected an entity as [first word, last word, label], got [0, 'X']",
        ),
        (
            {"tokenized_text": ["ab"], "ner": [[0, True, "X"]]},
            {},
            "expected an entity as [first word, last word, label], got [0, True, 'X']",
        ),
        (
            {"tokenized_text": ["ab"], "ner": [[0, 0, " "]]},
            {},
            "expected an entity with a label, got {'start': 0, 'end': 2, 'label': ' '}",
        ),
        (
            {"tokenized_text": ["ab"], "ner": [[0, 1, "X"]]},
            {"strict": True},
            "expected spans that fit the text, got X 3..3 in a text of 2 characters",
        ),
        (
            {"text": "a\ud83d"},
            {},
            "expected whole characters, got half of one, U+D83D, at character 1",
        ),
    ],
)
def test_records(tmp_path, record, settings, message):
    content = json.dumps(record)
    assert (
        message_for(tmp_path / "a.jsonl", f'\n{{"text": ""}}\n{content}', **settings)
        == f":3: {message}"
    )
    assert (
        message_for(tmp_path / "a.json", f'[{{"text": ""}}, {content}]', **settings)
        == f"[1]: {message}"
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", '{"text": "a"}\n{"text": }', ":2:10: not valid JSON: expecting value"),
        ("a.jsonl", '[\n{"text": "a"}\n]', ":1:2: not valid JSON: expecting value"),
        ("a.json", '[\n  {"text": "a"\n]', ":3:1: not valid JSON: expecting ',' delimiter"),
        ("a.json", '{"text": "a"}\n{"text": "b"', ":2:13: not valid JSON: expecting ',' delimiter"),
        ("a.json", "", ":1:1: not valid JSON: expecting value"),
        (
            "a.jsonl",
            b'{"text": "a"}\n{"text": "\xff"}',
            f":2: expected text in utf-8, got the byte 0xff; {ENCODING}",
        ),
    ],
)
def test_json(tmp_path, name, content, message):
    assert message_for(tmp_path / name, content) == message


def test_json_that_python_cannot_hold(tmp_path):
    deep, long = "[" * 100_000, '{"id": ' + "1" * 5000 + "}"
    for content, message in ((deep, "1:501: not valid JSON: nested more than 500 deep"),
                             (long,
                              "1:8: not valid JSON: a whole number of more than 4300 "
                              "digits")):  # fmt: skip
        assert (
            message_for(tmp_path / "a.jsonl", f'{{"text": "[[["}}\n\n{content}')
            == f":{int(message[0]) + 2}{message[1:]}"
        )
        assert message_for(tmp_path / "a.json", content) == f":{message}"


@pytest.mark.parametrize(
    ("annotations", "settings", "message"),
    [
        (
            "T1\tX 0 1\ta\nT2 X 0 1\ta\n",
            {},
            ":2: expected an annotation such as T1<TAB>PER 0 5<TAB>Alice, got 'T2 X 0 1\\ta'",
        ),
        (
            "T1\tX 0 b\ta\n",
            {},
            ":1: expected an annotation such as T1<TAB>PER 0 5<TAB>Alice, got 'T1\\tX 0 b\\ta'",
        ),
        (
            "Z1\tX 0 1\ta\n",
            {},
            ":1: expected an annotation such as T1<TAB>PER 0 5<TAB>Alice, got 'Z1\\tX 0 1\\ta'",
        ),
        (
            "\nT1\tX 0 2\ta\n",
            {"strict": True},
            ":2: expected a span that fits the text, got X 0..2, which is 'ab', not 'a'",
        ),
        (
            "T1\tX 2 4\ta\n",
            {"strict": True},
            ":1: expected a span that fits the text, got X 2..4 in a text of 3 characters",
        ),
    ],
)
def test_brat(tmp_path, annotations, settings, message):
    (tmp_path / "a.txt").write_text("abc")
    assert message_for(tmp_path / "a.ann", annotations, **settings) == message


def test_paths(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "lonely").mkdir()
    (tmp_path / "lonely" / "a.ann").write_text("")
    (tmp_path / "file.conll").write_text("")
    expected = {
        "nothing": ("nothing: no such file or folder", {}),
        "empty": (
            "empty: expected a folder of BRAT files (.txt and .ann), of files such as .conll, or "
            "a dataset that Hugging Face's save_to_disk wrote",
            {},
        ),
        "lonely": ("lonely/a.ann: expected its text in a.txt beside it, found no such file", {}),
        "lonely/a.ann": (
            "lonely/a.ann: expected its text in a.txt beside it, found no such file",
            {},
        ),
        "file.conll": (
            "file.conll: expected the folder of a saved Hugging Face dataset, got a file",
            {"format": "datasets"},
        ),
        "empty/": ("empty: cannot be read: Is a directory", {"format": "columns"}),
    }
    for name, (message, settings) in expected.items():
        with pytest.raises(DataError) as caught:
            list(read_documents(tmp_path / name, ReadSettings(**settings), Ledger()))
        assert str(caught.value).removeprefix(str(tmp_path)).removeprefix("/") == message


def test_an_unknown_encoding_is_a_setting_to_mend(tmp_path):
    (tmp_path / "a.jsonl").write_text("")
    for format in ("jsonl", "json", "columns"):
        with pytest.raises(ConfigError, match=r"^encoding: there is no encoding 'utf-9'$"):
            list(
                read_documents(
                    tmp_path / "a.jsonl", ReadSettings(format=format, encoding="utf-9"), Ledger()
                )
            )
