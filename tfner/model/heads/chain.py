"""Sum over all tag sequences of linear chains: costs with their gradient, and marginals.

A chain is the labelled units of one text. A row may hold several chains on end, between which no
transition counts.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

LEAST = 1e-150  # of a share; two of them multiplied are still a number of float64


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

    @property
    def has_left(self) -> tf.Tensor:
        """Mark the units behind another one of their chain; bool [B, U]."""
        return self.is_unit & tf.logical_not(self.is_first)


class PathSums(NamedTuple):
    """Hold sums over the paths to each unit from either end, units first; float64.

    Each unit's sums are divided by their total, so they are shares, and the length of a chain costs
    no digits; neither do scores, as long as those of one unit or of the transitions differ by less
    than 345 = -log(LEAST).
    """

    arriving_left: (
        tf.Tensor
    )  # over paths from the left to each tag, own emission left out [U, B, K]
    left: tf.Tensor  # with it [U, B, K]
    arriving_right: tf.Tensor  # the same from the right
    right: tf.Tensor
    log_norm: tf.Tensor  # of what `left` was divided by; 0 where there is no unit [U, B]


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
    shape_KK = tf.shape(transitions_KK)
    tag_count = shape_KK[0]
    has_left_BU = chains.has_left
    pair_BU = _number_pairs(tags_BU, tag_count)
    pair_BU = tf.where(has_left_BU, pair_BU, 0)

    @tf.custom_gradient
    def costs(emissions_BUK: tf.Tensor, transitions_KK: tf.Tensor) -> Any:
        sums = sum_paths(emissions_BUK, transitions_KK, chains)
        log_partition_B = tf.reduce_sum(sums.log_norm, axis=0)
        log_partition_B = tf.cast(log_partition_B, tf.float32)
        gold_BU = tf.gather(emissions_BUK, tags_BU, batch_dims=2)
        of_pairs = tf.reshape(transitions_KK, [-1])
        of_pairs_BU = tf.gather(of_pairs, pair_BU)
        gold_BU += tf.where(has_left_BU, of_pairs_BU, 0.0)
        gold_BU = tf.where(chains.is_unit, gold_BU, 0.0)

        def gradient(upstream_B: tf.Tensor):
            expected_BUK = unit_marginals(sums)
            gold_BUK = tf.one_hot(tags_BU, tag_count)
            surplus_BUK = expected_BUK - gold_BUK
            surplus_BUK = tf.where(is_unit_BU1, surplus_BUK, 0.0)
            upstream_B1 = tf.expand_dims(upstream_B, 1)
            upstream_B11 = tf.expand_dims(upstream_B1, 2)
            weight_BU = tf.where(has_left_BU, upstream_B1, 0.0)
            pairs_KK = expected_pairs(transitions_KK, sums, weight_BU)
            gold = tf.math.unsorted_segment_sum(weight_BU, pair_BU, tag_count * tag_count)
            gold_KK = tf.reshape(gold, shape_KK)
            surplus_KK = pairs_KK - gold_KK
            return upstream_B11 * surplus_BUK, surplus_KK

        gold_B = tf.reduce_sum(gold_BU, axis=1)
        return log_partition_B - gold_B, gradient

    return costs(emissions_BUK, transitions_KK)


def sum_paths(emissions_BUK: tf.Tensor, transitions_KK: tf.Tensor, chains: Chains) -> PathSums:
    """Sum over the paths to each unit from both ends, in one recursion over U steps.

    The rows and their mirror images are worked on together: a chain read from its end has the
    transitions transposed. No share is less than LEAST, so that none becomes 0 / 0.
    """
    units_B = tf.math.count_nonzero(chains.is_unit, axis=1, dtype=tf.int32)
    begins_UDB = _with_mirror_image(chains.is_first, chains.is_last, units_B)
    emissions_UDBK = _with_mirror_image(emissions_BUK, emissions_BUK, units_B)
    emissions_UDBK = tf.cast(emissions_UDBK, tf.float64)
    most_UDB1 = tf.reduce_max(emissions_UDBK, axis=-1, keepdims=True)
    factors_UDBK = tf.exp(emissions_UDBK - most_UDB1)
    factors_UDBK = tf.maximum(factors_UDBK, LEAST)
    onward_KK, most_onward = _exponentials(transitions_KK)
    onward_DKK = tf.stack([onward_KK, tf.transpose(onward_KK)])
    most_units = tf.reduce_max(units_B)
    arriving_UDBK = _arrive(factors_UDBK, onward_DKK, begins_UDB, most_units)
    paths_UDBK = arriving_UDBK * factors_UDBK
    norm_UDB1 = tf.reduce_sum(paths_UDBK, axis=-1, keepdims=True)
    paths_UDBK /= norm_UDB1
    arriving_left, arriving_right = _apart(arriving_UDBK, units_B)
    left, right = _apart(paths_UDBK, units_B)
    log_norm_UDB1 = tf.math.log(norm_UDB1) + most_UDB1
    log_norm_UB = log_norm_UDB1[:, 0, :, 0]
    nothing = tf.zeros([], tf.float64)
    begins_UB = begins_UDB[:, 0]
    log_norm_UB += tf.where(begins_UB, nothing, most_onward)
    is_unit_UB = tf.transpose(chains.is_unit)
    log_norm_UB = tf.where(is_unit_UB, log_norm_UB, nothing)
    return PathSums(arriving_left, left, arriving_right, right, log_norm_UB)


def _arrive(
    factors_UDBK: tf.Tensor, onward_DKK: tf.Tensor, begins_UDB: tf.Tensor, most_units: tf.Tensor
) -> tf.Tensor:
    """Run the recursion: what arrives at each unit from the one before; float64 [U, D, B, K].

    It ends with the last unit of the row that has most; what is behind has no meaning. An element
    more is written at the end, so that what is stacked has a shape where there is no unit at all.

    Shares of one unit add up to 1 and no transition weighs more than 1, so what arrives is never
    more than 1: a floor of 1 is what a chain begins with. The loop holds the least that a step
    needs; whatever can be computed for all units at once is not in it.
    """
    begins_UDB1 = tf.expand_dims(begins_UDB, -1)
    one = tf.ones([], tf.float64)
    floors_UDB1 = tf.where(begins_UDB1, one, LEAST)
    units = tf.shape(factors_UDBK)[0]
    start_DBK = tf.zeros(tf.shape(factors_UDBK)[1:], tf.float64)
    shape = factors_UDBK.shape[1:]
    arriving = tf.TensorArray(tf.float64, units + 1, element_shape=shape)
    arriving = arriving.write(units, start_DBK)

    def is_left(unit, *_):
        return unit < most_units

    def step(unit, before_DBK, arriving):
        arriving_DBK = tf.matmul(before_DBK, onward_DKK)
        arriving_DBK = tf.maximum(arriving_DBK, floors_UDB1[unit])
        arriving = arriving.write(unit, arriving_DBK)
        after_DBK = arriving_DBK * factors_UDBK[unit]
        after_DBK /= tf.reduce_sum(after_DBK, axis=-1, keepdims=True)
        return unit + 1, after_DBK, arriving

    _, _, arriving = tf.while_loop(is_left, step, (0, start_DBK, arriving))
    arriving_UDBK = arriving.stack()[:units]
    return tf.maximum(arriving_UDBK, LEAST)


def unit_marginals(sums: PathSums) -> tf.Tensor:
    """Compute the probability of each tag at each unit over all sequences; float32 [B, U, K].

    Where there is no unit they have no meaning.

        >>> emissions = tf.constant([[[0.0, 0.0], [2.0, 0.0]]])
        >>> chains = Chains(tf.constant([[True, True]]), tf.constant([[True, False]]))
        >>> alike = tf.constant([[5.0, 0.0], [0.0, 5.0]])             # a tag follows itself
        >>> print(unit_marginals(sum_paths(emissions, alike, chains))[0].numpy().round(2))
        [[0.88 0.12]
         [0.88 0.12]]
    """
    joint_UBK = sums.left * sums.arriving_right
    total_UB1 = tf.reduce_sum(joint_UBK, axis=-1, keepdims=True)
    marginals_UBK = tf.math.divide_no_nan(joint_UBK, total_UB1)
    marginals_BUK = tf.transpose(marginals_UBK, [1, 0, 2])
    return tf.cast(marginals_BUK, tf.float32)


def expected_pairs(transitions_KK: tf.Tensor, sums: PathSums, weight_BU: tf.Tensor) -> tf.Tensor:
    """Sum up the probabilities of each pair of neighbouring tags, weighted by unit.

    Args:
        transitions_KK, sums: of the chains.
        weight_BU: 0 where a unit has no left neighbour.

    Returns:
        float32 [K, K].
    """
    onward_KK, _ = _exponentials(transitions_KK)
    left_UBK = sums.left[:-1]
    right_UBK = sums.right[1:]
    weight_UB = tf.cast(tf.transpose(weight_BU)[1:], tf.float64)
    total_UB = tf.einsum("ubj,jk,ubk->ub", left_UBK, onward_KK, right_UBK)
    weight_UB = tf.math.divide_no_nan(weight_UB, total_UB)
    pairs_KK = tf.einsum("ub,ubj,ubk->jk", weight_UB, left_UBK, right_UBK)
    return tf.cast(pairs_KK * onward_KK, tf.float32)


def _exponentials(transitions_KK: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Compute the transitions' exponentials, the largest 1, and the largest transition; float64."""
    transitions_KK = tf.cast(transitions_KK, tf.float64)
    most = tf.reduce_max(transitions_KK)
    return tf.exp(transitions_KK - most), most


def _with_mirror_image(left_BU: tf.Tensor, right_BU: tf.Tensor, units_B: tf.Tensor) -> tf.Tensor:
    """Put rows and mirrored rows beside each other, units first: [B, U, …] -> [U, 2, B, …].

    Only the units of a row are mirrored, int32 [B], so that both begin at the same step.

    >>> row = tf.constant([[1, 2, 0]])
    >>> _with_mirror_image(row, row, tf.constant([2])).numpy().tolist()
    [[[1], [2]], [[2], [1]], [[0], [0]]]
    """
    mirrored_BU = tf.reverse_sequence(right_BU, units_B, seq_axis=1, batch_axis=0)
    both = tf.stack([left_BU, mirrored_BU])
    rest = list(range(3, both.shape.rank))
    return tf.transpose(both, [2, 0, 1, *rest])


def _apart(both_UDBK: tf.Tensor, units_B: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Take rows and mirrored rows apart again, these in the order of the rows' units."""
    left_UBK, right_UBK = tf.unstack(both_UDBK, axis=1)
    return left_UBK, tf.reverse_sequence(right_UBK, units_B, seq_axis=0, batch_axis=1)


def _number_pairs(tags_BU: tf.Tensor, tag_count: tf.Tensor) -> tf.Tensor:
    """Number the pair of each unit's left neighbour's tag and its own: int32 [B, U] -> [B, U].

    >>> _number_pairs(tf.constant([[0, 2, 1]]), tf.constant(3)).numpy().tolist()
    [[0, 2, 7]]
    """
    first_pair_BU = _from_the_left(tags_BU) * tag_count
    return first_pair_BU + tags_BU


def _from_the_left(values_BU: tf.Tensor) -> tf.Tensor:
    """Give each unit its left neighbour's value, 0 or False at the edge."""
    return tf.pad(values_BU, [[0, 0], [1, 0]])[:, :-1]


def _from_the_right(values_BU: tf.Tensor) -> tf.Tensor:
    """Give each unit its right neighbour's value, 0 or False at the edge."""
    return tf.pad(values_BU, [[0, 0], [0, 1]])[:, 1:]
