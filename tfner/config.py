"""The settings of a run: typed, frozen, checked as a whole before TensorFlow loads.

A YAML file plus `key.path=value` overrides become one `RunSettings`. Every mistake is a ConfigError that names the key.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from tfner.exceptions import ConfigError
from tfner.formats.settings import ReadSettings, Settings
from tfner.safeio.printable import show
from tfner.safeio.sources import check_encoder, check_source
from tfner.safeio.validation import validate
from tfner.safeio.yaml_text import dump_yaml, parse_value, read_yaml

Precision = Literal["float32", "mixed_bfloat16", "mixed_float16"]
VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
PORTABLE_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")


def expand_path(value: str) -> str:
    """Replace `~` and environment variables; an unset variable is an error, not an empty string."""

    def lookup(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name not in os.environ:
            raise ValueError(f"the environment variable {name} is not set")
        return os.environ[name]

    path = str(Path(VARIABLE.sub(lookup, value)).expanduser())
    return (
        f"./{path}" if value.startswith("./") else path
    )  # by which a folder is told from a name on the hub


def check_run_name(value: str) -> str:
    """A run's name becomes a folder's name and a model's name in TensorFlow Serving."""
    if not PORTABLE_NAME.fullmatch(value):
        raise ValueError(
            f"expected letters, digits, '.', '_' and '-', beginning with a letter or digit, got {show(value)}"
        )
    return value


PathText = Annotated[str, AfterValidator(expand_path)]


class DataSettings(ReadSettings):
    """The splits: files, folders, `hub:NAME:SPLIT`, or `embedded:FILE` for what comes with the package; train may be `prepared:FOLDER`."""

    train: PathText | None = None
    dev: PathText | None = None
    test: PathText | None = None
    cache: PathText | None = (
        None  # folder for encoded corpora, so that the same one is tokenized once; None: tokenized in each run
    )


class EncoderSettings(Settings):
    """The BERT inside: a checkpoint folder or a hub name, and how long a window of pieces it is given."""

    checkpoint: PathText
    initialize: Literal["pretrained", "random"] = "pretrained"
    implementation: Literal["fused", "reference"] = (
        "fused"  # of training's forward pass: our own over BERT's weights, or transformers'
    )
    max_length: int = Field(default=128, ge=8)  # pieces of a window, [CLS] and [SEP] included
    overlap: int = Field(
        default=32, ge=0
    )  # pieces that neighbouring windows of a longer text share

    @model_validator(mode="after")
    def check_overlap(self) -> EncoderSettings:
        if 2 * self.overlap > self.max_length - 2:
            raise ValueError(
                f"overlap: at most half of max_length - 2, that is {(self.max_length - 2) // 2}, got {self.overlap}"
            )
        return self


class ModelSettings(Settings):
    """What is learned and how tags become entities."""

    labelling: Literal["word", "pretoken", "piece"] = "word"
    tag_scheme: Literal["IOB2", "BIOES"] = "IOB2"
    decoder: Literal["viterbi", "greedy"] = "viterbi"
    dropout: float = Field(
        default=0.1, ge=0, lt=1
    )  # before the tag layer; the encoder's own is in its checkpoint


def check_rising(name: str, lengths: tuple[int, ...]) -> None:
    if list(lengths) != sorted(set(lengths)) or min(lengths, default=0) < 4:
        raise ValueError(f"{name}: expected rising lengths of at least 4, got {list(lengths)}")


class TrainingSettings(Settings):
    """The optimisation. `batch_size` counts windows per update, over all devices and accumulated parts together."""

    epochs: int = Field(default=3, ge=1)
    batch_size: int = Field(default=32, ge=1)
    batching: Literal["bucketed", "packed", "padded"] = "packed"
    bucket_lengths: tuple[int, ...] = (
        8,
        16,
        24,
        32,
        40,
        48,
        56,
        64,
        80,
        96,
        112,
        128,
        160,
        192,
        256,
        320,
        384,
        448,
        512,
    )
    row_length: int | None = (
        None  # pieces of a packed row; None: as the longest window, at least 64, less for small batches
    )
    gradient_accumulation: int = Field(
        default=1, ge=1
    )  # parts a batch is worked through in: less memory, the same update
    learning_rate: float = Field(default=2e-4, gt=0)
    head_learning_rate: float | None = Field(default=None, gt=0)  # None: as learning_rate
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    warmup_ratio: float = Field(default=0.1, ge=0, le=1)
    weight_decay: float = Field(default=0.01, ge=0)
    clip_norm: float | None = Field(default=1.0, gt=0)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    class_weights: dict[str, float] | None = None  # by tag; tags not named weigh 1
    precision: Precision = "float32"
    monitor: Literal["val_entity_f1", "val_entity_precision", "val_entity_recall", "loss"] = (
        "val_entity_f1"
    )
    patience: int | None = Field(
        default=None, ge=1
    )  # epochs without a better `monitor` before stopping
    checkpoint_minutes: float | None = Field(
        default=10, gt=0
    )  # between checkpoints within an epoch; None: by steps alone
    checkpoint_steps: int | None = Field(
        default=None, ge=1
    )  # between them, if that comes first; with neither only at an epoch's end
    skipped_in_a_row: int = Field(
        default=5, ge=1
    )  # steps whose loss or gradient is not finite are skipped; so many end the run
    export_on_interrupt: bool = True
    deterministic: bool = False

    @model_validator(mode="after")
    def check_buckets(self) -> TrainingSettings:
        check_rising("bucket_lengths", self.bucket_lengths)
        return self


class ExportSettings(Settings):
    """What the SavedModel is built with."""

    enabled: bool = True
    precision: Literal["float32", "bfloat16"] = (
        "float32"  # of weights and products; outputs are float32
    )
    lengths: tuple[int, ...] | None = (
        None  # windows are padded to one of these; None: eleven, or with `xla` five
    )
    slice_pieces: int = Field(
        default=4096, ge=512
    )  # most pieces of a pass of the encoder; two are under way at once
    xla: bool = (
        False  # compile the encoder, one program a shape; a server must have XLA switched on
    )
    decoder: Literal["viterbi", "greedy"] | None = None  # None: as model.decoder
    threshold: float | dict[str, float] = (
        0.0  # entities with a lower score are none; one for all types, or one by type
    )
    max_entities: int | None = Field(
        default=None, ge=1
    )  # in the answer for one text; what is beyond it is only counted

    @model_validator(mode="after")
    def check_lengths(self) -> ExportSettings:
        check_rising("lengths", self.widths)
        return self

    @property
    def widths(self) -> tuple[int, ...]:
        """The lengths, chosen where none are set: few where each is a program to compile, more where that only saves padding."""
        if self.lengths is not None:
            return self.lengths
        return (
            (32, 64, 128, 256, 512)
            if self.xla
            else (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
        )

    @model_validator(mode="after")
    def check_threshold(self) -> ExportSettings:
        values = self.threshold.values() if isinstance(self.threshold, dict) else [self.threshold]
        if not all(0 <= value <= 1 for value in values):
            raise ValueError(
                f"threshold: expected probabilities between 0 and 1, got {self.threshold}"
            )
        return self


class RunSettings(Settings):
    """Everything a run needs; `config.yaml` in the run folder is this, resolved, and runs again as it is."""

    name: Annotated[str, AfterValidator(check_run_name)]
    seed: int = Field(default=1, ge=0, lt=2**31)
    devices: Literal["auto", "cpu", "gpu", "mirrored", "multi_worker", "tpu"] = (
        "auto"  # auto: as many as there are
    )
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
        row, longest = self.training.row_length, self.encoder.max_length
        if row is not None and row < longest:
            raise ValueError(
                f"training.row_length: expected at least encoder.max_length, {longest}, got {row}"
            )
        return self

    @property
    def run_dir(self) -> Path:
        return Path(self.runs_dir) / self.name

    @property
    def export_dir(self) -> Path:
        return Path(self.exports_dir) / self.name

    def to_yaml(self) -> str:
        """The whole configuration, defaults included."""
        return dump_yaml(self.model_dump(mode="json"))


def load_settings(path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> RunSettings:
    """Read a YAML file, apply `key.path=value` overrides and validate the whole.

    Raises:
        ConfigError: the file is missing or no mapping, a key is unknown, a value of the wrong type, or an input file missing.
    """
    values = read_yaml(Path(path))
    for override in overrides:
        apply_override(values, override)
    settings = validate(values, RunSettings, str(path))
    check_inputs(settings)
    return settings


def override_settings(settings: RunSettings, overrides: Sequence[str]) -> RunSettings:
    """The same settings but for `key.path=value` overrides.

    Raises:
        ConfigError: a key is unknown or a value of the wrong type.
    """
    values = settings.model_dump(mode="json")
    for override in overrides:
        apply_override(values, override)
    return validate(values, RunSettings, "command line")


def apply_override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(
            f"{show(override)}: expected key.path=value, for example training.epochs=3"
        )
    *parents, last = key.split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
        if not isinstance(values, dict):
            raise ConfigError(f"{key}: {parent} is a value, not a group of settings")
    values[last] = parse_value(text, key)


def check_inputs(settings: RunSettings) -> None:
    """Look at the files that the settings name, as far as can be done without TensorFlow."""
    for split in ("train", "dev", "test"):
        source = getattr(settings.data, split)
        if source is not None:
            check_source(f"data.{split}", source)
    check_encoder(settings.encoder.checkpoint, settings.encoder.max_length)
