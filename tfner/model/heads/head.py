"""Define what lies between hidden states and tags.

Here stand what a head owns, what it can be asked, and which heads exist.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tfner.evaluation.calibration import Calibration
from tfner.exceptions import ConfigError
from tfner.model.export_copy import ExportCopy
from tfner.model.heads.decoder import Decoder
from tfner.tagging.schemes import LabelSet


@dataclass(frozen=True)
class LossOptions:
    """Hold what a run may ask of a head's loss.

    Args:
        label_smoothing: share in [0, 1) of the target spread over all tags.
        class_weights: one weight a tag, or None.
        teacher_weight: the share of the teachers, in 0 to 1, in what a unit with a gold tag learns;
            None where there are no teachers.

    Raises:
        ConfigError: there are teachers beside smoothing or weights of tags.
    """

    label_smoothing: float = 0.0
    class_weights: list[float] | None = None
    teacher_weight: float | None = None

    def __post_init__(self) -> None:
        if self.teacher_weight is None:
            return
        if self.label_smoothing:
            expected = "expected 0 with training.teachers, whose labels are soft already"
            raise ConfigError(f"training.label_smoothing: {expected}, got {self.label_smoothing}")
        if self.class_weights is not None:
            raise ConfigError("training.class_weights: expected none with training.teachers")


PLAIN_LOSS = LossOptions()


@dataclass(frozen=True)
class DecoderOptions:
    """Hold what an export may ask of a head's decoder.

    Args:
        method: "viterbi" for the best legal sequence of tags, "greedy" for the best tag of each
            unit.
        threshold: entities with a lower score are none; one for all types or one by type.
        max_entities: the most entities in the answer for one text; what is beyond it is only
            counted.
        calibration: of the scores of entities, to which the threshold is held.
    """

    method: str = "viterbi"
    threshold: float | Mapping[str, float] = 0.0
    max_entities: int | None = None
    calibration: Calibration | None = None


PLAIN_DECODING = DecoderOptions()


class LossSums(NamedTuple):
    """Hold numerator and denominator of a loss on one replica.

    Their quotient, each summed over all replicas and micro-batches, is the loss.
    """

    total: tf.Tensor  # float32 scalar, the sum of what labelled units cost
    weight: tf.Tensor  # float32 scalar, the sum of their weights


class SoftTargets(NamedTuple):
    """Hold what units learn where there are teachers; where nothing is labelled it may be anything.

    y: int32 [B, T], gold tags.
    soft_labels: float32 [B, T, K], what the teachers say: rows with the sum 1.
    gold_mask: float32 [B, T], 0 where there is no gold tag, so that the teachers' word is all.
    """

    y: tf.Tensor
    soft_labels: tf.Tensor
    gold_mask: tf.Tensor

    def teachers_share(self, teacher_weight: float | None) -> tf.Tensor:
        """Give the share of the teachers in what each unit learns; float32 [B, T]."""
        share = 1.0 if teacher_weight is None else teacher_weight
        return tf.where(self.gold_mask > 0, share, 1.0)


class Head(keras.layers.Layer):
    """Turn hidden states into logits, logits into a loss, and logits into tags.

    A kind of head is a subclass in a module of this folder that calls `register`. It owns its
    variables, its loss and its decoder: nobody else asks for one. `head(hidden)` is float [B, T, H]
    -> float32 logits [B, T, K].

    Args:
        labels: the K tags.
        loss: options of the loss.
    """

    learns_soft_labels = False  # whether it has `soft_loss_sums`
    # Attributes that are its variables, and which of their axes run over tags: a run that begins
    # from a tagger takes the tags over that both have.
    tag_axes: ClassVar[Mapping[str, tuple[int, ...]]] = {}

    def __init__(self, labels: LabelSet, loss: LossOptions = PLAIN_LOSS):
        super().__init__(dtype="float32", name="head")
        self.labels = labels
        self.loss = loss

    def begin_from(self, log_prior_K: np.ndarray) -> None:
        """Begin from the log of how likely each tag is, whatever the unit; called once it is built.

        It only changes where the training begins: a head without a bias of each tag ignores it.

        Args:
            log_prior_K: float [K].
        """

    def loss_sums(
        self,
        y_BT: tf.Tensor,
        logits_BTK: tf.Tensor,
        mask_BT: tf.Tensor,
        segments_BT: tf.Tensor | None = None,
    ) -> LossSums:
        """Sum up the loss of labelled positions, on this replica alone.

        The caller divides, by the weight of the whole global batch: so the loss does not depend on
        the number of replicas or micro-batches that a batch is worked through in.

        Args:
            y_BT: tag ids, int32; where the mask is 0 they may be anything.
            logits_BTK: where the mask is 0 they may be NaN or infinite, and must reach no gradient.
            mask_BT: float32, 0 = no label; a fraction is the weight of that position.
            segments_BT: of packed rows, int32: units of different segments are no neighbours.
        """
        raise NotImplementedError

    def soft_loss_sums(
        self,
        targets: SoftTargets,
        logits_BTK: tf.Tensor,
        mask_BT: tf.Tensor,
        segments_BT: tf.Tensor | None = None,
    ) -> LossSums:
        """Sum up the loss of units that teachers label, too: the share of theirs, the rest of gold.

        A head that has it sets `learns_soft_labels`. Arguments are those of `loss_sums`; soft
        labels that say what gold says cost what gold costs.
        """
        raise NotImplementedError

    def log_probabilities(self, logits: tf.Tensor) -> tf.Tensor:
        """Turn logits [..., K] into log probabilities of tags, float32, one row a unit."""
        logits = tf.cast(logits, tf.float32)
        return tf.nn.log_softmax(logits)

    def decoder(self, options: DecoderOptions) -> Decoder:
        """Build what turns the log probabilities of a text's units into tags and entities."""
        labels = self.labels
        return Decoder(labels.tags, *labels.allowed, types=labels.types, **vars(options))

    def export_copy(self) -> ExportCopy:
        """Give what an export holds: a function from hidden states to logits, and its variables."""
        return ExportCopy(self, self.weights)


HEADS: dict[str, Callable[..., Head]] = {}


def register(name: str, kind: Callable[..., Head]) -> None:
    """Make a head known under a name of the setting `model.head`."""
    HEADS[name] = kind


def build_head(name: str, labels: LabelSet, loss: LossOptions, initializer_range: float) -> Head:
    """Build the head that a setting names.

    Raises:
        ConfigError: there is none of that name, or it cannot learn from teachers and is to.
    """
    if name not in HEADS:
        names = sorted(HEADS)
        known = ", ".join(names)
        raise ConfigError(f"model.head: expected one of {known}, got {name!r}")
    kind = HEADS[name]
    head = kind(labels, loss, initializer_range=initializer_range)
    if loss.teacher_weight is not None and not head.learns_soft_labels:
        raise ConfigError(f"training.teachers: expected none with model.head {name}")
    return head
