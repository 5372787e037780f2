"""An export, and a folder of versions that a server reads."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from published import make_version

from tfner.serving.export.publish import copy_version


@pytest.fixture
def source(tmp_path) -> Path:
    return make_version(tmp_path / "saved_models" / "model" / "4")


@pytest.fixture
def folder(tmp_path) -> Path:
    """Make a model's folder with the versions 1, 2, 3."""
    path = tmp_path / "models" / "model"
    for number in (1, 2, 3):
        make_version(path / str(number))
    return path


@pytest.fixture
def add(source):
    return partial(copy_version, source)
