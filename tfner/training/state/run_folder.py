"""The run folder: what lies where in `runs/NAME`, and how far the run in it has come."""

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

from tfner.config import RunSettings, read_yaml
from tfner.evaluation.report.report import Report
from tfner.evaluation.scores import EntityScores
from tfner.exceptions import ConfigError, ModelError
from tfner.safeio.json_text import read_json
from tfner.safeio.printable import show
from tfner.safeio.validation import validate
from tfner.safeio.whole_files import write_text_whole, written_whole
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
    """Paths of a run and its small files; the checkpoints are the callbacks' business."""

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
        """Folder of the best weights, and of those that were the best before."""
        return self.path / "checkpoints" / "best"

    @property
    def last(self) -> Path:
        """Folder of the state to go on from."""
        return self.path / "checkpoints" / "last"

    @property
    def encoder(self) -> Path:
        """The encoder's configuration and vocabulary, so that the run needs no other folder."""
        return self.path / "encoder"

    def state(self) -> Literal["absent", "unfinished", "finished"]:
        if not self.config.exists():
            return "absent"
        return "finished" if self.report.exists() else "unfinished"

    @property
    def environment(self) -> Path:
        """What the run was made with, when it was last started."""
        return self.path / "environment.json"

    @property
    def exports(self) -> Path:
        """A line for each version that was exported: `path`, absolute, and `time`."""
        return self.path / "exports.jsonl"

    @property
    def interrupted(self) -> Path:
        """There while nothing has gone on after somebody stopped the run."""
        return self.path / "interrupted"

    def create(self, settings: RunSettings, encoder: Path, environment: Mapping[str, Any]) -> None:
        """Make the folders, keep the resolved configuration, the environment and the tokenizer."""
        for folder in (self.best, self.last, self.tensorboard, self.encoder):
            folder.mkdir(parents=True, exist_ok=True)
        for name in TOKENIZER_FILES:
            if (encoder / name).is_file():
                with written_whole(self.encoder / name) as temporary:
                    shutil.copyfile(encoder / name, temporary)
        write_text_whole(self.environment, json.dumps(environment, indent=2) + "\n")
        write_text_whole(
            self.config, f"# python -m tfner.train {self.config}\n{settings.to_yaml()}"
        )
        self.interrupted.unlink(missing_ok=True)

    def has_best(self) -> bool:
        """Whether some epoch's weights have been kept as the best."""
        return any(self.best.glob("best-*"))

    def finish(self, reports: Mapping[str, Report]) -> None:
        """Write the report: of the test split, else of dev, else an empty one. It says that the run is finished, so it comes last."""
        report = (
            reports.get("test")
            or reports.get("dev")
            or Report(scores=EntityScores(), name=self.settings.name)
        )
        others = {split: other.scores for split, other in reports.items() if other is not report}
        report = replace(report, splits=others)
        report.write_html(self.page)
        report.write_json(self.report)

    def note_export(self, path: Path) -> None:
        """The run's weights have been exported there; that this cannot be written is said and no more, as the export is there."""
        try:
            with self.exports.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"path": str(path.absolute()), "time": now()}) + "\n")
        except OSError as error:
            logger.warning("%s: cannot be written: %s", self.exports, error.strerror)

    def note_interruption(self) -> None:
        """Somebody has stopped the run, which may go on; on a full disk it only looks as if it had been killed."""
        if self.config.exists():
            with contextlib.suppress(OSError):
                write_text_whole(self.interrupted, now() + "\n")

    def delete(self) -> None:
        """Remove all but the lock, which this process holds; last the file that says that there is a run."""
        self.report.unlink(missing_ok=True)
        for path in self.path.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name not in (LOCK, self.config.name):
                path.unlink()
        self.config.unlink(missing_ok=True)

    @cached_property
    def settings(self) -> RunSettings:
        """The resolved configuration of the run, without a look at the data files, which may be gone."""
        if not self.config.is_file():
            raise ModelError(
                f"{self.path}: expected a run folder with config.yaml, or an exported model"
            )
        return validate(read_yaml(self.config), RunSettings, str(self.config))

    def check_same(self, settings: RunSettings) -> None:
        """A run goes on with the settings that it began with, or not at all; only the devices may be others, which change no result."""
        before, now = (
            flatten(self.settings.model_dump(mode="json")),
            flatten(settings.model_dump(mode="json")),
        )
        changed = [
            f"{key}: {before.get(key)!r} → {now[key]!r}"
            for key in now
            if key != "devices" and before.get(key) != now[key]
        ]
        if changed:
            raise ConfigError(
                f"{self.path} holds a run with other settings ({'; '.join(changed)}); choose another name or add --overwrite"
            )

    def save_labels(self, labels: LabelSet) -> None:
        write_text_whole(
            self.path / "labels.json", json.dumps(list(labels.types), ensure_ascii=False)
        )

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


def flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as {"key.path": value}."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat.update(
            flatten(value, f"{prefix}{key}.")
            if isinstance(value, dict)
            else {f"{prefix}{key}": value}
        )
    return flat
