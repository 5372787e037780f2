"""Define which settings a search tries, and check them before TensorFlow loads.

The group `tune` of a configuration is no setting of a run: `python -m tfner.train` passes it over.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal

from pydantic import Field, model_validator

from tfner.config import TUNING, RunSettings
from tfner.exceptions import ConfigError
from tfner.formats.settings import Settings
from tfner.safeio.printable import show
from tfner.safeio.sources import encoder_folder, read_size
from tfner.safeio.validation import validate
from tfner.setting_groups import usual_rate

# Groups whose settings change what is learned. Other data or seeds would be no fair comparison.
SEARCHED = ("encoder", "model", "training")
DIGITS = 3  # of a number that is drawn: more would say more than a search can know
PLAIN = (str, int, float, bool, type(None))
SPREAD = 4  # of the default space: a quarter of the learning rate to four times as much
DROPOUT = 0.3
USUAL_WIDTH = 768  # of an encoder on the hub
HEADS = ("softmax", "crf")


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


class TuneSettings(Settings):
    """Say what a search tries.

    Attributes:
        space: `group.name` of a setting -> a list of values, or `low` and `high`; None: the default
            space.
        pruner: what ends trials early that are behind the others.
    """

    space: dict[str, Any] | None = None
    pruner: Literal["median", "none"] = "median"


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


@dataclass(frozen=True)
class SearchSpace:
    """Hold the settings that are tried, and the configuration that all others are taken from."""

    base: RunSettings
    dimensions: Mapping[str, Dimension]

    def settings(self, drawn: Mapping[str, Any]) -> RunSettings:
        """Make the configuration with some values in place of its own.

        Raises:
            ConfigError: one contradicts another, such as windows that are shorter than overlaps.
        """
        values = {}
        for key, value in drawn.items():
            dimension = self.dimensions[key]
            values[key] = value
            if isinstance(dimension, Numbers):
                values[key] = dimension.rounded(value)
        return replace_settings(self.base, values, "trial")

    def values_of(self, settings: RunSettings) -> dict[str, Any]:
        """Read the values of all searched settings from a configuration."""
        return {key: read_setting(settings, key) for key in self.dimensions}

    def base_values(self) -> dict[str, Any]:
        """Read those values of the configuration as it stands that lie within the space."""
        values = self.values_of(self.base)
        return {key: value for key, value in values.items() if self.dimensions[key].holds(value)}

    def logarithmic(self) -> set[str]:
        """Name the settings whose numbers are drawn by their logarithm."""
        return {key for key, each in self.dimensions.items() if getattr(each, "log", False)}

    def describe(self) -> dict[str, Any]:
        """Describe the space as plain values, to be written down and compared."""
        described = {}
        for key, dimension in self.dimensions.items():
            if isinstance(dimension, Choices):
                described[key] = list(dimension.values)
            else:
                described[key] = dict(vars(dimension))
        return described


def read_tuning(tuning: Any, settings: RunSettings, source: str) -> tuple[SearchSpace, bool]:
    """Check the group `tune` of a configuration.

    Args:
        tuning: what stands there; None: nothing.
        settings: the configuration.
        source: its file, for messages.

    Returns:
        The space, and whether trials are ended early.

    Raises:
        ConfigError: a key is no setting that can be searched, a value none of the setting's, or a
            range is empty.
    """
    settings = fix_rate(settings)
    given = {} if tuning is None else tuning
    tune = validate({TUNING: given}, Tuning, source).tune
    space = f"{source}: {TUNING}.space"
    if tune.space is None:
        found = default_dimensions(settings)
    else:
        found = {}
        for key, tried in named_settings(tune.space):
            found[key] = read_dimension(key, tried, settings, space)
    if not found:
        raise ConfigError(f"{space}: expected at least one setting, got none")
    return SearchSpace(settings, found), tune.pruner == "median"


def check_searchable(settings: RunSettings, source: str) -> None:
    """Check that trials can be compared.

    Raises:
        ConfigError: there is no dev split to do so, or one trial is trained by many processes.
    """
    if settings.data.dev is None:
        why = "required for a search, which compares trials by their F1 on it, but not given"
        raise ConfigError(f"{source}: data.dev: {why}")
    if settings.devices == "multi_worker":
        expected = "expected a trial in one process; several processes may share a search"
        raise ConfigError(f"{source}: devices: {expected}, got multi_worker")


class Tuning(Settings):
    """Hold the group by its name, so that messages say it."""

    tune: TuneSettings


def named_settings(space: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """List settings by their whole name: a group may hold its settings, as it does elsewhere.

    >>> list(named_settings({"training": {"epochs": [2, 3]}, "model.head": ["crf"]}))
    [('training.epochs', [2, 3]), ('model.head', ['crf'])]
    """
    for key, given in space.items():
        if key in SEARCHED and isinstance(given, Mapping):
            for name, inner in given.items():
                yield f"{key}.{name}", inner
        else:
            yield key, given


def read_dimension(key: str, given: Any, settings: RunSettings, source: str) -> Dimension:
    """Check what is to be tried of one setting.

    Raises:
        ConfigError: see `read_tuning`.
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
    return read_setting(changed, key)


def read_numbers(key: str, bounds: Bounds, settings: RunSettings, source: str) -> Numbers:
    """Check that a setting takes numbers between two, and find out which: a float takes halves."""
    ends = []
    for value in (bounds.low, bounds.high):
        number = int(value) if value.is_integer() else value
        ends.append(check_value(key, number, settings, source))
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


def default_dimensions(settings: RunSettings) -> dict[str, Dimension]:
    """Choose what is tried where the configuration does not say: around its own values.

    The head's learning rate is not among them: it follows the encoder's where it is `auto`.
    """
    training, model = settings.training, settings.model
    found: dict[str, Dimension] = {}
    rate = float(training.learning_rate)
    low, high = rate / SPREAD, rate * SPREAD
    found["training.learning_rate"] = Numbers(low, high, True, None, False)
    size = training.batch_size
    smaller = max(1, size // 2)
    sizes = dict.fromkeys((smaller, size, 2 * size))
    found["training.batch_size"] = Choices(tuple(sizes))
    heads = dict.fromkeys((model.head, *HEADS))
    found["model.head"] = Choices(tuple(heads))
    most = max(DROPOUT, model.dropout)
    found["model.dropout"] = Numbers(0.0, most, False, None, False)
    epochs = training.epochs
    if epochs != "auto":
        fewer = max(1, epochs // 2)
        found["training.epochs"] = Numbers(fewer, 2 * epochs, False, None, True)
    return found


def fix_rate(settings: RunSettings) -> RunSettings:
    """Put the number that a learning rate of `auto` stands for, so that there are others around it.

    How wide an encoder on the hub is is not known here: it counts as a BERT-base.
    """
    if settings.training.learning_rate != "auto":
        return settings
    folder = encoder_folder(settings.encoder.checkpoint)
    width = read_size(folder / "config.json", "hidden_size") if folder else USUAL_WIDTH
    training = settings.training.model_copy(update={"learning_rate": usual_rate(width)})
    return settings.model_copy(update={"training": training})


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
