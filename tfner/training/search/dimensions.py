"""Define what may be tried of one setting, a list of values or numbers, and read it from YAML."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

from pydantic import Field, model_validator

from tfner.config import RunSettings
from tfner.exceptions import ConfigError
from tfner.formats.settings import Settings
from tfner.safeio.printable import show
from tfner.safeio.validation import validate

# Groups whose settings change what is learned. Other data or seeds would be no fair comparison.
SEARCHED = ("encoder", "model", "training")
DIGITS = 3  # of a number that is drawn: more would say more than a search can know
PLAIN = (str, int, float, bool, type(None))


class Bounds(Settings):
    """Hold the smallest and the largest number that is tried, and how the ones between are drawn.

    `log` draws 1e-5 to 1e-4 as often as 1e-4 to 1e-3; with `step` only `low` plus multiples of it
    are drawn.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def check_order(self) -> Bounds:
        if not self.low < self.high:
            raise ValueError(f"expected low below high, got {self.low:g} and {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"low: expected a number above 0 with log, got {self.low:g}")
        if self.log and self.step is not None:
            raise ValueError("expected log or step, got both")
        return self

    @model_validator(mode="after")
    def check_step(self) -> Bounds:
        """Refuse a step beyond `high`, which leaves `low` alone."""
        step = self.step or 0.0
        width = self.high - self.low
        if step > width and not math.isclose(step, width):
            expected = f"expected at most {width:g}, which lies between low and high"
            raise ValueError(f"step: {expected}, got {step:g}")
        return self


@dataclass(frozen=True)
class Choices:
    """Try each of some values."""

    values: tuple[Any, ...]

    def holds(self, value: Any) -> bool:
        """Tell whether a value is one of them: 1 is neither True nor 1.0."""
        return any(type(each) is type(value) and each == value for each in self.values)


@dataclass(frozen=True)
class Numbers:
    """Try numbers between two; `whole` ones, or floats of DIGITS digits."""

    low: float
    high: float
    log: bool
    step: float | None
    whole: bool

    def holds(self, value: Any) -> bool:
        """Tell whether a value is a number that may be drawn."""
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        if not self.low <= value <= self.high:
            return False
        if not self.step:
            return True
        steps = (value - self.low) / self.step
        return math.isclose(steps, round(steps), abs_tol=1e-9)

    def rounded(self, value: float) -> float:
        """Round a number that was drawn, without leaving the bounds.

        >>> Numbers(5e-5, 5e-4, log=True, step=None, whole=False).rounded(0.000314159)
        0.000314
        """
        if self.whole:
            return int(value)
        digits = f"{value:.{DIGITS}g}"
        short = max(float(digits), self.low)
        return min(short, self.high)


Dimension = Choices | Numbers


def read_dimension(key: str, given: Any, settings: RunSettings, source: str) -> Dimension:
    """Check what is to be tried of one setting.

    Args:
        key: `group.name` of the setting.
        given: what stands there.
        settings: the configuration as it stands, which each value must go together with.
        source: begins messages.

    Raises:
        ConfigError: the setting cannot be searched, a value is none of it, or a range is empty.
    """
    if isinstance(given, Mapping):
        bounds = validate(given, Bounds, f"{source}: {key}")
        return read_numbers(key, bounds, settings, source)
    if not isinstance(given, list) or not given:
        expected = "expected a list of values, or low and high"
        raise ConfigError(f"{source}: {key}: {expected}, got {show(given)}")
    values = [check_value(key, value, settings, source) for value in given]
    choices = Choices(tuple(dict.fromkeys(values)))
    if len(choices.values) < 2:
        expected = "expected two values or more; one is set in its group"
        raise ConfigError(f"{source}: {key}: {expected}, got {show(given)}")
    return choices


def check_value(key: str, value: Any, settings: RunSettings, source: str) -> Any:
    """Check that a setting may have a value, and return that as the setting would hold it.

    Raises:
        ConfigError: it may not, or there is no such setting to be searched.
    """
    if not isinstance(value, PLAIN):
        raise ConfigError(f"{source}: {key}: expected plain values, got {show(value)}")
    changed = replace_settings(settings, {key: value}, source)
    group, _, name = key.partition(".")
    if group not in SEARCHED or not name:
        expected = f"expected a setting of {', '.join(SEARCHED[:-1])} or {SEARCHED[-1]}"
        raise ConfigError(f"{source}: {key}: {expected}")
    held = read_setting(changed, key)
    if not isinstance(held, PLAIN):  # a path alone stands for a list of paths
        expected = "expected a setting of plain values"
        raise ConfigError(f"{source}: {key}: {expected}, got one of {type(held).__name__}s")
    return held


def read_numbers(key: str, bounds: Bounds, settings: RunSettings, source: str) -> Numbers:
    """Check that a setting takes numbers between two, and find out which: a float takes halves."""
    ends = []
    for value in (bounds.low, bounds.high):
        number = int(value) if value.is_integer() else value
        end = check_value(key, number, settings, source)
        if isinstance(end, bool):
            expected = "expected a list of values, such as [true, false]"
            raise ConfigError(f"{source}: {key}: {expected}, got low and high")
        ends.append(end)
    middle = (bounds.low + bounds.high) / 2
    if middle.is_integer():
        middle = bounds.low + 0.5
    whole = False
    try:
        check_value(key, middle, settings, source)
    except ConfigError:
        whole = True
    step = bounds.step
    if whole and step is not None and not step.is_integer():
        raise ConfigError(f"{source}: {key}: step: expected a whole number, got {step:g}")
    low, high = ends
    return Numbers(low, high, bounds.log, step, whole)


def replace_settings(settings: RunSettings, values: Mapping[str, Any], source: str) -> RunSettings:
    """Make settings with some values in place of their own, and validate the whole.

    Raises:
        ConfigError: a key is unknown, or a value is none of its setting.
    """
    changed = settings.model_dump(mode="json")
    for key, value in values.items():
        group, _, name = key.partition(".")
        inner = changed.get(group)
        if name and isinstance(inner, dict):
            inner[name] = value
        else:
            changed[key] = value
    return validate(changed, RunSettings, source)


def read_setting(settings: RunSettings, key: str) -> Any:
    """Read the value of a setting: `training.epochs`."""
    return reduce(getattr, key.split("."), settings)
