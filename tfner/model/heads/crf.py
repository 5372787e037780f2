"""Learn which tags follow each other: a linear-chain conditional random field over the units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import tensorflow as tf

from tfner.exceptions import ConfigError
from tfner.model.entity_marks import left_align
from tfner.model.heads.chain import Chains, chain_costs
from tfner.model.heads.chain_decoder import ChainDecoder
from tfner.model.heads.head import (
    PLAIN_LOSS,
    DecoderOptions,
    LossOptions,
    LossSums,
    SoftTargets,
    register,
)
from tfner.model.heads.soft_chain import SoftTags, soft_chain_costs
from tfner.model.heads.softmax import SoftmaxHead
from tfner.setting_groups import check_plain_loss
from tfner.tagging.schemes import LabelSet


class CrfHead(SoftmaxHead):
    """Learn the tags of a text as a whole (Lafferty et al. 2001, Lample et al. 2016).

    The units that learn a tag are a chain, whatever lies between them; in a packed row each text is
    one of its own, and so is each window of a long text, whose first and last unit have no
    transition across its border. The loss is divided by units, as the softmax's is, so that both
    have the same scale.

    Args:
        labels: the K tags.
        loss: must be plain: neither smoothing nor weights of tags are defined for a whole chain.
        initializer_range: standard deviation of the kernel's first values.

    Raises:
        ConfigError: the loss is not plain.
    """

    tag_axes: ClassVar[Mapping[str, tuple[int, ...]]] = {
        **SoftmaxHead.tag_axes,
        "transitions": (0, 1),
    }

    def __init__(
        self, labels: LabelSet, loss: LossOptions = PLAIN_LOSS, *, initializer_range: float = 0.02
    ):
        try:
            check_plain_loss(loss.label_smoothing, loss.class_weights)
        except ValueError as error:
            raise ConfigError(str(error)) from None
        super().__init__(labels, loss, initializer_range=initializer_range)

    def build(self, input_shape: tf.TensorShape) -> None:
        """Create kernel [H, K], bias [K] and transitions [K, K]."""
        super().build(input_shape)
        tags = len(self.labels.tags)
        self.transitions = self.add_weight("transitions", [tags, tags], initializer="zeros")

    def loss_sums(
        self,
        y_BT: tf.Tensor,
        logits_BTK: tf.Tensor,
        mask_BT: tf.Tensor,
        segments_BT: tf.Tensor | None = None,
    ) -> LossSums:
        """Sum up minus the log probability of each chain; a unit counts or does not."""
        is_unit_BT = mask_BT > 0
        position_BU, chains = align_units(is_unit_BT, segments_BT)
        emissions_BUK = tf.gather(logits_BTK, position_BU, batch_dims=1)
        tags_BU = tf.gather(y_BT, position_BU, batch_dims=1)
        tags_BU = tf.where(chains.is_unit, tags_BU, 0)
        costs_B = chain_costs(emissions_BUK, tags_BU, self.transitions, chains)
        weight = tf.reduce_sum(tf.cast(is_unit_BT, tf.float32))
        return LossSums(tf.reduce_sum(costs_B), weight)

    def soft_loss_sums(
        self,
        targets: SoftTargets,
        logits_BTK: tf.Tensor,
        mask_BT: tf.Tensor,
        segments_BT: tf.Tensor | None = None,
    ) -> LossSums:
        """Sum up what each chain is expected to cost where its tags are drawn as the targets say.

        (1 - share) of that is gold's chain, share of it chains of which each unit's tag is drawn
        from its soft label, independently of the others: what a teacher with a softmax says of a
        text as a whole, and of a teacher with a CRF all that its marginals tell.
        """
        is_unit_BT = mask_BT > 0
        position_BU, chains = align_units(is_unit_BT, segments_BT)

        def aligned(values: tf.Tensor) -> tf.Tensor:
            return tf.gather(values, position_BU, batch_dims=1)

        teacher_weight = self.loss.teacher_weight
        share_BT = targets.teachers_share(teacher_weight)
        tags_BU = aligned(targets.y)
        tags_BU = tf.where(chains.is_unit, tags_BU, 0)
        soft_BUK = aligned(targets.soft_labels)
        soft_tags = SoftTags(tags_BU, soft_BUK, aligned(share_BT))
        emissions_BUK = aligned(logits_BTK)
        transitions_KK = self.transitions
        costs_B = soft_chain_costs(emissions_BUK, soft_tags, transitions_KK, chains)
        total = tf.reduce_sum(costs_B)
        counted_BT = tf.cast(is_unit_BT, tf.float32)
        weight = tf.reduce_sum(counted_BT)
        return LossSums(total, weight)

    def decoder(self, options: DecoderOptions) -> ChainDecoder:
        """Build the decoder of a text's units as one chain."""
        labels = self.labels
        settings = {"types": labels.types, **vars(options)}
        return ChainDecoder(self.transitions, labels.tags, *labels.allowed, **settings)


def align_units(is_unit_BT: tf.Tensor, segments_BT: tf.Tensor | None) -> tuple[tf.Tensor, Chains]:
    """Move the units of each row to its front, where neighbours of a chain are neighbours.

    Shapes are static, as XLA wants them. Two texts in a row, with a piece between that is no unit:

        >>> is_unit, segments = tf.constant([[True, False, True, True]]), [[1, 1, 1, 2]]
        >>> position, chains = align_units(is_unit, tf.constant(segments))
        >>> position.numpy().tolist()
        [[0, 2, 3, 0]]
        >>> [marks.numpy().astype(int).tolist() for marks in chains]
        [[[1, 1, 1, 0]], [[1, 0, 1, 0]]]

    Returns:
        The position in its row that each unit had, int32 [B, T], and the chains.
    """
    position_T = tf.range(tf.shape(is_unit_BT)[1])
    position_BT = tf.broadcast_to(position_T, tf.shape(is_unit_BT))
    aligned_BU = left_align(position_BT, is_unit_BT)
    is_unit_BU = aligned_BU >= 0
    position_BU = tf.maximum(aligned_BU, 0)
    segments_BT = tf.zeros_like(position_BT) if segments_BT is None else segments_BT
    segment_BU = tf.gather(segments_BT, position_BU, batch_dims=1)
    left_BU = tf.pad(segment_BU, [[0, 0], [1, 0]], constant_values=-1)[:, :-1]
    return position_BU, Chains(is_unit_BU, is_unit_BU & (segment_BU != left_BU))


register("crf", CrfHead)
