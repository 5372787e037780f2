"""Define the folder of a search: what lies where in `runs/NAME-tune`."""

from __future__ import annotations

import fcntl
import logging
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfner.config import RunSettings
from tfner.exceptions import BusyError, ConfigError, StorageError
from tfner.safeio.sources import SPLITS
from tfner.safeio.whole_files import write_text_whole
from tfner.safeio.yaml_text import dump_yaml, read_yaml
from tfner.training.search.space import SearchSpace
from tfner.training.state.lock import LOCK, NO_LOCKS, locked
from tfner.training.state.run_folder import describe_changes, path_of
from tfner.training.state.run_list import is_held

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SearchFolder:
    """Name the paths of a search, and read and write its small files.

    Attributes:
        description: the configuration and the space that the search began with.
        storage: the trials, a database of Optuna's.
        best: the best configuration, which `tfner.train` runs.
        splits: what was taken from the training data, the same in each trial.
        trials: a run folder for each trial.
        workers: a locked folder for each process that works on the search now.
        cache: encoded corpora, where the configuration names no folder for them.
    """

    path: Path
    description = path_of("search.yaml")
    storage = path_of("search.db")
    best = path_of("best.yaml")
    splits = path_of(SPLITS)
    page = path_of("report.html")
    trials = path_of("trials")
    workers = path_of("workers")
    cache = path_of("cache")
    gate = path_of("search.lock")

    def create(self, space: SearchSpace, *, overwrite: bool = False) -> None:
        """Make the folder, or check that the search in it is this one.

        Raises:
            ConfigError: it holds another search, or something else.
            BusyError: it is to be overwritten, and another process works on it.
            StorageError: it cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with self.one_at_a_time():
                self._check_content()
                if overwrite:
                    self._delete()
                if self.description.exists():
                    self._check_same(space)
                else:
                    text = dump_yaml(describe(space))
                    write_text_whole(self.description, text)
        except OSError as error:
            path = error.filename or self.path
            reason = error.strerror or error
            raise StorageError(f"{path}: cannot be written: {reason}") from None

    @contextmanager
    def one_at_a_time(self) -> Iterator[None]:
        """Wait until no other process is within such a block; each takes an instant."""
        with self.gate.open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
            except OSError as error:
                if error.errno not in NO_LOCKS:
                    raise
                advice = "search in one process alone"
                logger.warning("%s: this file system has no locks: %s", self.gate, advice)
            yield

    @contextmanager
    def working(self) -> Iterator[str]:
        """Let other processes see that this one works on the search; give the name for it."""
        name = uuid.uuid4().hex
        with locked(self.workers / name):
            yield name

    def works(self, worker: str) -> bool:
        """Tell whether a process still works on the search; remove what a killed one has left."""
        folder = self.workers / worker
        if is_held(folder / LOCK):
            return True
        shutil.rmtree(folder, ignore_errors=True)
        return False

    def _check_content(self) -> None:
        found = {path.name for path in self.path.iterdir()} - {self.gate.name}
        if found and not self.description.exists():
            raise ConfigError(f"{self.path}: expected a folder of a search, or none")

    def _delete(self) -> None:
        """Remove all but the file that keeps others out; the description goes last."""
        self.workers.mkdir(exist_ok=True)
        if any(self.works(path.name) for path in self.workers.iterdir()):
            raise BusyError(f"{self.path}: another process works on this search")
        for path in self.path.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path not in (self.gate, self.description):
                path.unlink()
        self.description.unlink(missing_ok=True)

    def _check_same(self, space: SearchSpace) -> None:
        """Refuse a search among other trials: their dev F1 would be compared with these."""
        before = read_yaml(self.description)
        now = describe(space)
        changed = "; ".join(describe_changes(before, now))
        if changed:
            other = f"holds a search with other settings ({changed})"
            raise ConfigError(f"{self.path} {other}; choose another name or add --overwrite")


def describe(space: SearchSpace) -> dict[str, Any]:
    """Collect what decides how good a trial is, but for what is drawn."""
    ignored = {"devices", "note", "runs_dir", "exports_dir", "export"}
    settings = space.base.model_dump(mode="json", exclude=ignored)
    if space.base.data.unlabelled is not None:  # which is cut as raw text will be read
        settings["export"] = {"raw_text": space.base.export.raw_text}
    return {"space": space.describe(), "settings": settings}


def folder_of(settings: RunSettings) -> SearchFolder:
    """Find the folder of a configuration's search: beside its run's."""
    run = settings.run_dir
    path = run.with_name(f"{run.name}-tune")
    return SearchFolder(path)
