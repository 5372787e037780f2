"""What the pages show: blocks of code, and commands of ours."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (".", "benchmarks", "configs", "deploy", "docs", "docs/decisions", "saved_models")
PAGES = [
    page.relative_to(ROOT).as_posix()
    for folder in FOLDERS
    for page in sorted((ROOT / folder).glob("*.md"))
]
COMMAND = re.compile(r"(?:python -m tfner\.|\btfner )(\w[\w-]*)((?:\"[^\"\n]*\"|[^`|>&#\n\"])*)")


class Shown(NamedTuple):
    """Hold a command on a page: its module, and the arguments behind."""

    page: str
    module: str
    arguments: str


def blocks(page: str) -> list[tuple[str, str]]:
    """Find language and content of each code block of a page, in order."""
    return re.findall(r"```(\w+)\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)


def commands(page: str) -> list[Shown]:
    """Find every command of ours that a page shows, in blocks and in lines."""
    text = (ROOT / page).read_text(encoding="utf-8").replace("\\\n", " ")
    code = re.findall(r"```sh\n.*?```|`[^`\n]+`", text, re.DOTALL)
    found = [match for each in code for match in COMMAND.findall(each)]
    return [Shown(page, module.replace("-", "_"), rest) for module, rest in found]
