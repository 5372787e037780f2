"""Define the settings of a run: typed, frozen, checked as a whole before TensorFlow loads.

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
from tfner.formats.settings import ReadSettings, Settings
from tfner.safeio.printable import show
from tfner.safeio.sources import (
    Source,
    check_encoder,
    check_source,
    check_teacher,
    prepared_folder,
    share_of,
)
from tfner.safeio.validation import copy_values, validate
from tfner.safeio.yaml_text import dump_yaml, parse_value, read_yaml
from tfner.setting_types import (
    Epochs,
    HeadRate,
    PathText,
    Rate,
    RunName,
    Sources,
    check_shares,
)

logger = logging.getLogger(__name__)
Precision = Literal["float32", "mixed_bfloat16", "mixed_float16"]
Monitor = Literal["val_entity_f1", "val_entity_precision", "val_entity_recall", "loss"]
# Keys of earlier versions and what they are called now, in the same group.
OLD_KEYS = {"export.slice_pieces": "export.max_pieces_per_pass"}
TUNING = "tune"  # the group of a search for settings
# The learning rate of an encoder of WIDEST dimensions and less; wider ones diverge at it.
FULL_RATE, WIDEST = 1.2e-4, 384
HEAD_RATE = 15
TRANSITION_RATE = 2e-2  # for any encoder: transitions are added to logits, not to its values
# What earlier versions took where a key was not given; their runs go on with it.
FORMER_DEFAULTS = {
    "training.epochs": 3,
    "training.learning_rate": 2e-4,
    "training.head_learning_rate": None,
    "training.transition_learning_rate": None,
    "export.calibrate": False,
    "model.head": "softmax",
    "model.keep_head": False,
}
# What versions did that wrote no such key into the config.yaml of a run.
BEFORE_THE_KEY = {
    "export.calibrate": False,
    "model.head": "softmax",
    "model.keep_head": False,
    "training.transition_learning_rate": None,
}
BUCKET_LENGTHS = (*range(8, 64, 8), *range(64, 128, 16), 128, 160, 192, *range(256, 513, 64))


class DataSettings(ReadSettings):
    """Name the splits: files, folders, `hub:NAME:SPLIT`, or `embedded:FILE` of this package.

    Several are a list; `more/*.conll` stands for the files that match. Train may also be
    `prepared:FOLDER`, dev and test a share of train such as `10%`.
    """

    train: Sources | None = None
    dev: Sources | None = None
    test: Sources | None = None
    # Text without marks, or whose marks are ignored, which `training.teachers` label.
    unlabelled: Sources | None = None
    # Folder for encoded corpora, so that the same one is tokenized once; None: in each run.
    cache: PathText | None = None
    # document: sentences of one document (`Document.group`) are read together.
    context: Context = "none"

    def sources(self) -> dict[str, Source]:
        """Collect the sources of the splits that are given, by split."""
        named = {"train": self.train, "unlabelled": self.unlabelled}
        named |= {"dev": self.dev, "test": self.test}
        return {split: source for split, source in named.items() if source is not None}

    def shares(self) -> dict[str, float]:
        """Collect the splits that are taken from the training data, as fractions of it."""
        found = {split: share_of(source) for split, source in self.sources().items()}
        return {split: share for split, share in found.items() if share is not None}


class EncoderSettings(Settings):
    """Choose the encoder and how long its windows are.

    A checkpoint is a folder, a hub name, or the folder of a run, whose tagger is trained on.
    """

    checkpoint: PathText
    initialize: Literal["pretrained", "random"] = "pretrained"
    # Of training's forward pass: our own over BERT's weights, or transformers'.
    implementation: Literal["fused", "reference"] = "fused"
    max_length: int = Field(default=128, ge=8)  # pieces of a window, [CLS] and [SEP] included
    # Pieces that neighbouring windows of a longer text share.
    overlap: int = Field(default=32, ge=0)

    @model_validator(mode="after")
    def check_overlap(self) -> EncoderSettings:
        most = (self.max_length - 2) // 2
        if self.overlap > most:
            half = f"at most half of max_length - 2, that is {most}"
            raise ValueError(f"overlap: {half}, got {self.overlap}")
        return self


class ModelSettings(Settings):
    """Say what is learned and how tags become entities."""

    head: str = "crf"  # what turns hidden states into tags: a name of the registry of heads
    # Where encoder.checkpoint is a tagger: go on with what its head has of the same tags.
    keep_head: bool = True
    labelling: Literal["word", "pretoken", "piece"] = "word"
    tag_scheme: Literal["IOB2", "BIOES"] = "IOB2"
    decoder: Literal["viterbi", "greedy"] = "viterbi"
    # Before the head; the encoder's own is in its checkpoint.
    dropout: float = Field(default=0.1, ge=0, lt=1)


def check_rising(name: str, lengths: tuple[int, ...]) -> None:
    rising = list(lengths) == sorted(set(lengths))
    if not rising or min(lengths, default=0) < 4:
        raise ValueError(f"{name}: expected rising lengths of at least 4, got {list(lengths)}")


def usual_rate(hidden_size: int) -> float:
    """Choose the learning rate of an encoder by its width.

    It falls with the square of the width, which gives what is usual for BERT-base and BERT-large.

    >>> [f"{usual_rate(width):.1e}" for width in (128, 384, 768, 1024)]
    ['1.2e-04', '1.2e-04', '3.0e-05', '1.7e-05']
    """
    share = min(1.0, WIDEST / hidden_size)
    return FULL_RATE * share * share


class TrainingSettings(Settings):
    """Set the optimisation.

    `batch_size` counts windows an update, over all devices and accumulated micro-batches together;
    where sentences are read together, as many as hold about so many sentences.
    """

    # auto: as many as give `min_updates` updates, three at least.
    epochs: Epochs = "auto"
    min_updates: int = Field(default=300, ge=1)
    batch_size: int = Field(default=32, ge=1)
    batching: Literal["bucketed", "packed", "padded"] = "packed"
    bucket_lengths: tuple[int, ...] = BUCKET_LENGTHS
    # Pieces of a packed row; None: as the longest window, at least 64, less for small batches.
    row_length: int | None = None
    # Micro-batches that a batch is worked through in: less memory, the same update.
    gradient_accumulation: int = Field(default=1, ge=1)
    # Of the encoder, at its peak; auto: by the encoder's width.
    learning_rate: Rate = "auto"
    # auto: HEAD_RATE times learning_rate, because a head begins from nothing; null: the same.
    head_learning_rate: HeadRate = "auto"
    # Of a CRF's transitions. auto: TRANSITION_RATE, because they begin at 0 and must become large;
    # null: as the head's.
    transition_learning_rate: HeadRate = "auto"
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    warmup_ratio: float = Field(default=0.1, ge=0, le=1)
    weight_decay: float = Field(default=0.01, ge=0)
    clip_norm: float | None = Field(default=1.0, gt=0)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    class_weights: dict[str, float] | None = None  # by tag; tags not named weigh 1
    # Exported or run folders; what they say of each unit, in the mean, is learned beside gold.
    teachers: tuple[PathText, ...] = ()
    # Share of the teachers in what a unit with a gold tag learns; the rest is gold's.
    teacher_weight: float = Field(default=0.5, ge=0, le=1)
    precision: Precision = "float32"
    monitor: Monitor = "val_entity_f1"
    # Epochs without a better `monitor` before stopping.
    patience: int | None = Field(default=None, ge=1)
    # Between checkpoints within an epoch; None: by steps alone.
    checkpoint_minutes: float | None = Field(default=10, gt=0)
    # Between them, if that comes first; with neither only at an epoch's end.
    checkpoint_steps: int | None = Field(default=None, ge=1)
    # Steps whose loss or gradient is not finite are skipped; so many end the run.
    skipped_in_a_row: int = Field(default=5, ge=1)
    export_on_interrupt: bool = True
    deterministic: bool = False

    def optimizer_options(self, hidden_size: int) -> dict[str, Any]:
        """Collect what `build_optimizer` takes besides the number of updates.

        Args:
            hidden_size: of the encoder.
        """
        names = {"schedule", "warmup_ratio", "weight_decay", "clip_norm"}
        rate = self.learning_rate
        head_rate = self.head_learning_rate
        transition_rate = self.transition_learning_rate
        if rate == "auto":
            rate = usual_rate(hidden_size)
        if head_rate == "auto":
            head_rate = HEAD_RATE * rate
        if transition_rate == "auto":
            transition_rate = TRANSITION_RATE
        rates = {"learning_rate": rate, "head_learning_rate": head_rate}
        rates["transition_learning_rate"] = transition_rate
        return {**self.model_dump(include=names), **rates}

    @model_validator(mode="after")
    def check_buckets(self) -> TrainingSettings:
        check_rising("bucket_lengths", self.bucket_lengths)
        return self


class ExportSettings(Settings):
    """Say how the SavedModel is built."""

    enabled: bool = True
    # Of weights and products; outputs are float32.
    precision: Literal["float32", "bfloat16"] = "float32"
    # Windows are padded to one of these; None: eleven, or with `xla` five.
    lengths: tuple[int, ...] | None = None
    # Most pieces of a pass of the encoder; two are under way at once.
    max_pieces_per_pass: int = Field(default=4096, ge=512)
    # Compile the encoder, one program a shape; a server must have XLA switched on.
    xla: bool = False
    decoder: Literal["viterbi", "greedy"] | None = None  # None: as model.decoder
    # Fit on dev what turns scores of entities into the chance that they are right.
    calibrate: bool = True
    # Entities with a lower score are none; one for all types, or one by type.
    threshold: float | dict[str, float] = 0.0
    # In the answer for one text; what is beyond it is only counted.
    max_entities: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def check_lengths(self) -> ExportSettings:
        check_rising("lengths", self.widths)
        return self

    @property
    def widths(self) -> tuple[int, ...]:
        """Choose the lengths where none are set: few where each is a program to compile."""
        if self.lengths is not None:
            return self.lengths
        if self.xla:
            return (32, 64, 128, 256, 512)
        return (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)

    @model_validator(mode="after")
    def check_threshold(self) -> ExportSettings:
        values = self.threshold.values() if isinstance(self.threshold, dict) else [self.threshold]
        if not all(0 <= value <= 1 for value in values):
            expected = "expected probabilities between 0 and 1"
            raise ValueError(f"threshold: {expected}, got {self.threshold}")
        return self


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


def rename_old_keys(values: dict[str, Any]) -> list[str]:
    """Rename keys of earlier versions in place; return a notice for each that is there.

    >>> values = {"export": {"slice_pieces": 512}}
    >>> rename_old_keys(values)
    ['export.slice_pieces is now export.max_pieces_per_pass']
    >>> values
    {'export': {'max_pieces_per_pass': 512}}

    Raises:
        ConfigError: a setting is given by its old and by its new key.
    """
    notices = []
    for old, new in OLD_KEYS.items():
        (group_name, old_key), new_key = old.split("."), new.split(".")[-1]
        group = values.get(group_name)
        if not isinstance(group, dict) or old_key not in group:
            continue
        if new_key in group:
            raise ConfigError(f"{old}: is now {new}, which is given too")
        group[new_key] = group.pop(old_key)
        notices.append(f"{old} is now {new}")
    return notices


def add_former_values(values: dict[str, Any]) -> None:
    """Add in place, to what a run folder holds, the keys that its version did not know.

    >>> values = {"export": {"xla": True}}
    >>> add_former_values(values)
    >>> values["export"]
    {'xla': True, 'calibrate': False}
    """
    for key, former in BEFORE_THE_KEY.items():
        group_name, name = key.split(".")
        group = values.setdefault(group_name, {})
        if isinstance(group, dict):
            group.setdefault(name, former)


def check_inputs(settings: RunSettings) -> None:
    """Check the files that the settings name, as far as can be done without TensorFlow."""
    for split, source in settings.data.sources().items():
        check_source(f"data.{split}", source)
    for teacher in settings.training.teachers:
        check_teacher(teacher)
    check_encoder(settings.encoder.checkpoint, settings.encoder.max_length)
