"""Compute what linear chains cost whose tags are known by probabilities."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from tfner.model.heads.chain import Chains, chain_costs
from tfner.model.losses import zero_unless


class SoftTags(NamedTuple):
    """Hold what B rows of units learn.

    tags: int32 [B, U], gold tags; any of 0 to K - 1 where the share is 1 or there is no unit.
    soft: float32 [B, U, K], the tags' probabilities.
    share: float32 [B, U], how much of what a unit learns is `soft`, the same within a chain.
    """

    tags: tf.Tensor
    soft: tf.Tensor
    share: tf.Tensor


def soft_chain_costs(
    emissions_BUK: tf.Tensor, soft_tags: SoftTags, transitions_KK: tf.Tensor, chains: Chains
) -> tf.Tensor:
    """Compute minus the log probability of each row's tags, as expected; float32 [B].

    (1 - share) of it is that of the gold tags, share of it that of tags which are drawn unit by
    unit from `soft`. All sequences of tags have one sum over paths in common, so this is
    `chain_costs` of any tags, plus the share of what those score more than the drawn ones are
    expected to: no second recursion. Arguments are those of `chain_costs`.

    Two units are equally likely either tag to the teacher, and 2 to 1 to this chain:

        >>> chains = Chains(tf.constant([[True, True]]), tf.constant([[True, False]]))
        >>> soft_tags = SoftTags(tf.constant([[0, 0]]), tf.fill([1, 2, 2], 0.5), tf.ones([1, 2]))
        >>> emissions = tf.math.log([[[2.0, 1.0], [2.0, 1.0]]])
        >>> cost_B = soft_chain_costs(emissions, soft_tags, tf.zeros([2, 2]), chains)
        >>> print(cost_B.numpy().round(3))       # of each unit, (log(3 / 2) + log(3)) / 2
        [1.504]
    """
    tags_BU, soft_BUK, share_BU = soft_tags
    is_unit_BU = chains.is_unit
    costs_B = chain_costs(emissions_BUK, tags_BU, transitions_KK, chains)
    is_unit_BU1 = tf.expand_dims(is_unit_BU, -1)
    emissions_BUK = zero_unless(is_unit_BU1, emissions_BUK)
    soft_BUK = zero_unless(is_unit_BU1, soft_BUK)
    tag_count = tf.shape(transitions_KK)[0]
    gold_BUK = tf.one_hot(tags_BU, tag_count)
    drawn_BU = _dot(soft_BUK, emissions_BUK)
    surplus_BU = _dot(gold_BUK, emissions_BUK) - drawn_BU
    drawn_pairs_BU = _pair_scores(soft_BUK, transitions_KK)
    of_pairs_BU = _pair_scores(gold_BUK, transitions_KK) - drawn_pairs_BU
    surplus_BU += zero_unless(chains.has_left, of_pairs_BU)
    shared_BU = share_BU * surplus_BU
    shared_BU = zero_unless(is_unit_BU, shared_BU)
    return costs_B + tf.reduce_sum(shared_BU, axis=1)


def _pair_scores(tags_BUK: tf.Tensor, transitions_KK: tf.Tensor) -> tf.Tensor:
    """Compute the expected transition from each unit's left neighbour; float32 [B, U]."""
    before = [[0, 0], [1, 0], [0, 0]]
    padded_BUK = tf.pad(tags_BUK, before)
    left_BUK = padded_BUK[:, :-1]
    onward_BUK = tf.einsum("buj,jk->buk", left_BUK, transitions_KK)
    return _dot(onward_BUK, tags_BUK)


def _dot(one_BUK: tf.Tensor, other_BUK: tf.Tensor) -> tf.Tensor:
    """Multiply and sum over tags; [B, U, K] -> [B, U]."""
    products_BUK = one_BUK * other_BUK
    return tf.reduce_sum(products_BUK, axis=-1)
