"""Hugging Face datasets: saved ones are read for real, the hub is stood in for."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest

from tfner.corpus.ledger import Ledger
from tfner.exceptions import DataError, MissingExtraError
from tfner.formats import read_documents
from tfner.formats.settings import ReadSettings

ROWS = {"id": ["x", "y"], "tokens": [["Ada", "met"], ["Babbage"]], "ner_tags": [[1, 0], [1]]}


@pytest.fixture
def datasets():
    return pytest.importorskip("datasets", reason="the extra hub is not installed")


def make_dataset(datasets, rows=ROWS):
    names = datasets.ClassLabel(names=["O", "B-PER"])
    features = {
        "id": datasets.Value("string"),
        "tokens": datasets.Sequence(datasets.Value("string")),
        "ner_tags": datasets.Sequence(names),
    }
    return datasets.Dataset.from_dict(rows, datasets.Features(features))


def read(source, **settings):
    return list(read_documents(source, ReadSettings(**settings), Ledger()))


def check(documents):
    assert [(document.text, document.id) for document in documents] == [
        ("Ada met", "x"),
        ("Babbage", "y"),
    ]
    assert [[entity.key for entity in document.entities] for document in documents] == [
        [(0, 3, "PER")],
        [(0, 7, "PER")],
    ]


def test_a_saved_dataset_names_its_classes(datasets, tmp_path):
    make_dataset(datasets).save_to_disk(str(tmp_path / "one"))
    check(read(tmp_path / "one"))
    check(read(str(tmp_path / "one"), format="datasets"))


def test_one_split_of_a_saved_dataset_is_read(datasets, tmp_path):
    dataset = make_dataset(datasets)
    datasets.DatasetDict({"train": dataset}).save_to_disk(str(tmp_path / "one"))
    datasets.DatasetDict({"train": dataset, "dev": dataset}).save_to_disk(str(tmp_path / "two"))
    check(read(tmp_path / "one"))
    check(read(tmp_path / "two" / "dev"))
    with pytest.raises(DataError) as caught:
        read(tmp_path / "two")
    assert (
        str(caught.value)
        == f"{tmp_path}/two: expected one split, got train, dev; name the folder of one, such as "
        f"{tmp_path}/two/train"
    )


def test_a_class_without_a_name_is_refused(datasets, tmp_path):
    make_dataset(datasets, {**ROWS, "ner_tags": [[1, 0], [-1]]}).save_to_disk(str(tmp_path / "one"))
    with pytest.raises(DataError) as caught:
        read(tmp_path / "one")
    assert str(caught.value) == f"{tmp_path}/one[1]: expected classes in 0..1 in ner_tags, got -1"


def stand_in(monkeypatch, load_dataset) -> None:
    module = ModuleType("datasets")
    module.load_dataset = load_dataset
    monkeypatch.setitem(sys.modules, "datasets", module)


class Rows(list):
    """The part of datasets.Dataset that is used here: rows, and features with names."""

    features = SimpleNamespace(get={"ner_tags": [SimpleNamespace(names=["O", "B-PER"])]}.get)


@pytest.mark.parametrize(
    ("source", "split"), [("hub:user/name", "train"), ("hub:name:test", "test")]
)
def test_the_hub_is_asked_for_a_name_and_a_split(monkeypatch, source, split):
    asked = []

    def load_dataset(name, *, split):
        asked.append((name, split))
        return Rows({key: values[i] for key, values in ROWS.items()} for i in range(2))

    stand_in(monkeypatch, load_dataset)
    check(read(source))
    assert asked == [(source.split(":")[1], split)]


def test_what_the_hub_cannot_give_is_a_data_error(monkeypatch):
    def load_dataset(name, *, split):
        raise FileNotFoundError(f"no dataset\n {name}")

    stand_in(monkeypatch, load_dataset)
    with pytest.raises(DataError) as caught:
        read("hub:none")
    assert str(caught.value) == "hub:none: cannot be read as a dataset: no dataset none"
    with pytest.raises(DataError, match=r"^hub:: expected hub:NAME or hub:NAME:SPLIT$"):
        read("hub:")


def test_without_the_extra_the_install_line_is_given(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError) as caught:
        read("hub:user/name")
    assert (
        str(caught.value)
        == "reading hub:user/name needs the package datasets, which is not installed: pip install "
        "'tfner[hub]'"
    )
