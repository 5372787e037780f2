"""Run the commands of first-hour.md in their order, and check that each prints what is shown.

    python docs/first_hour.py FOLDER [--csv FILE]

FOLDER is made, or empty. With a file of Kaggle's layout of your own the commands have to succeed;
what they print is another. Commands that need a library which is not there are left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).with_name("first-hour.md")
BLOCK = re.compile(r"```(sh|text)\n(.*?)```", re.DOTALL)
LIBRARIES = {"import pandas": "pandas", "import spacy": "spacy"}


class Step(NamedTuple):
    """Hold a block of commands, and the lines that are shown of what it prints."""

    commands: str
    shown: list[str]

    @property
    def missing(self) -> str:
        """Name the library that the commands need and that is not there."""
        for statement, library in LIBRARIES.items():
            if statement in self.commands and importlib.util.find_spec(library) is None:
                return library
        return ""


def steps_of(page: str) -> list[Step]:
    """Pair each block of commands with the lines that are shown of its output."""
    steps: list[Step] = []
    for language, content in BLOCK.findall(page):
        if language == "sh":
            steps.append(Step(content, []))
        else:
            steps[-1].shown.extend(content.splitlines())
    return steps


def pattern_of(line: str) -> str:
    """Write a shown line as a pattern, in which an ellipsis stands for anything."""
    known = [re.escape(text.strip()) for text in line.split("…")]
    return ".*".join(known)


def run_step(step: Step, folder: Path, environment: dict[str, str]) -> str:
    """Run a block of commands; return what it prints.

    Raises:
        RuntimeError: a command fails.
    """
    command = ["bash", "-em", "-c", step.commands]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{step.commands}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def check_shown(step: Step, printed: str) -> None:
    """Check that a block prints what is shown.

    Raises:
        RuntimeError: a line is missing.
    """
    for line in step.shown:
        if not re.search(pattern_of(line), printed):
            raise RuntimeError(f"expected the line {line!r} of\n{step.commands}\ngot\n{printed}")


def run_page(
    page: str, folder: Path, environment: dict[str, str], *, compares: bool = True
) -> Iterator[tuple[Step, str]]:
    """Run all blocks but those that install, in their order; give each with what it prints.

    Raises:
        RuntimeError: a command fails, or does not print what is shown.
    """
    for step in steps_of(page):
        if step.missing or step.commands.startswith("pip install"):
            yield step, f"left out: {step.missing or 'installs'}\n"
            continue
        printed = run_step(step, folder, environment)
        if compares:
            check_shown(step, printed)
        yield step, printed


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.csv:
        shutil.copyfile(options.csv, options.folder / "ner.csv")
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    environment = {**os.environ, "PATH": path}
    page = PAGE.read_text(encoding="utf-8")
    for step, printed in run_page(page, options.folder, environment, compares=not options.csv):
        print(f"$ {step.commands}\n{printed}", flush=True)


if __name__ == "__main__":
    main()
