"""List the runs in a folder from their small files, without TensorFlow, whatever lies there."""

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

# A folder with one of these has been a run.
TRACES = ("metrics.jsonl", "labels.json", "environment.json", "checkpoints", "report.json")
STATE_NAME = re.compile(r"state-(\d+)-(\d+)")  # of a checkpoint: epochs done, steps of the next
WATCHED = "val_entity_f1"
State = Literal["running", "interrupted", "unfinished", "finished", "damaged"]


@dataclass
class RunSummary:
    """Summarize how far a run has come; None is what nobody knows.

    F1 is a fraction, `seconds` are those of training, times are UTC.

    Attributes:
        state: `interrupted` was stopped by Ctrl-C or SIGTERM, `unfinished` ended in another way.
        saved: position of the newest checkpoint: epochs done, and steps of the next.
        best_f1: the best of the dev split; `f1` is that of the report, on `split`.
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


def list_runs(folder: Path) -> list[RunSummary]:
    """Summarize the runs in a folder by name, or the one run whose folder it is.

    Raises:
        ConfigError: there is no such folder.
    """
    try:
        if (folder / "config.yaml").is_file():
            return [summarize_run(folder)]
        paths = [path for path in sorted(folder.iterdir()) if path.is_dir() and is_run(path)]
    except OSError as error:
        raise ConfigError(f"{folder}: expected a folder of runs: {error.strerror}") from None
    return [summarize_run(path) for path in paths]


def is_run(path: Path) -> bool:
    try:
        return any((path / name).exists() for name in ("config.yaml", LOCK, *TRACES))
    except OSError:
        return True


def summarize_run(path: Path) -> RunSummary:
    """Summarize one run; a file that cannot be used makes it damaged, and is named."""
    folder = RunFolder(path)
    run = RunSummary(path.name, str(path))
    try:
        run.state = find_state(folder)
        for fill in (fill_settings, fill_metrics, fill_report, fill_saved, fill_exports):
            fill(run, folder)
    except OSError as error:
        run.problems.append(f"{error.filename}: {error.strerror}")
    except (TfnerError, UnicodeDecodeError) as error:
        run.problems.append(str(error))
    if run.problems and run.state != "running":
        run.state = "damaged"
    return run


def find_state(folder: RunFolder) -> State:
    if is_held(folder.path / LOCK):
        return "running"
    if folder.has_final_report():
        return "finished"
    return "interrupted" if folder.interrupted.exists() else "unfinished"


def is_held(lock: Path) -> bool:
    """Tell whether a process works on the run: the lock is held, not only a file left behind."""
    try:
        descriptor = os.open(lock, os.O_RDONLY)
    except OSError:
        return False
    try:
        # For an instant, and shared: many may look at once.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # a file system without locks
    finally:
        os.close(descriptor)
    return False


def fill_settings(run: RunSummary, folder: RunFolder) -> None:
    if run.state == "running" and not folder.config.exists():
        return  # it reads its data
    if not folder.config.exists():
        raise DataError(f"{folder.config}: missing")
    epochs = folder.settings.training.epochs
    run.epochs = None if epochs == "auto" else epochs
    run.changed = time_of(folder.config)


def fill_metrics(run: RunSummary, folder: RunFolder) -> None:
    if not folder.metrics.exists():
        return
    lines = list(read_lines(folder.metrics))
    f1s = [number(line, WATCHED) for line in lines]
    run.epochs_done = len(lines)
    run.seconds = sum(number(line, "seconds") or 0.0 for line in lines)
    run.best_f1 = max((f1 for f1 in f1s if f1 is not None), default=None)
    run.changed = time_of(folder.metrics)


def fill_report(run: RunSummary, folder: RunFolder) -> None:
    if not folder.report.exists():
        return
    report = parse_object(folder.report.read_text(encoding="utf-8"), str(folder.report))
    entity = report.get("entity")
    micro = entity.get("micro") if isinstance(entity, dict) else None
    f1 = number(micro, "f1") if isinstance(micro, dict) else None
    if not isinstance(micro, dict) or f1 is None:
        raise DataError(f"{folder.report}: expected entity.micro.f1, a number")
    if number(micro, "support"):
        run.f1, run.split = f1, str(report.get("split"))
    run.changed = time_of(folder.report)


def fill_saved(run: RunSummary, folder: RunFolder) -> None:
    """Read the position of the newest checkpoint from its name."""
    if not folder.last.is_dir():
        return
    found = [STATE_NAME.fullmatch(path.name) for path in folder.last.iterdir()]
    positions = [(int(match[1]), int(match[2])) for match in found if match]
    run.saved = max(positions, default=None)


def fill_exports(run: RunSummary, folder: RunFolder) -> None:
    """Read the last line that is whole: one that was cut off tells nothing."""
    if not folder.exports.exists():
        return
    lines = folder.exports.read_text(encoding="utf-8", errors="replace").splitlines()
    for line in reversed(lines):
        try:
            run.exported = str(parse_object(line, "")["path"])
        except (DataError, KeyError):
            continue
        run.exported_exists = Path(run.exported).is_dir()
        return


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    for line_number, line in enumerate(lines, 1):
        yield parse_object(line, f"{path}:{line_number}")


def parse_object(text: str, where: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise DataError(f"{where}: not valid JSON") from None
    if not isinstance(found, dict):
        raise DataError(f"{where}: expected a JSON object, got {type(found).__name__}")
    return found


def number(values: dict[str, Any], name: str) -> float | None:
    """Read a value that is a finite number; None of any other."""
    value = values.get(name)
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None


def time_of(path: Path) -> str:
    """Tell when a file was changed, in UTC."""
    changed = datetime.fromtimestamp(path.stat().st_mtime, timezone.utc)
    return changed.isoformat(timespec="seconds")
