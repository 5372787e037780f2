"""Sum over all tag sequences of linear chains: costs with their gradient, and marginals.

A chain is the labelled units of one text. A row may hold several chains on end, between which no
transition counts. All is in log space and float32, and what a unit adds is normalized at once, so
that neither the length of a chain nor the size of its scores costs digits.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf


class Chains(NamedTuple):
    """Hold where units stand in B rows; bool [B, U] each."""

    is_unit: tf.Tensor  # False behind the last unit of a row
    is_first: tf.Tensor  # of its chain

    @property
    def is_last(self) -> tf.Tensor:
        """Mark the last unit of each chain; bool [B, U].

        >>> is_unit = tf.constant([[True, True, True, False]])
        >>> chains = Chains(is_unit, tf.constant([[True, False, True, False]]))
        >>> chains.is_last.numpy().astype(int).tolist()
        [[0, 1, 1, 0]]
        """
        next_is_unit = _from_the_right(self.is_unit)
        next_is_first = _from_the_right(self.is_first)
        ends = tf.logical_not(next_is_unit) | next_is_first
        return self.is_unit & ends


class PathSums(NamedTuple):
    """Hold logarithms of sums over paths, units first, float32."""

    # Over the paths from the left that end in each tag, its emission included; each unit's are
    # normalized. [U, B, K]
    left: tf.Tensor
    right: tf.Tensor  # the same over the paths from the right, [U, B, K]
    log_norm: tf.Tensor  # what `left` was divided by, 0 where there is no unit, [U, B]


def chain_costs(
    emissions_BUK: tf.Tensor, tags_BU: tf.Tensor, transitions_KK: tf.Tensor, chains: Chains
) -> tf.Tensor:
    """Compute minus the log probability of the tags of each row (Lafferty et al. 2001).

    The gradient is written out, from marginals: a tape through the recursion would be slow. NaN
    where there is no unit reaches neither costs nor gradient.

    Args:
        emissions_BUK: float32, what each tag scores at each unit.
        tags_BU: int32, the gold tags; where there is no unit any of 0 to K - 1.
        transitions_KK: float32, what the tag of the column scores after that of the row.
        chains: where the units are.

    Returns:
        float32 [B], summed over the chains of a row. Where two tags always score alike, a unit
        costs log(2) = 0.693:

        >>> chains = Chains(tf.constant([[True, True]]), tf.constant([[True, False]]))
        >>> cost_B = chain_costs(tf.zeros([1, 2, 2]), tf.constant([[0, 1]]), tf.eye(2) * 0, chains)
        >>> round(float(cost_B[0]), 3)
        1.386
    """
    is_unit_BU1 = tf.expand_dims(chains.is_unit, -1)
    emissions_BUK = tf.where(is_unit_BU1, emissions_BUK, 0.0)
    tag_count = tf.shape(transitions_KK)[0]
    has_left_BU = chains.is_unit & tf.logical_not(chains.is_first)
    pair_BU = _from_the_left(tags_BU) * tag_count + tags_BU
    pair_BU = tf.where(has_left_BU, pair_BU, 0)

    @tf.custom_gradient
    def costs(emissions_BUK: tf.Tensor, transitions_KK: tf.Tensor) -> Any:
        sums = sum_paths(emissions_BUK, transitions_KK, chains)
        log_partition_B = tf.reduce_sum(sums.log_norm, axis=0)
        gold_BU = tf.gather(emissions_BUK, tags_BU, batch_dims=2)
        of_pairs_BU = tf.gather(tf.reshape(transitions_KK, [-1]), pair_BU)
        gold_BU += tf.where(has_left_BU, of_pairs_BU, 0.0)
        gold_BU = tf.where(chains.is_unit, gold_BU, 0.0)

        def gradient(upstream_B: tf.Tensor):
            expected_BUK = unit_marginals(emissions_BUK, sums)
            gold_BUK = tf.one_hot(tags_BU, tag_count)
            surplus_BUK = tf.where(is_unit_BU1, expected_BUK - gold_BUK, 0.0)
            weight_BU = tf.where(has_left_BU, upstream_B[:, None], 0.0)
            pairs_KK = expected_pairs(transitions_KK, sums, weight_BU)
            gold = tf.math.unsorted_segment_sum(weight_BU, pair_BU, tag_count * tag_count)
            surplus_KK = pairs_KK - tf.reshape(gold, tf.shape(transitions_KK))
            return upstream_B[:, None, None] * surplus_BUK, surplus_KK

        return log_partition_B - tf.reduce_sum(gold_BU, axis=1), gradient

    return costs(emissions_BUK, transitions_KK)


def sum_paths(emissions_BUK: tf.Tensor, transitions_KK: tf.Tensor, chains: Chains) -> PathSums:
    """Sum over the paths to each unit from both ends, in one recursion over U steps.

    The rows and their mirror images stand one above the other: a chain read from its end has the
    transitions transposed.
    """
    rows = tf.shape(emissions_BUK)[0]
    is_unit_UR = _with_mirror_image(chains.is_unit, chains.is_unit)
    begins_UR = _with_mirror_image(chains.is_first, chains.is_last)
    emissions_URK = _with_mirror_image(emissions_BUK, emissions_BUK)
    onward_2KK = tf.stack([transitions_KK, tf.transpose(transitions_KK)])
    onward_RKK = tf.repeat(onward_2KK, rows, axis=0)
    units = tf.shape(emissions_URK)[0]
    shape = emissions_URK.shape[1:]
    paths = tf.TensorArray(tf.float32, units, element_shape=shape)
    norms = tf.TensorArray(tf.float32, units, element_shape=shape[:1])

    def is_left(unit, *_):
        return unit < units

    def step(unit, before_RK, paths, norms):
        arriving_RK = tf.reduce_logsumexp(before_RK[:, :, None] + onward_RKK, axis=1)
        arriving_RK = tf.where(begins_UR[unit][:, None], 0.0, arriving_RK)
        after_RK = arriving_RK + emissions_URK[unit]
        norm_R = tf.reduce_logsumexp(after_RK, axis=1)
        is_unit_R = is_unit_UR[unit]
        after_RK = tf.where(is_unit_R[:, None], after_RK - norm_R[:, None], before_RK)
        norm_R = tf.where(is_unit_R, norm_R, 0.0)
        return unit + 1, after_RK, paths.write(unit, after_RK), norms.write(unit, norm_R)

    start = (0, tf.zeros_like(emissions_URK[0]), paths, norms)
    _, _, paths, norms = tf.while_loop(is_left, step, start)
    paths_URK, norms_UR = paths.stack(), norms.stack()
    right_UBK = tf.reverse(paths_URK[:, rows:], [0])
    return PathSums(paths_URK[:, :rows], right_UBK, norms_UR[:, :rows])


def unit_marginals(emissions_BUK: tf.Tensor, sums: PathSums) -> tf.Tensor:
    """Compute the probability of each tag at each unit over all sequences; float32 [B, U, K].

    Where there is no unit they have no meaning.

        >>> emissions = tf.constant([[[0.0, 0.0], [2.0, 0.0]]])
        >>> chains = Chains(tf.constant([[True, True]]), tf.constant([[True, False]]))
        >>> alike = tf.constant([[5.0, 0.0], [0.0, 5.0]])             # a tag follows itself
        >>> sums = sum_paths(emissions, alike, chains)
        >>> print(unit_marginals(emissions, sums)[0].numpy().round(2))
        [[0.88 0.12]
         [0.88 0.12]]
    """
    both_UBK = sums.left + sums.right
    both_BUK = tf.transpose(both_UBK, [1, 0, 2]) - emissions_BUK  # which both hold
    return tf.nn.softmax(both_BUK)


def expected_pairs(transitions_KK: tf.Tensor, sums: PathSums, weight_BU: tf.Tensor) -> tf.Tensor:
    """Sum up the probabilities of each pair of neighbouring tags, weighted by unit.

    Args:
        transitions_KK, sums: of the chains.
        weight_BU: 0 where a unit has no left neighbour.

    Returns:
        float32 [K, K].
    """
    left_UBK = sums.left[:-1]
    right_UBK = sums.right[1:]
    left_UBK1 = tf.expand_dims(left_UBK, -1)
    right_UB1K = tf.expand_dims(right_UBK, -2)
    pairs_UBKK = left_UBK1 + transitions_KK + right_UB1K
    log_total_UB = tf.reduce_logsumexp(pairs_UBKK, axis=[2, 3])
    shares_UBKK = tf.exp(pairs_UBKK - log_total_UB[..., None, None])
    return tf.einsum("bu,ubjk->jk", weight_BU[:, 1:], shares_UBKK)


def _with_mirror_image(left_BU: tf.Tensor, right_BU: tf.Tensor) -> tf.Tensor:
    """Put rows and mirrored rows one above the other, units first: [B, U, ...] -> [U, 2 B, ...].

    >>> _with_mirror_image(tf.constant([[1, 2, 3]]), tf.constant([[1, 2, 3]])).numpy().tolist()
    [[1, 3], [2, 2], [3, 1]]
    """
    both = tf.concat([left_BU, tf.reverse(right_BU, [1])], axis=0)
    rest = list(range(2, both.shape.rank))
    return tf.transpose(both, [1, 0, *rest])


def _from_the_left(values_BU: tf.Tensor) -> tf.Tensor:
    """Give each unit its left neighbour's value, 0 or False at the edge."""
    return tf.pad(values_BU, [[0, 0], [1, 0]])[:, :-1]


def _from_the_right(values_BU: tf.Tensor) -> tf.Tensor:
    """Give each unit its right neighbour's value, 0 or False at the edge."""
    return tf.pad(values_BU, [[0, 0], [0, 1]])[:, 1:]
