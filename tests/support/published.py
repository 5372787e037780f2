"""Folders of versions as a server reads them."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from tfner.serving.runtime.saved_model import CARD


def make_version(path: Path, content: str = "graph") -> Path:
    """Make what an export of tfner's looks like from outside."""
    (path / "variables").mkdir(parents=True)
    (path / "variables" / "variables.index").write_bytes(os.urandom(64))
    (path / "saved_model.pb").write_text(content)
    (path / CARD).parent.mkdir()
    (path / CARD).write_text('{"tag_scheme": "IOB2"}')
    return path


def models_config(path: Path, entry: str, name: str = "model") -> Path:
    model = f'name: "{name}" base_path: "/models/{name}" model_platform: "tensorflow" {entry}'
    path.write_text(f"model_config_list {{ config {{ {model} }} }}")
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def run_all(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
