from __future__ import annotations

import pytest
from command_line import CommandLine
from workshop import Workshop


@pytest.fixture
def shop(tmp_path, monkeypatch) -> Workshop:
    """A workshop, in whose folder the test runs."""
    monkeypatch.chdir(tmp_path)
    return Workshop(tmp_path)


@pytest.fixture
def line(capsys, monkeypatch) -> CommandLine:
    return CommandLine(capsys, monkeypatch)
