"""The tutorial's commands work, in their order, from an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from subprocesses import environment, free_port

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"
BLOCK = re.compile(r"```(sh|text)\n(.*?)```", re.DOTALL)


def steps_of(page: str) -> list[tuple[str, list[str]]]:
    """Pair each block of commands with the lines that are shown of its output."""
    steps: list[tuple[str, list[str]]] = []
    for language, content in BLOCK.findall(page):
        if language == "sh":
            steps.append((content, []))
        else:
            steps[-1][1].extend(content.splitlines())
    return steps


def pattern_of(line: str) -> str:
    """Write a shown line as a pattern, in which an ellipsis stands for anything."""
    known = [re.escape(text.strip()) for text in line.split("…")]
    return ".*".join(known)


def test_the_tutorial_has_ten_steps_and_shows_what_most_commands_print():
    page = TUTORIAL.read_text(encoding="utf-8")
    numbers = [int(number) for number in re.findall(r"^## (\d+)\. ", page, re.MULTILINE)]
    assert numbers == list(range(1, 11))
    steps = steps_of(page)
    commands = "".join(command for command, _ in steps)
    for name in ("inspect", "train", "runs", "evaluate", "predict", "serve"):
        assert f"python -m tfner.{name} " in commands or f"python -m tfner.{name}\n" in commands
    assert sum(bool(shown) for _, shown in steps) >= 7


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_each_step_of_the_tutorial_succeeds_and_prints_what_is_shown(tmp_path):
    page = TUTORIAL.read_text(encoding="utf-8").replace("8501", str(free_port()))
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    for commands, shown in steps_of(page):
        done = subprocess.run(
            ["bash", "-em", "-c", commands],
            cwd=tmp_path,
            env=environment(PATH=path),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"
        for line in shown:
            assert re.search(pattern_of(line), done.stdout), f"{line}\n{done.stdout}"
