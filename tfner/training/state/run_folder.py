"""Define the run folder: what lies where in `runs/NAME`, and whether its run is finished."""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from tfner.config import RunSettings
from tfner.evaluation.report.report import Report
from tfner.exceptions import ConfigError, ModelError
from tfner.former_settings import FORMER_DEFAULTS, add_former_values, rename_old_keys
from tfner.safeio.json_text import read_json
from tfner.safeio.printable import show
from tfner.safeio.validation import validate
from tfner.safeio.whole_files import write_text_whole, written_whole
from tfner.safeio.yaml_text import read_yaml
from tfner.tagging.schemes import LabelSet
from tfner.training.state.lock import LOCK

logger = logging.getLogger(__name__)


def path_of(*names: str) -> Any:
    """Make the property of a run folder that names a path below it."""
    return property(lambda folder: folder.path.joinpath(*names))


@dataclass(frozen=True)
class RunFolder:
    """Name the paths of a run, and read and write its small files.

    Attributes:
        environment: what the run was made with, when it was last started.
        exports: a line for each exported version: `path`, absolute, and `time`.
        interrupted: is there from when somebody stops the run until it goes on.
        best: the best weights and those that were the best before.
        last: the states to go on from.
        encoder: the encoder's configuration and vocabulary, copies that a run can rely on.
        soft_labels: what the teachers of a run said, where no cache is set.
    """

    path: Path
    config = path_of("config.yaml")
    labels = path_of("labels.json")
    environment = path_of("environment.json")
    report = path_of("report.json")
    page = path_of("report.html")
    metrics = path_of("metrics.jsonl")
    exports = path_of("exports.jsonl")
    interrupted = path_of("interrupted")
    tensorboard = path_of("tensorboard")
    best = path_of("checkpoints", "best")
    last = path_of("checkpoints", "last")
    encoder = path_of("encoder")
    soft_labels = path_of("soft_labels")

    def state(self) -> Literal["absent", "unfinished", "finished"]:
        if not self.config.exists():
            return "absent"
        return "finished" if self.has_final_report() else "unfinished"

    def create(
        self,
        settings: RunSettings,
        encoder: Path,
        environment: Mapping[str, Any],
        files: Iterable[str] = (),
    ) -> None:
        """Make the folders; write configuration, environment and tokenizer; end an interruption.

        `files` are those of the folder `encoder` that are copied where they are there.
        """
        for folder in (self.best, self.last, self.tensorboard, self.encoder):
            folder.mkdir(parents=True, exist_ok=True)
        for name in files:
            if (encoder / name).is_file():
                with written_whole(self.encoder / name) as temporary:
                    shutil.copyfile(encoder / name, temporary)
        write_text_whole(self.environment, json.dumps(environment, indent=2) + "\n")
        command = f"# python -m tfner.train {self.config}"
        write_text_whole(self.config, f"{command}\n{settings.to_yaml()}")
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
        write_text_whole(self.report, content + "\n")

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
                write_text_whole(self.interrupted, now() + "\n")

    def delete(self) -> None:
        """Remove all but the lock, which this process holds; config.yaml goes last."""
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
            expected = "expected a run folder with config.yaml, or an exported model"
            raise ModelError(f"{self.path}: {expected}")
        values = read_yaml(self.config)
        rename_old_keys(values)
        add_former_values(values)
        return validate(values, RunSettings, str(self.config))

    def keep_former_defaults(self, settings: RunSettings) -> RunSettings:
        """Take what the run began with for keys that are not given and had another default then.

        `data.context: auto` is what it came to when the run began, whatever the data say now.
        """
        if not self.config.is_file():
            return settings
        settings = settings.resolve_context(self.settings.data.context)
        for key, former in FORMER_DEFAULTS.items():
            group_name, name = key.split(".")
            group = getattr(settings, group_name)
            began_with = getattr(getattr(self.settings, group_name), name)
            if name not in group.model_fields_set and began_with == former:
                group = group.model_copy(update={name: former})
                settings = settings.model_copy(update={group_name: group})
        return settings

    def check_same(self, settings: RunSettings) -> None:
        """Refuse settings other than those that the run began with.

        Only the devices may be others, which change no result.
        """
        before, now = (each.model_dump(mode="json") for each in (self.settings, settings))
        changed = describe_changes(before, now)
        if changed:
            other = f"holds a run with other settings ({'; '.join(changed)})"
            raise ConfigError(f"{self.path} {other}; choose another name or add --overwrite")

    def save_labels(self, labels: LabelSet) -> None:
        write_text_whole(self.labels, json.dumps(list(labels.types), ensure_ascii=False))

    def load_labels(self) -> LabelSet:
        path = self.labels
        types = read_json(path, ModelError)
        if not isinstance(types, list) or not all(isinstance(name, str) for name in types):
            expected = "expected the run's entity types, a list of names"
            raise ModelError(f"{path}: {expected}, got {show(types)}")
        try:
            return LabelSet(tuple(types), self.settings.model.tag_scheme)
        except ConfigError as error:
            raise ModelError(f"{path}: {error}") from None


def now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def describe_changes(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Describe each setting that is another one now, but for the devices, which change no result.

    >>> describe_changes({"a": 1, "devices": "cpu"}, {"a": 2, "devices": "gpu"})
    ['a: 1 → 2']
    """
    old = flatten(before)
    changed = []
    for key, value in flatten(now).items():
        if key != "devices" and old.get(key) != value:
            changed.append(f"{key}: {old.get(key)!r} → {value!r}")
    return changed


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
