"""The best legal tag sequence of each row, in graph, with core TensorFlow ops only."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

__all__ = ["best_paths", "greedy", "viterbi"]

FLOOR = (
    -1e6
)  # a log probability below this, minus infinity and NaN count as this: improbable, but not illegal


def greedy(log_probs_MK: tf.Tensor) -> tf.Tensor:
    """The most probable tag of each unit, legal or not: float [M, K] -> int32 [M]."""
    return tf.argmax(_clean(log_probs_MK), axis=-1, output_type=tf.int32)


def viterbi(
    log_probs_MK: tf.Tensor,
    lengths_B: tf.Tensor,
    allowed_first: np.ndarray,
    allowed_next: np.ndarray,
    allowed_last: np.ndarray,
) -> tf.Tensor:
    """The legal tag sequence of each row with the largest sum of log probabilities; of several the lexicographically lowest.

    The result is legal whatever the probabilities are. The search is exact but works only where it must: tags are
    chosen for each unit alone, and where two neighbours do not go together the stretches on both sides are joined and
    solved as one, until all borders are legal. A sequence whose stretches are each optimal without regard to their
    borders, and whose borders happen to be legal, cannot be beaten by any legal sequence.

    Args:
        log_probs_MK: float [M, K], rows in one line; minus infinity, NaN and anything below FLOOR count as FLOOR.
        lengths_B: int32 [B], number of units in each row, M in all.
        allowed_first, allowed_last: bool [K], whether a row may begin or end with the tag.
        allowed_next: bool [K, K], whether the tag of the column may follow that of the row.
            Together they must allow a sequence of every length.

    Returns:
        int32 [M] tag ids.
    """
    ends_B = tf.cumsum(lengths_B)
    unit_M = tf.range(tf.shape(log_probs_MK)[0])
    first_M, last_M = (
        _marked(at_B, lengths_B, unit_M) for at_B in (ends_B - lengths_B, ends_B - 1)
    )
    forbidden_MK = (first_M[:, tf.newaxis] & ~allowed_first) | (
        last_M[:, tf.newaxis] & ~allowed_last
    )
    scores_MK = tf.where(forbidden_MK, -np.inf, _clean(log_probs_MK))
    border_M = tf.logical_not(first_M)  # inside a row two neighbours must go together
    tags_M = tf.argmax(scores_MK, axis=-1, output_type=tf.int32)
    joined_M = tf.zeros_like(
        border_M
    )  # whether a unit belongs to the same stretch as the one before it

    def illegal_borders(tags_M, joined_M):
        pair_M = tf.pad(tags_M, [[1, 0]])[:-1] * len(allowed_next) + tags_M
        return border_M & ~joined_M & ~tf.gather(tf.constant(allowed_next.reshape(-1)), pair_M)

    def join_and_solve(tags_M, joined_M, reach):
        # Joining more than must be costs time, never exactness: the reach doubles, so few rounds are needed.
        new_M = _widen(illegal_borders(tags_M, joined_M), reach) & border_M & ~joined_M
        return (
            _solve_stretches(scores_MK, tags_M, joined_M | new_M, new_M, allowed_next),
            joined_M | new_M,
            2 * reach + 1,
        )

    tags_M, _, _ = tf.while_loop(
        lambda tags_M, joined_M, _: tf.reduce_any(illegal_borders(tags_M, joined_M)),
        join_and_solve,
        (tags_M, joined_M, tf.constant(0)),
        shape_invariants=(tf.TensorShape([None]), tf.TensorShape([None]), tf.TensorShape([])),
    )
    return tags_M


def best_paths(scores_UBK: tf.Tensor, lengths_B: tf.Tensor, allowed_next: np.ndarray) -> tf.Tensor:
    """Viterbi over every unit, units first: float64 [U, B, K], int32 [B] -> int32 [U, B], of no meaning beyond the length.

    Scores of minus infinity forbid a tag. From right to left, so that the lowest of equally good sequences is found
    by taking the lowest tag from left to right. float64 adds up thousands of float32 scores without rounding.
    """
    # Tags with the same successors share a row: 20 instead of 77 for 19 types in BIOES.
    rows, row_of_tag = np.unique(allowed_next, axis=0, return_inverse=True)
    penalty_RK = tf.constant(np.where(rows, 0.0, -np.inf), tf.float64)
    row_of_tag_K = tf.constant(row_of_tag.reshape(-1), tf.int32)
    units = tf.shape(scores_UBK)[0]

    def backward(unit, best_BK, followers):
        """`best_BK`: the best sum from `unit` on, by the tag there; `followers`: what comes next on the way to it."""
        onward_BRK = best_BK[:, tf.newaxis, :] + penalty_RK
        followers = followers.write(unit, tf.argmax(onward_BRK, axis=-1, output_type=tf.int32))
        rest_BK = tf.gather(tf.reduce_max(onward_BRK, axis=-1), row_of_tag_K, axis=1)
        rest_BK = tf.where((unit < lengths_B)[:, tf.newaxis], rest_BK, tf.constant(0.0, tf.float64))
        return unit - 1, scores_UBK[unit - 1] + rest_BK, followers

    def forward(unit, tags_B, tags):
        tags_B = tf.gather(followers.read(unit), tf.gather(row_of_tag_K, tags_B), batch_dims=1)
        return unit + 1, tags_B, tags.write(unit, tags_B)

    followers = tf.TensorArray(
        tf.int32, units, element_shape=[None, len(rows)], clear_after_read=False
    )
    _, best_BK, followers = tf.while_loop(
        lambda unit, *_: unit > 0, backward, (units - 1, scores_UBK[units - 1], followers)
    )
    first_B = tf.argmax(best_BK, axis=-1, output_type=tf.int32)
    tags = tf.TensorArray(tf.int32, units, element_shape=[None]).write(0, first_B)
    _, _, tags = tf.while_loop(lambda unit, *_: unit < units, forward, (1, first_B, tags))
    return tags.stack()


def positions(marked_M: tf.Tensor) -> tf.Tensor:
    """Where the marks are, in order: bool [M] -> int32 [N]."""
    return tf.cast(tf.where(marked_M)[:, 0], tf.int32)


def _clean(log_probs_MK: tf.Tensor) -> tf.Tensor:
    """Finite float32 scores, at least FLOOR."""
    scores_MK = tf.cast(log_probs_MK, tf.float32)
    return tf.clip_by_value(tf.where(tf.math.is_nan(scores_MK), FLOOR, scores_MK), FLOOR, -FLOOR)


def _marked(at_B: tf.Tensor, lengths_B: tf.Tensor, unit_M: tf.Tensor) -> tf.Tensor:
    """Mark one unit of each row that has any: int32 [B], [B] -> bool [M]."""
    at_N1 = tf.boolean_mask(at_B, lengths_B > 0)[:, tf.newaxis]
    return tf.tensor_scatter_nd_update(
        tf.zeros_like(unit_M, tf.bool), at_N1, tf.ones_like(at_N1[:, 0], tf.bool)
    )


def _widen(marked_M: tf.Tensor, reach: tf.Tensor) -> tf.Tensor:
    """Mark what is within `reach` of a mark: bool [M] -> bool [M]."""
    before_N = tf.cumsum(tf.pad(tf.cast(marked_M, tf.int32), [[1, 0]]))
    unit_M = tf.range(tf.size(marked_M))
    until_M = tf.gather(before_N, tf.minimum(unit_M + reach + 1, tf.size(marked_M)))
    return until_M > tf.gather(before_N, tf.maximum(unit_M - reach, 0))


def _solve_stretches(scores_MK, tags_M, joined_M, new_M, allowed_next: np.ndarray) -> tf.Tensor:
    """Replace the tags of all stretches with a new join by their best paths, the short ones first.

    Stretches of one batch differ at most by a factor of two in length, so padding wastes at most half.
    """
    joined_after_M = tf.pad(joined_M, [[0, 1]])[1:]
    turns_M = joined_M != joined_after_M
    first_S, last_S = positions(turns_M & joined_after_M), positions(turns_M & joined_M)
    joins_M = tf.cumsum(tf.cast(new_M, tf.int32))
    is_new_S = tf.gather(joins_M, last_S) > tf.gather(joins_M, first_S)
    first_S, length_S = (
        tf.boolean_mask(first_S, is_new_S),
        tf.boolean_mask(last_S - first_S + 1, is_new_S),
    )

    def solve_shortest(tags_M, first_S, length_S):
        short_S = length_S <= 2 * tf.reduce_min(length_S)
        first_R, length_R = tf.boolean_mask(first_S, short_S), tf.boolean_mask(length_S, short_S)
        long_S, offset_L = tf.logical_not(short_S), tf.range(tf.reduce_max(length_R))
        place_LR = first_R + offset_L[:, tf.newaxis]
        within_LR = offset_L[:, tf.newaxis] < length_R
        scores_LRK = tf.gather(scores_MK, tf.where(within_LR, place_LR, 0))
        path_LR = best_paths(tf.cast(scores_LRK, tf.float64), length_R, allowed_next)
        place_N1 = tf.boolean_mask(place_LR, within_LR)[:, tf.newaxis]
        tags_M = tf.tensor_scatter_nd_update(tags_M, place_N1, tf.boolean_mask(path_LR, within_LR))
        return tags_M, tf.boolean_mask(first_S, long_S), tf.boolean_mask(length_S, long_S)

    return tf.while_loop(
        lambda _tags_M, _first_S, length_S: tf.size(length_S) > 0,
        solve_shortest,
        (tags_M, first_S, length_S),
        shape_invariants=(tf.TensorShape([None]),) * 3,
    )[0]
