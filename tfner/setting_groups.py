"""Define the groups of a run's settings: data, encoder, model, training and export.

Each is typed, frozen, and checks what it can by itself; `tfner.config` puts them together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from tfner.corpus.context import Context
from tfner.formats.settings import ReadSettings, Settings
from tfner.safeio.sources import Source, share_of
from tfner.setting_types import Epochs, HeadRate, Paths, PathText, Prior, Rate, Sources

Precision = Literal["float32", "mixed_bfloat16", "mixed_float16"]
Monitor = Literal["val_entity_f1", "val_entity_precision", "val_entity_recall", "loss"]
# The learning rate of an encoder of WIDEST dimensions and less; wider ones diverge at it.
FULL_RATE, WIDEST = 1.2e-4, 384
HEAD_RATE = 15
TRANSITION_RATE = 2e-2  # for any encoder: transitions are added to logits, not to its values
WITH_CRF = "with model.head crf; model.head softmax takes it"
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
    # document: sentences of one document (`Document.group`) are read together. auto: where the
    # training data name documents; a run writes down what that came to.
    context: Context | Literal["auto"] = "auto"

    def sources(self) -> dict[str, Source]:
        """Collect the sources of the splits that are given, by split."""
        named = {"train": self.train, "unlabelled": self.unlabelled}
        named |= {"dev": self.dev, "test": self.test}
        return {split: source for split, source in named.items() if source is not None}

    def shares(self) -> dict[str, float]:
        """Collect the splits that are taken from the training data, as fractions of it."""
        found = {split: share_of(source) for split, source in self.sources().items()}
        return {split: share for split, share in found.items() if share is not None}


def most_overlap(max_length: int) -> int:
    """Count the pieces that two windows may share, so that none lies in three."""
    return (max_length - 2) // 2


def usual_overlap(given: Mapping[str, Any]) -> int:
    """Choose how many pieces windows share where nothing is said.

    >>> [usual_overlap({"max_length": length}) for length in (128, 64, 16)]
    [32, 31, 7]
    """
    return min(32, most_overlap(given.get("max_length", 128)))


class EncoderSettings(Settings):
    """Choose the encoder and how long its windows are.

    A checkpoint is a folder, a hub name, or the folder of a run, whose tagger is trained on.
    """

    checkpoint: PathText
    initialize: Literal["pretrained", "random"] = "pretrained"
    # Of training's forward pass: our own over BERT's weights, or transformers'.
    implementation: Literal["fused", "reference"] = "fused"
    max_length: int = Field(default=128, ge=8)  # pieces of a window, [CLS] and [SEP] included
    # Pieces that neighbouring windows of a longer text share: 32, or what short windows can.
    overlap: int = Field(default_factory=usual_overlap, ge=0)

    @model_validator(mode="after")
    def check_overlap(self) -> EncoderSettings:
        most = most_overlap(self.max_length)
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


def check_plain_loss(label_smoothing: float, class_weights: object) -> None:
    """Check that nothing is asked of a CRF's loss that is not defined for a whole chain of tags.

    Raises:
        ValueError: smoothing or weights of tags are.
    """
    if label_smoothing:
        raise ValueError(f"training.label_smoothing: expected 0 {WITH_CRF}")
    if class_weights is not None:
        raise ValueError(f"training.class_weights: expected none {WITH_CRF}")


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
    # How much of how often each tag is the head begins from: 0 nothing, 1 all; auto: all where the
    # data are few, nothing where they are many.
    tag_prior: Prior = "auto"
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    # Share of the updates in which the rates rise to their peaks.
    warmup_ratio: float = Field(default=0.0, ge=0, le=1)
    weight_decay: float = Field(default=0.01, ge=0)
    clip_norm: float | None = Field(default=1.0, gt=0)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    class_weights: dict[str, float] | None = None  # by tag; tags not named weigh 1
    # Folders of exports or runs, or one; what they say of a unit, in the mean, is learned beside
    # gold.
    teachers: Paths = ()
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
    # How raw text is read: cut into sentences, each by itself, or as it is. auto: as sentences
    # where the documents of the training data are sentences.
    raw_text: Literal["auto", "sentences", "whole"] = "auto"
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
