"""Searches over a stub that trains nothing: its F1 is a function of the settings."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from sqlalchemy import Engine, event

from tfner.config import RunSettings
from tfner.training.search.folder import SearchFolder, folder_of
from tfner.training.search.progress import SearchProgress
from tfner.training.search.search import search
from tfner.training.search.space import SearchSpace, read_tuning


@event.listens_for(Engine, "connect")
def wait_for_no_disk(connection, _):
    """Write faster: a database of a test need not outlive a loss of power."""
    connection.execute("PRAGMA synchronous=OFF")


SPACE = {
    "training.learning_rate": {"low": "5e-5", "high": "5e-4", "log": True},
    "model.dropout": {"low": 0, "high": 0.5},
}


def base_settings(home: Path, **training: Any) -> RunSettings:
    return RunSettings.model_validate(
        {
            "name": "stub",
            "encoder": {"checkpoint": "none", "overlap": 4},
            "data": {"train": "t", "dev": "d"},
            "training": {"epochs": 4, "learning_rate": 3e-5, **training},
            "runs_dir": str(home / "runs"),
        }
    )


def stub_space(home: Path, space: Mapping[str, Any] = SPACE, **training: Any) -> SearchSpace:
    found, _ = read_tuning({"space": dict(space)}, base_settings(home, **training), "run.yaml")
    return found


def new_folder(space: SearchSpace) -> SearchFolder:
    folder = folder_of(space.base)
    folder.create(space)
    return folder


def f1_of(settings: RunSettings) -> float:
    """Score worse the further a learning rate is from 3e-4 and a dropout from 0.2."""
    rate, dropout = settings.training.learning_rate, settings.model.dropout
    return round(0.6 - 300 * abs(rate - 3e-4) - 0.2 * abs(dropout - 0.2), 6)


class Stub:
    """Stands for an objective of one epoch, and notes what it was asked for."""

    def __init__(self):
        self.asked: list[RunSettings] = []

    def __call__(self, settings, observe):
        self.asked.append(settings)
        f1 = f1_of(settings)
        observe(1, 1, f1)
        return f1


def quiet_progress() -> SearchProgress:
    return SearchProgress(Console(file=io.StringIO()))


def run_search(space: SearchSpace, objective, trials: int, **options):
    folder = folder_of(space.base)
    folder.create(space)
    return search(folder, space, objective, quiet_progress(), trials=trials, **options)


if __name__ == "__main__":  # one of several processes
    run_search(stub_space(Path(sys.argv[1])), Stub(), int(sys.argv[2]))
