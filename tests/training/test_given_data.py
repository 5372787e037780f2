"""`tfner.train` takes what a program holds: settings and data become those of a run over files."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny

import tfner
from tfner.config import RunSettings
from tfner.corpus.ledger import Ledger
from tfner.documents import Document, entity_at
from tfner.exceptions import ConfigError, DataError, StorageError
from tfner.formats import read_documents
from tfner.training.held_out import hold_out
from tfner.training.state.run_folder import RunFolder

BO = Document("Bo left", (entity_at("Bo left", 0, 2, "PER"),), id="bo", group="g")
OSLO = Document.from_words(["Oslo", "slept"], [(0, 1, "LOC")], id="oslo")
TRAIN = [BO, OSLO]


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """What a training would be given, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    asked = []
    keep = lambda settings, overwrite: asked.append(settings)  # noqa: E731
    monkeypatch.setattr(tfner.train, "carry_out", keep)
    return asked


def values(**data) -> dict:
    return {"name": "mine", "encoder": {"checkpoint": tiny.checkpoint()}, "data": data}


def read(settings: RunSettings, split: str = "train") -> list[Document]:
    source = getattr(settings.data, split)
    return list(read_documents(source, settings.data, Ledger()))


def test_documents_are_kept_in_a_file_that_a_run_reads(trained):
    tfner.train(values(), train=TRAIN, dev=iter([OSLO]))
    (settings,) = trained
    assert read(settings) == TRAIN
    assert read(settings, "dev") == [OSLO]
    assert Path(settings.data.train).parent == Path("runs/mine-data")
    assert settings.data.test is None


def test_settings_may_be_a_file_a_dict_or_settings(trained, tmp_path):
    given = values()
    tfner.train(given, "training.epochs=7", train=TRAIN)
    assert given == values()
    as_settings = tfner.Settings.model_validate({**values(), "encoder": {"checkpoint": "x"}})
    changed = f"encoder.checkpoint={tiny.checkpoint()}"
    tfner.train(as_settings, "training.epochs=7", changed, train=TRAIN)
    path = tmp_path / "run.yaml"
    path.write_text(f"name: mine\nencoder: {{checkpoint: {tiny.checkpoint()}}}\n")
    tfner.train(path, "training.epochs=7", train=TRAIN)
    first, second, third = trained
    assert first == second == third
    assert first.training.epochs == 7
    assert first.training.model_fields_set == second.training.model_fields_set == {"epochs"}


def test_a_share_and_the_names_of_files_are_taken_as_settings_take_them(trained, tmp_path):
    (tmp_path / "a.conll").write_text("Bo B-PER\n")
    tfner.train(values(dev="none.conll"), train=TRAIN, dev="50%", test=[Path("a.conll")])
    (settings,) = trained
    assert (settings.data.dev, settings.data.test) == ("50%", "a.conll")
    assert {split: len(each) for split, each in hold_out(settings).documents.items()} == {
        "train": 1,
        "dev": 1,
    }


def test_other_data_make_another_run_of_the_same_name(trained, tmp_path):
    tfner.train(values(), train=TRAIN)
    tfner.train(values(), train=list(TRAIN))
    tfner.train(values(), train=[BO])
    first, again, other = trained
    assert first == again
    run = RunFolder(first.run_dir)
    run.path.mkdir(parents=True)
    run.config.write_text(first.to_yaml())
    with pytest.raises(ConfigError, match=r"holds a run with other settings \(data\.train: 'runs"):
        run.check_same(other)


def test_what_is_wrong_is_said_before_anything_is_written(trained, tmp_path):
    with pytest.raises(DataError, match=r"^dev\[1\]: expected a record with text or tokens"):
        tfner.train(values(), train=[BO], dev=[{"text": "a"}, {"test": "b"}])
    with pytest.raises(DataError, match=r"^train: expected documents, got none$"):
        tfner.train(values(), train=[])
    with pytest.raises(ConfigError, match=r"^settings: training\.epoks: unknown"):
        tfner.train({**values(), "training": {"epoks": 3}}, train=TRAIN)
    with pytest.raises(ConfigError, match=r"^settings: expected the path of a YAML file, a dict o"):
        tfner.train(5, train=TRAIN)
    with pytest.raises(ConfigError, match=r"^data\.dev: no such file or folder: none\.conll$"):
        tfner.train(values(dev="none.conll"), train=TRAIN)
    assert trained == []


def test_the_format_of_other_files_is_not_that_of_the_data(trained, tmp_path):
    (tmp_path / "a.conll").write_text("Bo B-PER\n")
    settings = values(dev="a.conll", format="columns")
    expected = "expected auto or jsonl beside data that a program gives, got columns"
    with pytest.raises(ConfigError, match=rf"^data\.format: {expected}$"):
        tfner.train(settings, train=TRAIN)
    tfner.train(settings, train=TRAIN, dev=[OSLO])
    assert (trained[0].data.format, read(trained[0])) == ("auto", TRAIN)


def test_a_folder_that_cannot_be_written_is_named(trained, tmp_path):
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(StorageError, match=r"^runs.*: cannot be written: "):
        tfner.train(values(), train=TRAIN)
