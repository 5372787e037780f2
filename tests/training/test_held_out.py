"""Dev and test that are shares of the training data: the same ones wherever they are asked for."""

from __future__ import annotations

import io
import json
import logging

import pytest
import searches
import tiny
import yaml
from command_line import CommandLine, refused
from rich.console import Console

import tfner.tune
from tfner.commands import inspect_data
from tfner.config import RunSettings, load_settings
from tfner.corpus.ledger import Ledger
from tfner.exceptions import ConfigError, DataError
from tfner.formats import read_documents
from tfner.formats.settings import ReadSettings
from tfner.training.held_out import hold_out, warn_shared
from tfner.training.run_inputs import load_run_inputs, read_splits
from tfner.training.state.run_folder import RunFolder
from tfner.training.thresholds import read_dev

WORDS = ["anna", "boris", "clara", "david", "oslo", "paris", "lima", "kiev", "bank", "house"]


def write_sentences(path, count: int, begin: int = 0) -> None:
    rows = []
    for number in range(begin, begin + count):
        name, other = WORDS[number % 10], WORDS[number // 10 % 10]
        rows.append(f"{name} B-PER\n{other} {'I-PER' if number % 3 else 'B-LOC'}\n{number} O\n")
    path.write_text("\n".join(rows), encoding="utf-8")


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_sentences(tmp_path / "train.conll", 60)
    return tmp_path


def values_for(**data) -> dict:
    encoder = {"checkpoint": str(tiny.checkpoint()), "max_length": 16, "overlap": 4}
    return {"name": "mine", "data": {"train": "train.conll", **data}, "encoder": encoder}


def settings_for(**data) -> RunSettings:
    return RunSettings.model_validate(values_for(**data))


def load(settings, **options):
    quiet = Console(file=io.StringIO())
    return load_run_inputs(settings, RunFolder(settings.run_dir), quiet, **options)


def texts_of(documents) -> list[str]:
    return [each.text for each in documents]


def read(source) -> list[str]:
    return texts_of(read_documents(source, ReadSettings(), Ledger()))


def test_a_run_writes_down_which_documents_went_where(home, caplog):
    caplog.set_level(logging.INFO)
    inputs = load(settings_for(dev="10%", test="5%"))
    documents = inputs.splits.documents
    assert {split: len(each) for split, each in documents.items()} == {
        "train": 51,
        "dev": 6,
        "test": 3,
    }
    everything = [text for each in documents.values() for text in texts_of(each)]
    assert sorted(everything) == sorted(read("train.conll"))
    record = json.loads((home / "runs/mine/splits.json").read_text())
    ids = [each.id for each in documents["dev"]]
    assert [id for _, id in record["splits"]["dev"]] == ids
    for split in documents:
        assert read(f"run:runs/mine:{split}") == texts_of(documents[split])
    assert "data.dev: 10% of data.train: 6 of 60 documents, 8 of 80 entities" in caplog.messages
    environment = json.loads((home / "runs/mine/environment.json").read_text())["data"]["dev"]
    assert (environment["source"], environment["documents"]) == ("10%", 6)
    assert "are in data.train too" not in caplog.text


def test_the_same_seed_gives_the_same_split_and_another_another(home):
    def dev_of(seed: int) -> list[str]:
        settings = settings_for(dev="10%").model_copy(update={"seed": seed, "name": f"run{seed}"})
        return texts_of(read_splits(settings).documents["dev"])

    assert dev_of(1) == dev_of(1)
    assert dev_of(1) != dev_of(2)


def test_a_run_that_goes_on_has_the_split_of_its_record(home, monkeypatch):
    """Even if this version would draw another one."""
    settings = settings_for(dev="10%")
    before = texts_of(load(settings).splits.documents["dev"])

    def draw_others(documents, shares, seed):
        numbers = list(range(len(documents)))
        return {"train": numbers[3:], "dev": numbers[:3]}

    monkeypatch.setattr("tfner.training.held_out.split_documents", draw_others)
    assert texts_of(load(settings).splits.documents["dev"]) == before
    begun_again = load(settings, overwrite=True)
    assert texts_of(begun_again.splits.documents["dev"]) == read("train.conll")[:3]
    assert read("run:runs/mine:dev") == read("train.conll")[:3]


def test_thresholds_are_chosen_on_the_dev_of_the_record(home, caplog):
    settings = settings_for(dev="10%")
    held = load(settings).splits.documents["dev"]
    assert read_dev(RunFolder(settings.run_dir), settings) == held
    text = (home / "train.conll").read_text().replace("I-PER", "B-LOC")
    (home / "train.conll").write_text(text)
    assert texts_of(read_dev(RunFolder(settings.run_dir), settings)) == texts_of(held)
    assert "data.dev: 10% is not what it was when the run was last started" in caplog.messages


def test_a_run_does_not_go_on_with_other_texts(home):
    settings = settings_for(dev="10%")
    load(settings)
    write_sentences(home / "train.conll", 59)
    with pytest.raises(DataError, match=r"^runs/mine/splits\.json: expected the 60 documents"):
        load(settings)
    assert len(load(settings, overwrite=True).splits.documents["train"]) == 53


def test_what_was_dropped_stands_in_the_ledger_of_its_own_split(home):
    text = (home / "train.conll").read_text().replace("clara B-PER", "clara I-PER", 6)
    (home / "train.conll").write_text(text)
    ledgers = read_splits(settings_for(dev="50%")).ledgers
    dropped = {split: ledger.counts.get("repaired", 0) for split, ledger in ledgers.items()}
    assert sum(dropped.values()) == 6
    division = hold_out(settings_for(dev="50%"))
    for split, ledger in division.ledgers.items():
        lines = {int(entry.where.rpartition(":")[2]) for entry in ledger.entries}
        own = {int(each.id.rpartition(":")[2]) for each in division.documents[split]}
        assert all(any(begin <= line < begin + 4 for begin in own) for line in lines)


def test_groups_that_are_too_large_are_said(home, caplog):
    for name in ("a", "b"):
        write_sentences(home / f"{name}.conll", 30, begin=30 * (name == "b"))
    records = [
        json.dumps({"text": text, "group": group, "entities": [[0, 1, "PER"]]})
        for group in "ab"
        for text in read(f"{group}.conll")
    ]
    (home / "train.jsonl").write_text("\n".join(records))
    hold_out(settings_for(train="train.jsonl", dev="10%"))
    assert caplog.messages == [
        "data.dev: 10% of data.train: 30 of 60 documents, 30 of 60 entities, which is 50.0%: "
        "documents of one group or text stay together"
    ]


def test_one_document_cannot_be_divided(home):
    write_sentences(home / "train.conll", 1)
    with pytest.raises(DataError) as caught:
        read_splits(settings_for(dev="10%"))
    expected = "expected at least 2 groups or texts, one for each split, got 1 in 1 documents"
    assert str(caught.value) == f"train.conll: cannot be divided into train, dev: {expected}"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"dev": "0%"}, "data.dev: expected more than 0% and less than 100%, got 0%"),
        ({"dev": "100%"}, "data.dev: expected more than 0% and less than 100%, got 100%"),
        (
            {"dev": "60%", "test": "50 %"},
            "data.dev, data.test: expected less than 100% of data.train together, got 110%",
        ),
        ({"train": "10%"}, "data.train: expected documents, got a share of them: 10%"),
        (
            {"train": None, "dev": "10%"},
            "data.dev: 10%: expected data.train, of which it is a share, got none",
        ),
        (
            {"train": "prepared:x", "dev": "10%"},
            "data.dev: 10%: expected documents in data.train, to take a share of, got prepared:x",
        ),
        (
            {"dev": ["10%", "a.conll"]},
            "data.dev: expected a share of the training data alone, or documents, got 10%, a.conll",
        ),
    ],
)
def test_a_share_that_cannot_be_taken_says_why(home, data, message):
    (home / "run.yaml").write_text(yaml.safe_dump(values_for(**data)))
    with pytest.raises(ConfigError) as caught:
        load_settings("run.yaml")
    assert str(caught.value).removeprefix("run.yaml: ") == message


def test_data_are_not_prepared_whole_where_dev_is_a_share_of_them(home, capsys, monkeypatch):
    (home / "run.yaml").write_text(yaml.safe_dump(values_for(dev="10%")))
    line = CommandLine(capsys, monkeypatch)
    why = "expected another source, as data.train is prepared whole"
    refused(line("prepare", "run.yaml", "--to", "out"), f"data.dev: {why}, got a share of it")


def test_the_trials_of_a_search_share_one_split_and_none_learns_test(home, capsys, monkeypatch):
    space = {"space": {"training.learning_rate": {"low": 5e-5, "high": 5e-4, "log": True}}}
    values = {**values_for(dev="10%", test="10%"), "tune": space}
    values["training"] = {"learning_rate": 3e-5}
    (home / "run.yaml").write_text(yaml.safe_dump(values))
    stub = searches.Stub()

    def train(settings, observe):
        return stub(settings, observe)

    monkeypatch.setattr(tfner.tune, "train_with_tensorflow", train)
    line = CommandLine(capsys, monkeypatch)
    assert line("tune", "run.yaml", "--trials", 2).code == 0
    held = hold_out(load_settings("run.yaml", ["tune=null"])).documents
    for settings in stub.asked:
        assert settings.data.test is None
        assert read(settings.data.train) == texts_of(held["train"])
        assert read(settings.data.dev) == texts_of(held["dev"])
    assert load_settings("runs/mine-tune/best.yaml").data.dev == "10%"


def test_inspect_shows_the_splits_of_a_run(home):
    settings = settings_for(dev="10%", test="5%")
    sources = {name: getattr(settings.data, name) for name in ("train", "dev", "test")}
    report, _ = inspect_data(sources, settings.data, str(tiny.checkpoint()), settings)
    documents = {split: each.documents for split, each in report.statistics.splits.items()}
    assert documents == {"train": 51, "dev": 6, "test": 3}


def test_data_that_are_learned_and_scored_are_said(home, caplog):
    write_sentences(home / "dev.conll", 5, begin=58)
    load(settings_for(dev="dev.conll", test="train.conll"))
    assert caplog.messages == [
        "data.dev: 2 of 5 documents are in data.train too, word for word "
        "(python -m tfner.inspect names them)",
        "data.test: train.conll: the same source as data.train, so its score is that of memory",
    ]


def test_texts_of_blanks_are_not_shared(caplog):
    from tfner.documents import Document

    blank = {"train": [Document(" ")], "dev": [Document(" ")]}
    warn_shared(settings_for(dev="dev.conll").data, blank)
    assert caplog.messages == []
