"""Parquet and Arrow files, as pandas, pyarrow and datasets write them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tfner.corpus.ledger import Ledger
from tfner.documents import Document
from tfner.exceptions import DataError, MissingExtraError
from tfner.formats import read_documents
from tfner.formats.reading import read_unmarked
from tfner.formats.settings import ReadSettings

pyarrow = pytest.importorskip("pyarrow", reason="the extra hub is not installed")

MARKS = [[{"start": 0, "end": 3, "label": "PER"}], [{"start": 0, "end": 7, "label": "PER"}]]
TEXTS = {"id": ["x", "y"], "text": ["Ada met", "Babbage"], "entities": MARKS}
TAGS = {
    "id": ["x", "y"],
    "tokens": [["Ada", "met"], ["Babbage"]],
    "ner_tags": [["B-PER", "O"], ["B-PER"]],
}
NUMBERED = {**TAGS, "ner_tags": [[1, 0], [1]]}
NAMES = {"feature": {"names": ["O", "B-PER"], "_type": "ClassLabel"}, "_type": "List"}
EXPECTED = [("Ada met", "x", [(0, 3, "PER")]), ("Babbage", "y", [(0, 7, "PER")])]
SUFFIXES = (".parquet", ".arrow", ".stream.arrow", ".feather")


def write(path: Path, columns: dict, feature: object = None) -> Path:
    table = pyarrow.table(columns)
    if feature is not None:
        about = {"info": {"features": {"ner_tags": feature}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(about)})
    if path.suffix == ".parquet":
        from pyarrow import parquet

        parquet.write_table(table, path, row_group_size=1)
    elif path.suffix == ".feather":
        from pyarrow import feather

        feather.write_feather(table, str(path))
    else:
        new = pyarrow.ipc.new_stream if ".stream" in path.suffixes else pyarrow.ipc.new_file
        with new(str(path), table.schema) as writer:
            writer.write_table(table, max_chunksize=1)
    return path


def read(path: Path, **settings) -> list[Document]:
    return list(read_documents(path, ReadSettings(**settings), Ledger()))


def says(documents: list[Document]) -> list[tuple]:
    return [
        (document.text, document.id, [entity.key for entity in document.entities])
        for document in documents
    ]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_shapes_of_json_are_read_from_tables(tmp_path, suffix):
    assert says(read(write(tmp_path / f"spans{suffix}", TEXTS))) == EXPECTED
    tagged = read(write(tmp_path / f"tags{suffix}", TAGS))
    assert says(tagged) == EXPECTED
    assert tagged[0].words == ((0, 3), (4, 7))
    named = write(tmp_path / f"named{suffix}", NUMBERED, NAMES)
    assert read(named) == tagged
    unmarked = list(read_unmarked(named, ReadSettings()))
    assert [document.text for document in unmarked] == ["Ada met", "Babbage"]


def test_rows_without_an_id_are_numbered(tmp_path):
    path = write(tmp_path / "a.parquet", {"text": ["a", "b"]})
    assert [document.id for document in read(path)] == ["a.parquet[0]", "a.parquet[1]"]


def test_what_datasets_writes_is_read(tmp_path):
    datasets = pytest.importorskip("datasets", reason="the extra hub is not installed")
    strings, names = datasets.Value("string"), datasets.ClassLabel(names=["O", "B-PER"])
    features = {"id": strings, "tokens": [strings], "ner_tags": [names]}
    datasets.disable_progress_bars()
    dataset = datasets.Dataset.from_dict(NUMBERED, datasets.Features(features))
    dataset.to_parquet(str(tmp_path / "a.parquet"))
    dataset.save_to_disk(str(tmp_path / "saved"))
    (saved,) = (tmp_path / "saved").glob("*.arrow")
    assert says(read(tmp_path / "a.parquet")) == says(read(saved)) == EXPECTED


def test_many_batches_are_read_one_after_the_other(tmp_path):
    words = [f"word {number}" for number in range(2500)]
    for suffix in SUFFIXES:
        path = write(tmp_path / f"a{suffix}", {"text": words})
        assert [document.text for document in read(path)] == words


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("columns", "feature", "message"),
    [
        ({"n": [1]}, None, "[0]: expected a record with text or tokens, got the keys n"),
        (
            {**TAGS, "ner_tags": [["B-PER"], ["O"]]},
            None,
            "[0]: expected as many ner_tags as tokens, got 1 and 2",
        ),
        (
            NUMBERED,
            None,
            "[0]: expected tags such as B-PER in ner_tags, got [1, 0]: this file does not say what "
            "they mean; write names, or read the dataset itself, saved in a folder or as hub:NAME",
        ),
        (
            {**TAGS, "ner_tags": [[1, 0], [2]]},
            NAMES,
            "[1]: expected classes in 0..1 in ner_tags, got 2",
        ),
        (TAGS, NAMES, "[0]: expected classes in 0..1 in ner_tags, got 'B-PER'"),
        (
            {**TAGS, "ner_tags": [1, 0]},
            NAMES,
            "[0]: expected a list of classes in 0..1 in ner_tags, got 1",
        ),
    ],
)
def test_bad_tables(tmp_path, suffix, columns, feature, message):
    path = write(tmp_path / f"a{suffix}", columns, feature)
    with pytest.raises(DataError) as caught:
        read(path)
    assert str(caught.value) == f"{path}{message}"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_damaged_files_are_refused_by_name(tmp_path, suffix):
    path = write(tmp_path / f"a{suffix}", TEXTS)
    whole = path.read_bytes()
    for content in (b"", b"not a table", whole[: len(whole) // 2], whole[:9]):
        path.write_bytes(content)
        with pytest.raises(DataError) as caught:
            read(path)
        assert str(caught.value).startswith(f"{path}: cannot be read as a table: ")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("metadata", ["", "{", "[]", '{"info": 1}', '{"info": {"features": [1]}}'])
def test_what_else_stands_in_a_schema_is_passed_over(tmp_path, metadata):
    table = pyarrow.table(TAGS).replace_schema_metadata({"huggingface": metadata})
    with pyarrow.ipc.new_file(str(tmp_path / "a.arrow"), table.schema) as writer:
        writer.write_table(table)
    assert says(read(tmp_path / "a.arrow")) == EXPECTED


def test_a_folder_and_a_missing_package_are_said(tmp_path, monkeypatch):
    path = write(tmp_path / "a.parquet", TEXTS)
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match=r"folder: expected a file, got a folder$"):
        read(tmp_path / "folder", format="parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"a\.parquet.*tfner\[hub\]"):
        read(path)
