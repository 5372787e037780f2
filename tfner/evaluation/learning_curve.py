"""Hold how a training went: loss, dev F1 and time of each epoch, as `metrics.jsonl` has them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tfner.exceptions import DataError
from tfner.safeio.bounded import read_utf8
from tfner.safeio.json_text import parse_json
from tfner.safeio.printable import show

LARGEST = 64 << 20  # bytes
NAMES = {"loss": "loss", "dev_f1": "val_entity_f1", "seconds": "seconds"}


class Epoch(NamedTuple):
    """Hold what an epoch came to; None is what is not known or not finite.

    `epoch` counts from 1, `dev_f1` is a fraction, `seconds` the time of the steps.
    """

    epoch: int
    loss: float | None = None
    dev_f1: float | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class LearningCurve:
    """Hold the epochs of a training, in their order."""

    epochs: tuple[Epoch, ...]

    @property
    def best(self) -> Epoch:
        """Find the epoch of the best dev F1, the latest of equals; without dev the last one."""
        scored = [epoch for epoch in self.epochs if epoch.dev_f1 is not None]
        by_f1 = sorted(scored, key=lambda epoch: epoch.dev_f1 or 0.0)
        return by_f1[-1] if by_f1 else self.epochs[-1]

    @property
    def seconds(self) -> float:
        """Sum the time of all steps."""
        return sum(epoch.seconds or 0.0 for epoch in self.epochs)

    def to_dict(self) -> dict[str, Any]:
        """Give the epochs, the number of the best one and the time, for JSON."""
        epochs = [epoch._asdict() for epoch in self.epochs]
        return {"epochs": epochs, "best_epoch": self.best.epoch, "seconds": self.seconds}


def read_curve(path: Path) -> LearningCurve | None:
    """Read `metrics.jsonl` of a run; None where there is none yet.

    Raises:
        DataError: a line is not what a training writes.
    """
    if not path.is_file():
        return None
    lines = read_utf8(path, LARGEST, DataError, "utf-8").splitlines()
    numbered = enumerate(lines, 1)
    epochs = [read_epoch(path, number, line) for number, line in numbered if line.strip()]
    return LearningCurve(tuple(epochs)) if epochs else None


def read_epoch(path: Path, number: int, line: str) -> Epoch:
    """Read the line of an epoch.

    Raises:
        DataError: it is no object, or a value no number.
    """
    values = parse_json(line, path, line=number)
    where = f"{path}:{number}"
    if not isinstance(values, dict):
        raise DataError(f"{where}: expected the metrics of an epoch, got {show(values)}")
    epoch = values.get("epoch")
    if type(epoch) is not int:
        raise DataError(f"{where}: epoch: expected a whole number, got {show(epoch)}")
    known = {name: read_number(where, values, key) for name, key in NAMES.items()}
    return Epoch(epoch, **known)


def read_number(where: str, values: Mapping[str, Any], key: str) -> float | None:
    """Read a number; None where it is missing or not finite.

    Raises:
        DataError: it is something else.
    """
    value = values.get(key)
    if value is None:
        return None
    if type(value) not in (int, float):
        raise DataError(f"{where}: {key}: expected a number, got {show(value)}")
    return float(value) if math.isfinite(value) else None
