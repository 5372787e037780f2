"""The tutorial's commands work, in their order, from an empty folder."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
from subprocesses import environment, free_port

from docs.first_hour import run_page, steps_of

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"


def test_the_tutorial_has_ten_steps_and_shows_what_most_commands_print():
    page = TUTORIAL.read_text(encoding="utf-8")
    numbers = [int(number) for number in re.findall(r"^## (\d+)\. ", page, re.MULTILINE)]
    assert numbers == list(range(1, 11))
    steps = steps_of(page)
    commands = "".join(command for command, _ in steps)
    for name in ("inspect", "train", "runs", "evaluate", "predict", "serve"):
        assert f"python -m tfner.{name} " in commands or f"python -m tfner.{name}\n" in commands
    assert sum(bool(shown) for _, shown in steps) >= 7


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_each_step_of_the_tutorial_succeeds_and_prints_what_is_shown(tmp_path):
    page = TUTORIAL.read_text(encoding="utf-8").replace("8501", str(free_port()))
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    for step, _ in run_page(page, tmp_path, environment(PATH=path)):
        assert not step.missing
