"""Find the best legal tag sequence of each row, in graph, with core TensorFlow ops only."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

# A log probability below this, minus infinity and NaN count as this: improbable, but not illegal.
FLOOR = -1e6
ANY_LENGTH = tf.TensorShape([None])


def greedy(log_probs_MK: tf.Tensor) -> tf.Tensor:
    """Choose the most probable tag of each unit, legal or not: float [M, K] -> int32 [M]."""
    return best_tags(_clean(log_probs_MK))


def best_tags(scores: tf.Tensor) -> tf.Tensor:
    """Choose the tag with the largest score, the lowest of several: [..., K] -> int32 [...]."""
    return tf.argmax(scores, axis=-1, output_type=tf.int32)


def viterbi(
    log_probs_MK: tf.Tensor,
    lengths_B: tf.Tensor,
    allowed_first: np.ndarray,
    allowed_next: np.ndarray,
    allowed_last: np.ndarray,
) -> tf.Tensor:
    """Find each row's legal tag sequence with the largest sum of log probabilities; -> int32 [M].

    Of several the lexicographically lowest is taken, and the result is legal whatever the
    probabilities are. The search is exact but works only where it must: tags are chosen for each
    unit alone, and where two neighbours do not go together the runs of units on both sides are
    joined and solved as one, until all borders are legal. A sequence whose runs are each optimal
    without regard to their borders, and whose borders happen to be legal, cannot be beaten by any
    legal sequence.

    Args:
        log_probs_MK: float [M, K], rows in one line; minus infinity, NaN and less than FLOOR count
            as FLOOR.
        lengths_B: int32 [B], number of units in each row, M in all.
        allowed_first, allowed_last: bool [K], whether a row may begin or end with the tag.
        allowed_next: bool [K, K], whether the tag of the column may follow that of the row.
            Together they must allow a sequence of every length.

        >>> log_probs = np.log([[0.4, 0.6], [0.9, 0.1], [0.2, 0.8]])     # of O and I, say
        >>> may_follow = np.array([[True, False], [True, True]])         # I may not follow O
        >>> every = np.array([True, True])
        >>> viterbi(log_probs, tf.constant([3]), every, may_follow, every).numpy().tolist()
        [1, 0, 0]
    """
    ends_B = tf.cumsum(lengths_B)
    unit_M = tf.range(tf.shape(log_probs_MK)[0])
    first_M = _marked(ends_B - lengths_B, lengths_B, unit_M)
    last_M = _marked(ends_B - 1, lengths_B, unit_M)
    scores_MK = _forbid(_clean(log_probs_MK), first_M, allowed_first)
    scores_MK = _forbid(scores_MK, last_M, allowed_last)
    border_M = tf.logical_not(first_M)  # inside a row two neighbours must go together
    joined_M = tf.zeros_like(border_M)  # whether a unit belongs to the run of the one before it
    may_follow = tf.constant(allowed_next.reshape(-1))

    def illegal_borders(tags_M, joined_M):
        before_M = tf.pad(tags_M, [[1, 0]])[:-1]
        pair_M = before_M * len(allowed_next) + tags_M
        legal_M = tf.gather(may_follow, pair_M)
        return border_M & ~joined_M & ~legal_M

    def join_and_solve(tags_M, joined_M, reach):
        # Joining too much costs time, never exactness: the reach doubles, so rounds are few.
        near_M = _widen(illegal_borders(tags_M, joined_M), reach)
        new_M = near_M & border_M & ~joined_M
        joined_M |= new_M
        tags_M = _solve_runs(scores_MK, tags_M, joined_M, new_M, allowed_next)
        return tags_M, joined_M, 2 * reach + 1

    def is_illegal(tags_M, joined_M, reach):
        return tf.reduce_any(illegal_borders(tags_M, joined_M))

    start = (best_tags(scores_MK), joined_M, tf.constant(0))
    shapes = (ANY_LENGTH, ANY_LENGTH, tf.TensorShape([]))
    return tf.while_loop(is_illegal, join_and_solve, start, shapes)[0]


def best_paths(scores_UBK: tf.Tensor, lengths_B: tf.Tensor, allowed_next: np.ndarray) -> tf.Tensor:
    """Search every unit, units first: float64 [U, B, K], int32 [B] -> int32 [U, B].

    What it gives beyond a row's length has no meaning. Scores of minus infinity forbid a tag. The
    search goes from right to left, so that the lowest of equally good sequences is found by taking
    the lowest tag from left to right. float64 adds up thousands of float32 scores without rounding.
    """
    # Tags with the same successors share a row: 20 instead of 77 for 19 types in BIOES.
    rows, row_of_tag = np.unique(allowed_next, axis=0, return_inverse=True)
    penalty_RK = tf.constant(np.where(rows, 0.0, -np.inf))
    row_of_tag_K = tf.constant(row_of_tag.reshape(-1), tf.int32)
    units = tf.shape(scores_UBK)[0]

    def backward(unit, best_BK, successors):
        """Take one step to the left.

        `best_BK` is the best sum from `unit` on, by the tag there; `successors` what comes next on
        its way.
        """
        onward_BRK = best_BK[:, None, :] + penalty_RK
        successors = successors.write(unit, best_tags(onward_BRK))
        rest_BR = tf.reduce_max(onward_BRK, axis=-1)
        rest_BK = tf.gather(rest_BR, row_of_tag_K, axis=1)
        is_unit_B1 = (unit < lengths_B)[:, None]
        rest_BK = tf.where(is_unit_B1, rest_BK, tf.zeros_like(rest_BK))
        best_BK = scores_UBK[unit - 1] + rest_BK
        return unit - 1, best_BK, successors

    def forward(unit, tags_B, tags):
        row_B = tf.gather(row_of_tag_K, tags_B)
        tags_B = tf.gather(successors.read(unit), row_B, batch_dims=1)
        return unit + 1, tags_B, tags.write(unit, tags_B)

    shape = [None, len(rows)]
    successors = tf.TensorArray(tf.int32, units, element_shape=shape, clear_after_read=False)
    start = (units - 1, scores_UBK[units - 1], successors)
    _, best_BK, successors = tf.while_loop(lambda unit, *_: unit > 0, backward, start)
    first_B = best_tags(best_BK)
    tags = tf.TensorArray(tf.int32, units, element_shape=[None])
    tags = tags.write(0, first_B)
    _, _, tags = tf.while_loop(lambda unit, *_: unit < units, forward, (1, first_B, tags))
    return tags.stack()


def positions(marked_M: tf.Tensor) -> tf.Tensor:
    """Find the marks, in order: bool [M] -> int32 [N].

    >>> positions(tf.constant([False, True, False, True])).numpy().tolist()
    [1, 3]
    """
    return tf.cast(tf.where(marked_M)[:, 0], tf.int32)


def _clean(log_probs_MK: tf.Tensor) -> tf.Tensor:
    """Make scores finite float32, at least FLOOR."""
    scores_MK = tf.cast(log_probs_MK, tf.float32)
    scores_MK = tf.where(tf.math.is_nan(scores_MK), FLOOR, scores_MK)
    return tf.clip_by_value(scores_MK, FLOOR, -FLOOR)


def _forbid(scores_MK: tf.Tensor, marked_M: tf.Tensor, allowed_K: np.ndarray) -> tf.Tensor:
    """Forbid marked units the tags that are not allowed there."""
    forbidden_MK = marked_M[:, tf.newaxis] & ~np.asarray(allowed_K, bool)
    return tf.where(forbidden_MK, -np.inf, scores_MK)


def _marked(at_B: tf.Tensor, lengths_B: tf.Tensor, unit_M: tf.Tensor) -> tf.Tensor:
    """Mark one unit of each row that has any: int32 [B], [B] -> bool [M]."""
    at_N = tf.boolean_mask(at_B, lengths_B > 0)
    unmarked_M = tf.zeros_like(unit_M, tf.bool)
    marks_N = tf.ones_like(at_N, tf.bool)
    return tf.tensor_scatter_nd_update(unmarked_M, at_N[:, None], marks_N)


def _widen(marked_M: tf.Tensor, reach: tf.Tensor) -> tf.Tensor:
    """Mark what is within `reach` of a mark: bool [M] -> bool [M].

    >>> _widen(tf.constant([False, False, True, False, False]), 1).numpy().tolist()
    [False, True, True, True, False]
    """
    count = tf.size(marked_M)
    marks_M = tf.cast(marked_M, tf.int32)
    before_N = tf.cumsum(tf.pad(marks_M, [[1, 0]]))
    unit_M = tf.range(count)
    first_M = tf.maximum(unit_M - reach, 0)
    end_M = tf.minimum(unit_M + reach + 1, count)
    return tf.gather(before_N, end_M) > tf.gather(before_N, first_M)


def _solve_runs(scores_MK, tags_M, joined_M, new_M, allowed_next: np.ndarray) -> tf.Tensor:
    """Replace the tags of all runs with a new join by their best paths, the short ones first.

    Runs of one batch differ at most by a factor of two in length, so padding wastes at most half.
    """
    joined_after_M = tf.pad(joined_M, [[0, 1]])[1:]
    turns_M = joined_M != joined_after_M
    first_S = positions(turns_M & joined_after_M)
    last_S = positions(turns_M & joined_M)
    joins_M = tf.cumsum(tf.cast(new_M, tf.int32))
    is_new_S = tf.gather(joins_M, last_S) > tf.gather(joins_M, first_S)
    length_S = tf.boolean_mask(last_S - first_S + 1, is_new_S)
    first_S = tf.boolean_mask(first_S, is_new_S)

    def solve_shortest(tags_M, first_S, length_S):
        short_S = length_S <= 2 * tf.reduce_min(length_S)
        first_R = tf.boolean_mask(first_S, short_S)
        length_R = tf.boolean_mask(length_S, short_S)
        offset_L = tf.range(tf.reduce_max(length_R))
        unit_LR = first_R + offset_L[:, None]
        within_LR = offset_L[:, None] < length_R
        scores_LRK = tf.gather(scores_MK, tf.where(within_LR, unit_LR, 0))
        scores_LRK = tf.cast(scores_LRK, tf.float64)
        path_LR = best_paths(scores_LRK, length_R, allowed_next)
        unit_N = tf.boolean_mask(unit_LR, within_LR)
        path_N = tf.boolean_mask(path_LR, within_LR)
        tags_M = tf.tensor_scatter_nd_update(tags_M, unit_N[:, None], path_N)
        first_S = tf.boolean_mask(first_S, ~short_S)
        return tags_M, first_S, tf.boolean_mask(length_S, ~short_S)

    def is_left(tags_M, first_S, length_S):
        return tf.size(length_S) > 0

    start = (tags_M, first_S, length_S)
    return tf.while_loop(is_left, solve_shortest, start, (ANY_LENGTH,) * 3)[0]
