"""Sentences are learned with their neighbours where the training data name documents."""

from __future__ import annotations

import io
import logging

import pytest
import tiny
import yaml
from rich.console import Console

from tfner.config import RunSettings
from tfner.corpus.context import CHARACTERS, names_documents
from tfner.documents import Document
from tfner.training.batches import make_batches
from tfner.training.run_inputs import RunInputs, load_run_inputs
from tfner.training.state.run_folder import RunFolder

SENTENCE = "anna B-PER\nmet O\nboris B-PER\n\n"
BORDER = "-DOCSTART- O\n\n"
DOCUMENTS = (BORDER + SENTENCE * 3) * 12
LINES = SENTENCE * 36


@pytest.fixture
def begin(tmp_path, monkeypatch):
    """Give a function that begins a run of such training data, which are dev as well."""
    monkeypatch.chdir(tmp_path)

    def load(text: str, **data: str) -> RunInputs:
        (tmp_path / "train.conll").write_text(text)
        values = {"name": "mine", "data": {"train": "train.conll", "dev": "train.conll", **data}}
        values["encoder"] = {"checkpoint": str(tiny.checkpoint()), "max_length": 16, "overlap": 4}
        folder = RunFolder(tmp_path / "runs" / "mine")
        settings = folder.keep_former_defaults(RunSettings.model_validate(values))
        return load_run_inputs(settings, folder, Console(file=io.StringIO()))

    return load


def test_documents_are_named_where_half_of_the_sentences_follow_one_of_theirs():
    def sentences(groups):
        return [Document("Mara left.", group=group.strip()) for group in groups]

    for groups in ("aabb", "aaabbc", "aabb" * 9, "  aaabbb"):
        assert names_documents(sentences(groups)), groups
    for groups in ("", "    ", "aaaa", "abcd", "aabbc", "abab", "   aabb", "aabc"):
        assert not names_documents(sentences(groups)), groups


def test_one_long_document_stays_one():
    text = "x" * (CHARACTERS // 4)
    assert not names_documents([Document(text, group="a")] * 20)


@pytest.mark.parametrize(
    ("context", "text", "learned", "read"),
    [
        ("training", DOCUMENTS, True, False),
        ("training", LINES, False, False),
        ("training", BORDER + LINES, False, False),
        ("none", DOCUMENTS, False, False),
        ("document", DOCUMENTS, True, True),
    ],
)
def test_what_is_learned_and_what_is_read_together(begin, context, text, learned, read):
    inputs = begin(text, context=context)
    train, dev = inputs.corpora["train"], inputs.corpora["dev"]
    assert train.is_joined == learned
    assert (train.input_ids.nrows() < len(train.pieces)) == learned
    assert dev.is_joined == read
    assert inputs.settings.reading_context == ("document" if read else "none")


def test_that_is_the_default_and_is_said(begin, caplog):
    caplog.set_level(logging.INFO, "tfner")
    assert begin(DOCUMENTS).settings.data.context == "training"
    assert caplog.messages[-2:] == [
        "data.train: names documents: sentences are learned with their neighbours too",
        "1.00 sentences in a training document, in the mean: raw text will be read sentence by "
        "sentence",
    ]


def test_updates_are_as_many_as_of_sentences_alone(begin):
    steps = {
        make_batches(begin(text, context=context)).steps_per_epoch
        for context, text in (("training", LINES), ("none", DOCUMENTS), ("training", DOCUMENTS))
    }
    assert steps == {2}


@pytest.mark.parametrize("written", ["none", None])
def test_a_run_of_an_earlier_version_learns_sentences_alone(begin, written):
    folder = begin(DOCUMENTS).folder
    values = yaml.safe_load(folder.config.read_text())
    values["data"]["context"] = written
    if written is None:
        del values["data"]["context"]
    folder.config.write_text(yaml.safe_dump(values))
    assert RunFolder(folder.path).settings.data.context == "none"
    again = begin(DOCUMENTS)
    assert not again.corpora["train"].is_joined
    RunFolder(folder.path).check_same(again.settings)
