"""Compute what linear chains cost whose tags are known by probabilities."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from tfner.model.heads.chain import Chains, chain_costs


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
    costs_B = chain_costs(emissions_BUK, soft_tags.tags, transitions_KK, chains)
    is_unit_BU1 = tf.expand_dims(chains.is_unit, -1)
    emissions_BUK = tf.where(is_unit_BU1, emissions_BUK, 0.0)
    gold_BUK = tf.one_hot(soft_tags.tags, tf.shape(transitions_KK)[0])
    soft_BUK = tf.where(is_unit_BU1, soft_tags.soft, 0.0)
    surplus_BUK = gold_BUK - soft_BUK
    surplus_BU = tf.reduce_sum(surplus_BUK * emissions_BUK, axis=-1)
    of_pairs_BU = _pair_scores(gold_BUK, transitions_KK) - _pair_scores(soft_BUK, transitions_KK)
    has_left_BU = chains.is_unit & tf.logical_not(chains.is_first)
    surplus_BU += tf.where(has_left_BU, of_pairs_BU, 0.0)
    surplus_BU = tf.where(chains.is_unit, soft_tags.share * surplus_BU, 0.0)
    return costs_B + tf.reduce_sum(surplus_BU, axis=1)


def _pair_scores(tags_BUK: tf.Tensor, transitions_KK: tf.Tensor) -> tf.Tensor:
    """Compute the expected transition from each unit's left neighbour; float32 [B, U]."""
    left_BUK = tf.pad(tags_BUK, [[0, 0], [1, 0], [0, 0]])[:, :-1]
    onward_BUK = tf.einsum("buj,jk->buk", left_BUK, transitions_KK)
    return tf.reduce_sum(onward_BUK * tags_BUK, axis=-1)
