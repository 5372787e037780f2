"""A dev split without entities: what a training says of it."""

from __future__ import annotations

import io
import logging

import pytest
import tiny
from rich.console import Console

from tfner.config import RunSettings
from tfner.training.run_inputs import load_run_inputs
from tfner.training.state.run_folder import RunFolder

WHY = "expected entities, found none in 2 documents: its F1 is 0 in every epoch"


@pytest.fixture
def warnings_of(tmp_path, monkeypatch, caplog):
    """Give a function that loads the inputs of a run with such a dev split, and what they say."""
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.WARNING, "tfner")
    (tmp_path / "train.conll").write_text("anna B-PER\n\nboris B-PER\n")
    (tmp_path / "plain.conll").write_text("oslo O\n\nlima O\n")
    (tmp_path / "one.conll").write_text("oslo O\n\nclara B-PER\n")

    def load(**data: str) -> list[str]:
        caplog.clear()
        values = {"name": "mine", "data": {"train": "train.conll", **data}}
        values["encoder"] = {"checkpoint": str(tiny.checkpoint()), "max_length": 16, "overlap": 4}
        settings = RunSettings.model_validate(values)
        quiet = Console(file=io.StringIO())
        load_run_inputs(settings, RunFolder(settings.run_dir), quiet, overwrite=True)
        return caplog.messages

    return load


def test_a_dev_split_without_entities_is_said_by_its_name(warnings_of):
    assert warnings_of(dev="plain.conll") == [f"data.dev: plain.conll: {WHY}"]


def test_where_dev_has_an_entity_or_there_is_none_nothing_is_said(warnings_of):
    assert warnings_of(dev="one.conll") == []
    assert warnings_of(test="plain.conll") == []
    assert warnings_of() == []
