"""Whether sentences of a document are read together, where the training data decide it."""

from __future__ import annotations

import io
import logging

import pytest
import tiny
import yaml
from rich.console import Console

from tfner.config import RunSettings
from tfner.corpus.context import CHARACTERS, usual_context
from tfner.documents import Document
from tfner.training.run_inputs import RunInputs, load_run_inputs
from tfner.training.state.run_folder import RunFolder

SENTENCE = "anna B-PER\nmet O\nboris B-PER\n\n"
BORDER = "-DOCSTART- O\n\n"
DOCUMENTS = (BORDER + SENTENCE * 3) * 4


def settings_of(**data: str) -> RunSettings:
    values = {"name": "mine", "data": {"train": "train.conll", **data}}
    values["encoder"] = {"checkpoint": str(tiny.checkpoint()), "max_length": 16, "overlap": 4}
    return RunSettings.model_validate(values)


def begin(settings: RunSettings, *, overwrite: bool = False) -> RunInputs:
    """Load the inputs of a run, which makes its folder."""
    folder = RunFolder(settings.run_dir)
    if not overwrite:
        settings = folder.keep_former_defaults(settings)
    quiet = Console(file=io.StringIO())
    return load_run_inputs(settings, folder, quiet, overwrite=overwrite)


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Give a function that writes the training data."""
    monkeypatch.chdir(tmp_path)
    return (tmp_path / "train.conll").write_text


def test_documents_are_named_where_half_of_the_sentences_follow_one_of_theirs():
    def sentences(groups):
        return [Document("Mara left.", group=group.strip()) for group in groups]

    for groups in ("aabb", "aaabbc", "aabb" * 9, "  aaabbb"):
        assert usual_context(sentences(groups)) == "document", groups
    for groups in ("", "    ", "aaaa", "abcd", "aabbc", "abab", "   aabb", "aabc"):
        assert usual_context(sentences(groups)) == "none", groups


def test_one_long_document_stays_one():
    text = "x" * (CHARACTERS // 4)
    assert usual_context([Document(text, group="a")] * 20) == "none"


@pytest.mark.parametrize(
    ("text", "expected"),
    [(DOCUMENTS, "document"), (SENTENCE * 12, "none"), (BORDER + SENTENCE * 12, "none")],
)
def test_the_training_data_decide_and_the_run_writes_it_down(write, text, expected):
    write(text)
    inputs = begin(settings_of())
    assert inputs.settings.data.context == expected
    assert (inputs.corpora["train"].passages is not None) == (expected == "document")
    config = yaml.safe_load(inputs.folder.config.read_text())
    assert config["data"]["context"] == expected


@pytest.mark.parametrize(("context", "text"), [("none", DOCUMENTS), ("document", SENTENCE * 12)])
def test_what_is_said_is_done(write, context, text):
    write(text)
    assert begin(settings_of(context=context)).settings.data.context == context


def test_it_is_said_once_how_text_is_read(write, caplog):
    caplog.set_level(logging.INFO, "tfner")
    write(DOCUMENTS)
    begin(settings_of())
    assert caplog.messages == ["sentences of a document will be read together, raw text as it is"]


@pytest.mark.parametrize(("before", "after"), [(DOCUMENTS, SENTENCE), (SENTENCE * 2, DOCUMENTS)])
def test_a_run_goes_on_as_it_began(write, before, after):
    write(before)
    began = begin(settings_of()).settings.data.context
    write(after)
    again = begin(settings_of())
    assert again.settings.data.context == began
    again.folder.check_same(again.settings)
    anew = begin(settings_of(), overwrite=True)
    assert anew.settings.data.context != began


def test_a_run_of_an_earlier_version_reads_sentences_alone(write):
    write(DOCUMENTS)
    folder = begin(settings_of()).folder
    values = yaml.safe_load(folder.config.read_text())
    del values["data"]["context"]
    folder.config.write_text(yaml.safe_dump(values))
    assert RunFolder(folder.path).settings.data.context == "none"
    assert begin(settings_of()).settings.data.context == "none"
