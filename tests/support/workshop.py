"""A folder with everything that a run needs, small and right.

Each bad input is one change to it.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import tiny
import yaml

SENTENCE = "anna B-PER\nmet O\nboris B-PER\nin O\noslo B-LOC\n"
SETTINGS = {
    "name": "run",
    "data": {"train": "train.conll", "dev": "dev.conll"},
    "encoder": {"checkpoint": "checkpoint", "max_length": 32, "overlap": 8},
    "training": {"epochs": 1, "batch_size": 2},
}


class Workshop:
    """Files in a folder, which is also the working directory, so that messages name them as they
    are called here.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.file("train.conll", SENTENCE + "\n" + SENTENCE)
        self.file("dev.conll", SENTENCE)
        self.config()

    def file(self, name: str, content: str | bytes = "") -> str:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(
            content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
        )
        return name

    def json(self, name: str, value: Any) -> str:
        return self.file(name, json.dumps(value))

    def config(self, **changes: Any) -> str:
        """run.yaml with some of its groups replaced, those of None left out."""
        values = {key: value for key, value in {**SETTINGS, **changes}.items() if value is not None}
        return self.file("run.yaml", yaml.safe_dump(values))

    def checkpoint(self, **changes: Any) -> str:
        """A copy of the tiny checkpoint, its config.json changed."""
        shutil.copytree(tiny.checkpoint(), self.folder / "checkpoint", dirs_exist_ok=True)
        if changes:
            self.json(
                "checkpoint/config.json",
                {**json.loads((self.folder / "checkpoint/config.json").read_text()), **changes},
            )
        return "checkpoint"

    def export(self) -> str:
        """A copy of the tiny export: version 1 of a model."""
        shutil.copytree(tiny.exported(), self.folder / "model" / "1")
        return "model"

    def link(self, name: str, target: str | Path) -> str:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(target)
        return name

    def content(self) -> dict[str, bytes]:
        """Every file here, to see afterwards that nothing was touched."""
        files = sorted(
            path for path in self.folder.rglob("*") if path.is_file() and not path.is_symlink()
        )
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in files
            if path.stat().st_size < 1 << 20
        }
