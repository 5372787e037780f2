"""Define the settings of a run, and load them: checked as a whole before TensorFlow loads.

A YAML file plus `key.path=value` overrides become one `RunSettings`. Every mistake is a ConfigError
that names the key.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from pydantic import Field, model_validator

from tfner.corpus.context import Context
from tfner.exceptions import ConfigError
from tfner.formats.settings import Settings
from tfner.former_settings import OLD_KEYS, rename_old_keys
from tfner.safeio.printable import show
from tfner.safeio.sources import (
    Source,
    check_encoder,
    check_source,
    check_teacher,
    prepared_folder,
)
from tfner.safeio.validation import copy_values, validate
from tfner.safeio.yaml_text import dump_yaml, parse_value, read_yaml
from tfner.setting_groups import (
    DataSettings,
    EncoderSettings,
    ExportSettings,
    ModelSettings,
    TrainingSettings,
    check_plain_loss,
)
from tfner.setting_types import PathText, RunName, check_shares

logger = logging.getLogger(__name__)
# Sentences in the mean of documents that are read like sentences: tweets have 1.4 to 1.6.
MOST_PER_DOCUMENT = 2
TUNING = "tune"  # the group of a search for settings


class RunSettings(Settings):
    """Hold everything a run needs.

    `config.yaml` in the run folder is this, resolved, and runs again as it is.
    """

    name: RunName
    seed: int = Field(default=1, ge=0, lt=2**31)
    # auto: as many as there are.
    devices: Literal["auto", "cpu", "gpu", "mirrored", "multi_worker", "tpu"] = "auto"
    labels: tuple[str, ...] | None = None
    data: DataSettings = DataSettings()
    encoder: EncoderSettings
    model: ModelSettings = ModelSettings()
    training: TrainingSettings = TrainingSettings()
    export: ExportSettings = ExportSettings()
    runs_dir: PathText = "runs"
    exports_dir: PathText = "saved_models"
    note: str = ""  # said at the end of the run

    @model_validator(mode="after")
    def check_row_length(self) -> RunSettings:
        row = self.training.row_length
        longest = self.encoder.max_length
        if row is not None and row < longest:
            expected = f"expected at least encoder.max_length, {longest}"
            raise ValueError(f"training.row_length: {expected}, got {row}")
        return self

    @model_validator(mode="after")
    def check_loss(self) -> RunSettings:
        """Refuse what the CRF would; a head of another name does so when it is built."""
        if self.model.head == "crf":
            check_plain_loss(self.training.label_smoothing, self.training.class_weights)
        return self

    @model_validator(mode="after")
    def check_shares(self) -> RunSettings:
        shares = self.data.shares()
        if shares:
            check_shares(self.data.train, shares)
        return self

    @model_validator(mode="after")
    def check_teaching(self) -> RunSettings:
        train = self.data.train or ""
        if self.training.teachers and prepared_folder(train) is not None:
            expected = "expected documents with training.teachers, which are asked for their words"
            raise ValueError(f"data.train: {expected}, got {train}")
        if self.data.unlabelled is not None and not self.training.teachers:
            raise ValueError("data.unlabelled: expected training.teachers, who label it, got none")
        return self

    def resolve_context(self, context: Context | Literal["auto"]) -> RunSettings:
        """Read sentences with `context` where that is left to the training data."""
        if self.data.context != "auto":
            return self
        data = self.data.model_copy(update={"context": context})
        return self.model_copy(update={"data": data})

    def reads_sentences(self, sentences_per_document: float | None) -> bool:
        """Tell whether a model reads raw text sentence by sentence.

        Args:
            sentences_per_document: of the training data, in the mean; None if it is not known.
        """
        if self.export.raw_text != "auto":
            return self.export.raw_text == "sentences"
        if self.data.context == "document" or sentences_per_document is None:
            return False
        return sentences_per_document <= MOST_PER_DOCUMENT

    @property
    def run_dir(self) -> Path:
        return Path(self.runs_dir) / self.name

    @property
    def export_dir(self) -> Path:
        return Path(self.exports_dir) / self.name

    def encoding_options(self) -> dict[str, Any]:
        """Collect the settings that decide how documents are cut into labelled windows."""
        lengths = self.encoder.model_dump(include={"max_length", "overlap"})
        options = {"labelling": self.model.labelling, "context": self.data.context}
        return {**lengths, **options}

    def to_yaml(self) -> str:
        """Write the whole configuration as YAML, defaults included."""
        return dump_yaml(self.model_dump(mode="json"))


def load_settings(path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> RunSettings:
    """Read a YAML file, apply `key.path=value` overrides and validate the whole.

    Raises:
        ConfigError: the file is missing or no mapping, a key is unknown, a value of the wrong type,
            or an input file missing.
    """
    settings, _ = load_with_tuning(path, overrides)
    warn_unused(settings)
    return settings


def load_with_tuning(
    path: str | os.PathLike[str], overrides: Sequence[str] = ()
) -> tuple[RunSettings, Any]:
    """Load settings as `load_settings` does, and give what stands under `tune` as it is.

    That group is no setting of a run: `tfner.tune` checks it, every other command passes it over.
    """
    settings, tuning = resolve_settings(path, overrides)
    check_inputs(settings)
    return settings, tuning


def resolve_settings(
    given: str | os.PathLike[str] | Mapping[str, Any] | RunSettings,
    overrides: Sequence[str] = (),
    data: Mapping[str, Source] = MappingProxyType({}),
) -> tuple[RunSettings, Any]:
    """Make settings of a file, a dict or other settings, without a look at the data files.

    Args:
        data: sources by split, in the place of those that the settings name.

    Returns:
        The settings, and what stands under `tune`.

    Raises:
        ConfigError: a key is unknown, or a value of the wrong type.
    """
    source = "settings"
    if isinstance(given, RunSettings):
        values = given.model_dump(mode="json", exclude_unset=True)
    elif isinstance(given, Mapping):
        values = copy_values(given)
    elif isinstance(given, (str, os.PathLike)):
        source = os.fspath(given)
        values = read_yaml(Path(source))
    else:
        expected = "expected the path of a YAML file, a dict or tfner.Settings"
        raise ConfigError(f"{source}: {expected}, got {type(given).__name__} {show(given)}")
    for notice in rename_old_keys(values):
        logger.warning("%s: %s", source, notice)
    for override in overrides:
        apply_override(values, override)
    if data:
        values["data"] = {**(values.get("data") or {}), **data}
    tuning = values.pop(TUNING, None)
    return validate(values, RunSettings, source), tuning


def override_export(settings: RunSettings, overrides: Sequence[str]) -> RunSettings:
    """Apply `key=value` overrides to the group `export`; messages name the keys as they are given.

    Raises:
        ConfigError: a key is unknown or a value of the wrong type.
    """
    values = settings.export.model_dump(mode="json", exclude_defaults=True)
    for override in overrides:
        apply_override(values, override, group="export.")
    export = validate(values, ExportSettings, "command line")
    return settings.model_copy(update={"export": export})


def apply_override(values: dict[str, Any], override: str, group: str = "") -> None:
    """Set the value that `key.path=value` names; keys begin in `group`, such as `export.`."""
    key, equals, text = override.partition("=")
    if not equals or not key:
        example = "expected key.path=value, for example training.epochs=3"
        raise ConfigError(f"{show(override)}: {example}")
    *parents, last = key.split(".")
    new = OLD_KEYS.get(f"{group}{key}")
    if new is not None:
        logger.warning("command line: %s is now %s", key, new.removeprefix(group))
        last = new.rpartition(".")[-1]
    for parent in parents:
        values = values.setdefault(parent, {})
        if not isinstance(values, dict):
            raise ConfigError(f"{key}: {parent} is a value, not a group of settings")
    values[last] = parse_value(text, key)


def warn_unused(settings: RunSettings) -> None:
    """Say in the log which settings are given that change nothing beside the others.

    A search does not ask: its trials may have another head.
    """
    training = settings.training
    rate = training.transition_learning_rate
    if settings.model.head == "softmax" and isinstance(rate, float):
        why = "changes nothing with model.head softmax, which has no transitions"
        logger.warning("training.transition_learning_rate: %g %s", rate, why)
    usual = TrainingSettings.model_fields["teacher_weight"].default
    if not training.teachers and training.teacher_weight != usual:
        why = "changes nothing without training.teachers"
        logger.warning("training.teacher_weight: %g %s", training.teacher_weight, why)


def check_inputs(settings: RunSettings) -> None:
    """Check the files that the settings name, as far as can be done without TensorFlow."""
    for split, source in settings.data.sources().items():
        check_source(f"data.{split}", source)
    for teacher in settings.training.teachers:
        check_teacher(teacher)
    check_encoder(settings.encoder.checkpoint, settings.encoder.max_length)
