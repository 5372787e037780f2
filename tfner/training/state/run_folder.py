"""Define the run folder: what lies where in `runs/NAME`, and whether its run is finished."""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from tfner.config import RunSettings, read_yaml, rename_old_keys
from tfner.evaluation.report.report import Report
from tfner.exceptions import ConfigError, ModelError
from tfner.safeio.json_text import read_json
from tfner.safeio.printable import show
from tfner.safeio.validation import validate
from tfner.safeio.whole_files import written_whole
from tfner.tagging.schemes import LabelSet
from tfner.training.state.lock import LOCK

logger = logging.getLogger(__name__)
TOKENIZER_FILES = (
    "config.json",
    "vocab.txt",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
)


@dataclass(frozen=True)
class RunFolder:
    """Name the paths of a run, and read and write its small files."""

    path: Path

    @property
    def config(self) -> Path:
        return self.path / "config.yaml"

    @property
    def report(self) -> Path:
        return self.path / "report.json"

    @property
    def page(self) -> Path:
        return self.path / "report.html"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def tensorboard(self) -> Path:
        return self.path / "tensorboard"

    @property
    def best(self) -> Path:
        """Name the folder of the best weights and of those that were the best before."""
        return self.path / "checkpoints" / "best"

    @property
    def last(self) -> Path:
        """Name the folder of the states to go on from."""
        return self.path / "checkpoints" / "last"

    @property
    def encoder(self) -> Path:
        """Name the copy of the encoder's configuration and vocabulary: no other folder is needed."""
        return self.path / "encoder"

    def state(self) -> Literal["absent", "unfinished", "finished"]:
        if not self.config.exists():
            return "absent"
        return "finished" if self.has_final_report() else "unfinished"

    @property
    def environment(self) -> Path:
        """Name the file of what the run was made with, when it was last started."""
        return self.path / "environment.json"

    @property
    def exports(self) -> Path:
        """Name the file with a line for each exported version: `path`, absolute, and `time`."""
        return self.path / "exports.jsonl"

    @property
    def interrupted(self) -> Path:
        """Name the file that is there from when somebody stops the run until it goes on."""
        return self.path / "interrupted"

    def create(self, settings: RunSettings, encoder: Path, environment: Mapping[str, Any]) -> None:
        """Make the folders; write configuration, environment and tokenizer; end an interruption."""
        for folder in (self.best, self.last, self.tensorboard, self.encoder):
            folder.mkdir(parents=True, exist_ok=True)
        for name in TOKENIZER_FILES:
            if (encoder / name).is_file():
                with written_whole(self.encoder / name) as temporary:
                    shutil.copyfile(encoder / name, temporary)
        write_whole(self.environment, json.dumps(environment, indent=2) + "\n")
        write_whole(self.config, f"# python -m tfner.train {self.config}\n{settings.to_yaml()}")
        self.interrupted.unlink(missing_ok=True)
        if not self.has_final_report():
            self.report.unlink(missing_ok=True)
            self.page.unlink(missing_ok=True)

    def has_best(self) -> bool:
        """Tell whether some epoch's weights have been kept as the best."""
        return any(self.best.glob("best-*"))

    def write_report(self, report: Report, state: Literal["finished", "interrupted"]) -> None:
        """Write page and report; the report comes last, as a finished one ends the run."""
        name = report.name if state == "finished" else f"{report.name} ({state})"
        replace(report, name=name).write_html(self.page)
        content = json.dumps({**report.to_dict(), "state": state}, ensure_ascii=False, indent=2)
        write_whole(self.report, content + "\n")

    def has_final_report(self) -> bool:
        """Tell whether there is a report, other than that of an interruption."""
        try:
            report = json.loads(self.report.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return False
        except (OSError, ValueError, RecursionError):  # damaged, but written
            return True
        return not isinstance(report, dict) or report.get("state") != "interrupted"

    def note_export(self, path: Path) -> None:
        """Note where the weights were exported; log, don't raise, on failure: the export exists."""
        line = json.dumps({"path": str(path.absolute()), "time": now()})
        try:
            with self.exports.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            logger.warning("%s: cannot be written: %s", self.exports, error.strerror)

    def note_interruption(self) -> None:
        """Note that somebody stopped the run; on a full disk it only looks as if it was killed."""
        if self.config.exists():
            with contextlib.suppress(OSError):
                write_whole(self.interrupted, now() + "\n")

    def delete(self) -> None:
        """Remove all but the lock, which this process holds; config.yaml, which makes it a run, last."""
        self.report.unlink(missing_ok=True)
        for path in self.path.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name not in (LOCK, self.config.name):
                path.unlink()
        self.config.unlink(missing_ok=True)

    @cached_property
    def settings(self) -> RunSettings:
        """Read the resolved configuration, without a look at the data files, which may be gone."""
        if not self.config.is_file():
            raise ModelError(
                f"{self.path}: expected a run folder with config.yaml, or an exported model"
            )
        values = read_yaml(self.config)
        rename_old_keys(values)
        return validate(values, RunSettings, str(self.config))

    def check_same(self, settings: RunSettings) -> None:
        """Refuse settings other than those that the run began with.

        Only the devices may be others, which change no result.
        """
        before = flatten(self.settings.model_dump(mode="json"))
        now = flatten(settings.model_dump(mode="json"))
        changed = []
        for key, value in now.items():
            if key != "devices" and before.get(key) != value:
                changed.append(f"{key}: {before.get(key)!r} → {value!r}")
        if changed:
            other = f"holds a run with other settings ({'; '.join(changed)})"
            raise ConfigError(f"{self.path} {other}; choose another name or add --overwrite")

    def save_labels(self, labels: LabelSet) -> None:
        write_whole(self.path / "labels.json", json.dumps(list(labels.types), ensure_ascii=False))

    def load_labels(self) -> LabelSet:
        path = self.path / "labels.json"
        types = read_json(path, ModelError)
        if not isinstance(types, list) or not all(isinstance(name, str) for name in types):
            raise ModelError(
                f"{path}: expected the run's entity types, a list of names, got {show(types)}"
            )
        try:
            return LabelSet(tuple(types), self.settings.model.tag_scheme)
        except ConfigError as error:
            raise ModelError(f"{path}: {error}") from None


def now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def write_whole(path: Path, text: str) -> None:
    with written_whole(path) as temporary:
        # A lone surrogate has no UTF-8; written as \\udc80 it is right in JSON.
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested settings.

    >>> flatten({"name": "a", "training": {"epochs": 3}})
    {'name': 'a', 'training.epochs': 3}
    """
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat
