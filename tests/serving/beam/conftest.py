"""Fixtures of the tests of Beam: a model that is loaded already, and small blocks."""

from __future__ import annotations

import functools

import pytest
import tiny

from tfner.serving.runtime import recognizer as recognizer_module
from tfner.serving.runtime import saved_model
from tfner.serving.runtime.saved_model import load_recognizer


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(recognizer_module, "DOCUMENTS_IN_BLOCK", 12)
    monkeypatch.setattr(recognizer_module, "CHARACTERS_IN_BLOCK", 3000)
    monkeypatch.setattr("tfner.serving.beam.marking.BLOCKS_IN_FILE", 3)


@pytest.fixture(autouse=True)
def model_in_hand(request, monkeypatch, caplog):
    """Loading takes longer than most tests here; those of the loading itself ask for `loads`."""
    caplog.set_level("CRITICAL", logger="apache_beam")
    if "loads" not in request.fixturenames:
        model = tiny.loaded()
        monkeypatch.setattr(saved_model, "load_recognizer", lambda path: model)


@pytest.fixture
def loads(monkeypatch):
    """Collect the folders that models are loaded from; the first is, and serves for all."""
    folders = []
    load = functools.cache(lambda: load_recognizer(folders[0]))
    monkeypatch.setattr(
        saved_model, "load_recognizer", lambda path: folders.append(str(path)) or load()
    )
    return folders
