"""Define which settings a search tries, and check them before TensorFlow loads.

The group `tune` of a configuration is no setting of a run: `python -m tfner.train` passes it over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tfner.config import TUNING, RunSettings
from tfner.exceptions import ConfigError
from tfner.formats.settings import Settings
from tfner.safeio.validation import validate
from tfner.training.search.dimensions import (
    SEARCHED,
    Choices,
    Dimension,
    Numbers,
    read_dimension,
    read_setting,
    replace_settings,
)
from tfner.training.search.rates import RATE, check_rates, rate_of

SPREAD = 4  # of the default space: a quarter of the learning rate to four times as much
DROPOUT = 0.3
HEAD = "model.head"
HEADS = ("softmax", "crf")  # of tfner itself; others are known once TensorFlow is loaded


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
class SearchSpace:
    """Hold the settings that are tried, and the configuration that all others are taken from.

    Attributes:
        rate: the configuration's learning rate as a number, where numbers of it are tried; else
            None. By it a configuration with `auto` is compared with what is drawn.
    """

    base: RunSettings
    dimensions: Mapping[str, Dimension]
    rate: float | None = None

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
        values = {key: read_setting(settings, key) for key in self.dimensions}
        if values.get(RATE) == "auto" and self.rate is not None:
            values[RATE] = self.rate
        return values

    def base_values(self) -> dict[str, Any]:
        """Read those values of the configuration as it stands that lie within the space."""
        values = self.values_of(self.base)
        return {key: value for key, value in values.items() if self.dimensions[key].holds(value)}

    def heads(self) -> set[str]:
        """Name the heads of all trials."""
        drawn = self.dimensions.get(HEAD)
        names = drawn.values if isinstance(drawn, Choices) else ()
        return {self.base.model.head, *names}

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
        ModelError: numbers of the learning rate are tried, and how wide the encoder is, by which
            it goes, cannot be had from the hub.
    """
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
    check_rates(found, space)
    rate = rate_of(settings) if isinstance(found.get(RATE), Numbers) else None
    return SearchSpace(settings, found, rate), tune.pruner == "median"


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


def default_dimensions(settings: RunSettings) -> dict[str, Dimension]:
    """Choose what is tried where the configuration does not say: around its own values.

    The head's learning rate is not among them: it follows the encoder's where it is `auto`.
    """
    training, model = settings.training, settings.model
    found: dict[str, Dimension] = {}
    rate = rate_of(settings)
    low, high = rate / SPREAD, rate * SPREAD
    found[RATE] = Numbers(low, high, True, None, False)
    size = training.batch_size
    smaller = max(1, size // 2)
    sizes = dict.fromkeys((smaller, size, 2 * size))
    found["training.batch_size"] = Choices(tuple(sizes))
    heads = usable_heads(settings)
    if len(heads) > 1:
        found[HEAD] = Choices(heads)
    most = max(DROPOUT, model.dropout)
    found["model.dropout"] = Numbers(0.0, most, False, None, False)
    epochs = training.epochs
    if epochs != "auto":
        fewer = max(1, epochs // 2)
        found["training.epochs"] = Numbers(fewer, 2 * epochs, False, None, True)
    return found


def usable_heads(settings: RunSettings) -> tuple[str, ...]:
    """List the configured head and those of HEADS that go together with the other settings."""
    heads = [settings.model.head]
    for head in HEADS:
        try:
            replace_settings(settings, {HEAD: head}, "trial")
        except ConfigError:
            continue
        heads.append(head)
    return tuple(dict.fromkeys(heads))
