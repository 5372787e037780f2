"""Readers, writers and checkpoints: any bytes are read or refused by name.

What once failed does not any more.
"""

from __future__ import annotations

import json
import struct
from dataclasses import replace

import pytest
import reader_targets
from hypothesis import given, settings
from hypothesis import strategies as st
from near_valid import any_bytes
from seeds import KEYS
from targets import READERS, Target, load
from trimmed import trimmed

from tfner.corpus.ledger import Ledger
from tfner.documents import Document
from tfner.exceptions import DataError
from tfner.formats import read_documents
from tfner.formats.settings import ReadSettings
from tfner.formats.writers import open_writer

WORD = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\t\r\n"), min_size=1, max_size=5
).filter(lambda word: not word.startswith(("#", "-DOCSTART-", "\ufeff")) and word.strip(" "))
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=3)
)
STUDIO_TASK = '{{"data":{{"text":"a"}},"completions":[{{"result":[{}]}}]}}'
LABEL = st.sampled_from(
    ["PER", "creative-work", "two words", "人名", "<b>", "--strict", "..", "-", "O"]
)


@pytest.fixture(scope="module", autouse=True)
def _leave_nothing():
    yield
    reader_targets.clean_up()


@pytest.fixture(scope="module", params=READERS)
def target(request) -> Target:
    if request.param in ("datasets", "parquet", "arrow"):
        pytest.importorskip("datasets", reason="the extra hub is not installed")
    if request.param == "docbin":
        pytest.importorskip("spacy", reason="the extra spacy is not installed")
    return load(request.param)


def test_what_the_fuzzer_begins_from_holds(target):
    assert len(target.seeds) > 2
    for seed in target.seeds:
        target.check(seed)


@settings(max_examples=60)
@given(st.data())
def test_any_bytes_and_bytes_that_are_nearly_right_are_read_or_refused(target, data):
    target.check(data.draw(any_bytes(target.seeds, target.words)))


def with_settings(content: bytes | str, **wanted) -> bytes:
    """Content behind the byte that stands for settings with these values."""
    known = enumerate(reader_targets.all_settings())
    number = next(
        number
        for number, settings in known
        if all(getattr(settings, name) == value for name, value in wanted.items())
    )
    return bytes([number]) + (content.encode() if isinstance(content, str) else content)


def state(**changed) -> bytes:
    """A saved dataset whose state.json says something else."""
    usual = dict.fromkeys(("_format_columns", "_format_type", "_split"))
    files = [{"filename": "data-00000-of-00001.arrow"}]
    content = {
        **usual,
        "_data_files": files,
        "_fingerprint": "f",
        "_format_kwargs": {},
        "_output_all_columns": False,
        **changed,
    }
    return bytes([0, 2]) + json.dumps(content).encode()


FAILED = {
    "an encoding of bytes, not of text": ("columns", with_settings("a O\n", encoding="hex")),
    "an encoding that reads nothing": ("jsonl", with_settings("{}", encoding="undefined")),
    "an encoding that cannot say what is wrong": (
        "jsonl",
        with_settings(b"{\xf8", encoding="idna"),
    ),
    "an encoding that raises IndexError inside": (
        "plain",
        with_settings("a-{\n", encoding="punycode"),
    ),
    "an encoding with NUL in its name": ("json", with_settings("[]", encoding="no\0ne")),
    "an encoding without a name, when counted": ("columns", with_settings("a O\n", encoding="")),
    "UTF-16 without its mark, in a stream": ("plain", with_settings("a\nb\n", encoding="utf-16")),
    "UTF-32 without its mark, in a stream": ("jsonl", with_settings("{}\n", encoding="utf-32")),
    "a label of white space in columns": ("columns", b"\0Paris\tB-\xe2\x80\xa8\nfell\tO\n"),
    "a label of white space in BRAT": ("brat", b"\0abc\0\0T1\t\xc2\xa0 0 1\ta\n"),
    "columns numbered by ranges alone": ("columns", b"\x001-2\tdu\tO\n3-4\tau\tO\n"),
    "a saved dataset without a key": (
        "datasets",
        bytes([0, 2]) + b'{"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}',
    ),
    "a saved dataset whose state is a list": ("datasets", bytes([0, 2]) + b"[]"),
    "a saved dataset of a kind that the library does not know": (
        "datasets",
        state(_format_type="a" * 3000),
    ),
    "a saved dataset that shows none of its columns": ("datasets", state(_format_columns=[])),
    "half a character in a label": ("jsonl", b'\0{"text": "ab", "entities": [[0, 1, "\\ud83d"]]}'),
    "half a character in a tag": ("json", b'\0[{"tokens": ["ab"], "tags": ["B-\\ud83d"]}]'),
    "an offset that is megabytes of something else": (
        "jsonl",
        b'\0{"text": "ab", "entities": [["' + b"a" * 5000 + b'", 1, "X"]]}',
    ),
    "an entity of a line end written as BRAT": ("writers", b"\n \n\0\0\0\0\0\0\0"),
}


@pytest.mark.parametrize("name", FAILED)
def test_what_once_failed_holds(name):
    target, data = FAILED[name]
    if target == "datasets":
        pytest.importorskip("datasets", reason="the extra hub is not installed")
    load(target).check(data)


@pytest.mark.parametrize("offset", [2**30, -1, 3])
def test_values_outside_of_a_saved_datasets_file_do_not_end_the_process(offset):
    pytest.importorskip("datasets", reason="the extra hub is not installed")
    target = load("datasets")
    name, intact = next(
        item for item in reader_targets.saved_dataset().items() if item[0].endswith(".arrow")
    )
    damaged = intact.replace(
        struct.pack("<3i", 0, 2, 3), struct.pack("<3i", 0, offset, 3)
    )  # where the tokens of the sentences begin
    assert damaged != intact
    target.check(bytes([0, 0]) + damaged)
    path = reader_targets.folder() / "saved"
    assert (path / name).read_bytes() == damaged
    if offset != 3:
        with pytest.raises(DataError, match="cannot be read as a dataset"):
            list(read_documents(path, ReadSettings(), Ledger()))


@pytest.mark.parametrize(
    "nested",
    ["[", '{"text":', '["a",{"a":', '{"text":"a","entities":[{"start":', '{"tokens":[{"start":'],
)
@pytest.mark.parametrize(
    "around", ["{}", '{{"text":"a","group":{}}}', '{{"text":"a","answer":{}}}', STUDIO_TASK]
)
def test_json_of_any_depth_is_read_or_refused(nested, around):
    closing = "".join({"[": "]", "{": "}"}.get(character, "") for character in reversed(nested))
    for depth in (
        100,
        *range(440, 500),
        *range(880, 1000),
        5000,
    ):  # in levels, about where Python's parser gives up
        times = depth // len(closing)
        content = around.format(nested * times + "1" + closing * times)
        load("jsonl").check(b"\0" + content.encode())
        load("json").check(b"\0" + content.encode())


@given(
    st.lists(st.lists(st.tuples(WORD, st.none() | LABEL), min_size=1, max_size=5), min_size=1),
    st.sampled_from(["columns", "jsonl"]),
)
def test_documents_come_back_from_what_was_written(sentences, kind):
    spans = [
        [(place, place + 1, label) for place, (_, label) in enumerate(rows) if label]
        for rows in sentences
    ]
    documents = [
        Document.from_words([word for word, _ in rows], marks)
        for rows, marks in zip(sentences, spans, strict=True)
    ]
    path = reader_targets.folder() / "documents"
    with open_writer(kind, path) as writer:
        for document in documents:
            writer.write(document, document.entities)
    found = list(
        read_documents(
            path, ReadSettings(format=kind, separator="tab", scheme="IOB2"), ledger := Ledger()
        )
    )
    # JSON lines hold no words, so that blanks are trimmed inside of them too.
    kept = [trimmed(one if kind == "columns" else replace(one, words=None)) for one in documents]
    assert [(one.text, one.entities) for one in found] == [(one.text, one.entities) for one in kept]
    assert set(ledger.counts) <= {"trimmed_border", "vanished"}


@given(st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3), max_leaves=6))
def test_any_value_under_any_key_is_read_or_refused(value):
    for key in KEYS.split():
        load("jsonl").check(b"\0" + json.dumps({"text": "a b", key: value}).encode())
