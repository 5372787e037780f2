"""What a folder of runs holds, read from the small files of each; loads no TensorFlow, and stumbles over nothing that lies there."""

from __future__ import annotations

import fcntl
import json
import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

from tfner.exceptions import ConfigError, DataError, TfnerError
from tfner.training.state.lock import LOCK
from tfner.training.state.run_folder import RunFolder

TRACES = (
    "metrics.jsonl",
    "labels.json",
    "environment.json",
    "checkpoints",
    "report.json",
)  # a folder with one of these has been a run
PLACE = re.compile(r"state-(\d+)-(\d+)")  # of a checkpoint: epochs done, and steps of the next
WATCHED = "val_entity_f1"
State = Literal["running", "interrupted", "unfinished", "finished", "damaged"]


@dataclass
class RunFacts:
    """How far a run has come; F1 as fractions, seconds of training, times in UTC. None is what nobody knows.

    `interrupted` is one that was stopped, by Ctrl-C or SIGTERM; `unfinished` one that ended in another way. `saved` is the place of the
    newest checkpoint: epochs done, and steps of the next. `best_f1` is the best of the dev split, `f1` that of the report, on `split`.
    """

    name: str
    path: str
    state: State = "unfinished"
    problems: list[str] = field(default_factory=list)
    epochs: int | None = None
    epochs_done: int = 0
    saved: tuple[int, int] | None = None
    best_f1: float | None = None
    f1: float | None = None
    split: str | None = None
    seconds: float | None = None
    changed: str | None = None
    exported: str | None = None
    exported_exists: bool | None = None


def list_runs(folder: Path) -> list[RunFacts]:
    """The runs in a folder by name; of a run's own folder that one.

    Raises:
        ConfigError: there is no such folder.
    """
    try:
        if (folder / "config.yaml").is_file():
            return [look_at(folder)]
        return [
            look_at(path) for path in sorted(folder.iterdir()) if path.is_dir() and is_run(path)
        ]
    except OSError as error:
        raise ConfigError(f"{folder}: expected a folder of runs: {error.strerror}") from None


def is_run(path: Path) -> bool:
    try:
        return any((path / name).exists() for name in ("config.yaml", LOCK, *TRACES))
    except OSError:
        return True


def look_at(path: Path) -> RunFacts:
    """The facts of one run; a file that cannot be used makes it damaged, and is named."""
    folder, facts = RunFolder(path), RunFacts(path.name, str(path))
    readers = (read_settings, read_metrics, read_report, read_place, read_exports)
    try:
        facts.state = find_state(folder)
        for read in readers:
            read(folder, facts)
    except OSError as error:
        facts.problems.append(f"{error.filename}: {error.strerror}")
    except (TfnerError, UnicodeDecodeError) as error:
        facts.problems.append(str(error))
    if facts.problems and facts.state != "running":
        facts.state = "damaged"
    return facts


def find_state(folder: RunFolder) -> State:
    if is_held(folder.path / LOCK):
        return "running"
    if folder.report.exists():
        return "finished"
    return "interrupted" if folder.interrupted.exists() else "unfinished"


def is_held(lock: Path) -> bool:
    """Whether a process works on the run: its lock is not free. The file alone may be left from one that was killed."""
    try:
        descriptor = os.open(lock, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(
            descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB
        )  # for an instant; many may look at once
    except BlockingIOError:
        return True
    except OSError:
        return False  # a file system without locks
    finally:
        os.close(descriptor)
    return False


def read_settings(folder: RunFolder, facts: RunFacts) -> None:
    if facts.state == "running" and not folder.config.exists():
        return  # it reads its data
    if not folder.config.exists():
        raise DataError(f"{folder.config}: missing")
    facts.epochs = folder.settings.training.epochs
    facts.changed = datetime.fromtimestamp(folder.config.stat().st_mtime, timezone.utc).isoformat(
        timespec="seconds"
    )


def read_metrics(folder: RunFolder, facts: RunFacts) -> None:
    if not folder.metrics.exists():
        return
    lines = [line for _, line in read_lines(folder.metrics)]
    facts.epochs_done = len(lines)
    facts.seconds = sum(number(line, "seconds") or 0.0 for line in lines)
    facts.best_f1 = max(
        (value for line in lines if (value := number(line, WATCHED)) is not None), default=None
    )
    facts.changed = datetime.fromtimestamp(folder.metrics.stat().st_mtime, timezone.utc).isoformat(
        timespec="seconds"
    )


def read_report(folder: RunFolder, facts: RunFacts) -> None:
    if not folder.report.exists():
        return
    report = parse_object(folder.report.read_text(encoding="utf-8"), str(folder.report))
    micro = (
        (report.get("entity") or {}).get("micro")
        if isinstance(report.get("entity"), dict)
        else None
    )
    if not isinstance(micro, dict) or number(micro, "f1") is None:
        raise DataError(f"{folder.report}: expected entity.micro.f1, a number")
    if number(micro, "support"):
        facts.f1, facts.split = number(micro, "f1"), str(report.get("split"))
    facts.changed = datetime.fromtimestamp(folder.report.stat().st_mtime, timezone.utc).isoformat(
        timespec="seconds"
    )


def read_place(folder: RunFolder, facts: RunFacts) -> None:
    """The names of checkpoints say their place."""
    if folder.last.is_dir():
        places = [
            tuple(map(int, found.groups()))
            for path in folder.last.iterdir()
            if (found := PLACE.fullmatch(path.name))
        ]
        facts.saved = max(places, default=None)


def read_exports(folder: RunFolder, facts: RunFacts) -> None:
    """The last line that is whole: the others have their own versions, and one that was cut off says nothing."""
    if not folder.exports.exists():
        return
    for text in reversed(folder.exports.read_text(encoding="utf-8", errors="replace").splitlines()):
        try:
            facts.exported = str(parse_object(text, "")["path"])
        except (DataError, KeyError):
            continue
        facts.exported_exists = Path(facts.exported).is_dir()
        return


def read_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        yield line, parse_object(text, f"{path}:{line}")


def parse_object(text: str, where: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise DataError(f"{where}: not valid JSON") from None
    if not isinstance(found, dict):
        raise DataError(f"{where}: expected a JSON object, got {type(found).__name__}")
    return found


def number(values: dict[str, Any], name: str) -> float | None:
    """A value that is a finite number."""
    value = values.get(name)
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None
