"""Find the best legal tag sequence of each row, in graph, with core TensorFlow ops only."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfner.model.heads.lines import pad_line, positions, replace_nan, running_count, select_columns

# A log probability below this, minus infinity and NaN count as this: improbable, but not illegal.
FLOOR = -1e6
ANY_LENGTH = tf.TensorShape([None])
SCALAR = tf.TensorShape([])
# Scores [L, R, K] of R runs of at most L units, and their lengths [R] -> values [L, R, ...].
Solve = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


class Transitions(NamedTuple):
    """Hold what each tag scores after each other; minus infinity forbids it.

    Tags with the same successors share a row: 20 instead of 77 for 19 types in BIOES.
    """

    scores: tf.Tensor  # float64 [R, K]
    row_of_tag: tf.Tensor  # int32 [K]

    @classmethod
    def that_are_allowed(cls, allowed_next: np.ndarray) -> Transitions:
        """Forbid pairs of tags, and score all others alike; bool [K, K]."""
        rows, row_of_tag = np.unique(allowed_next, axis=0, return_inverse=True)
        scores_RK = tf.constant(np.where(rows, 0.0, -np.inf))
        row_of_tag_K = tf.constant(row_of_tag.reshape(-1), tf.int32)
        return cls(scores_RK, row_of_tag_K)

    @classmethod
    def that_are_learned(cls, scores_KK: tf.Tensor, allowed_next: np.ndarray) -> Transitions:
        """Forbid pairs of tags, and score the others as learned; float32 and bool [K, K]."""
        scores_KK = tf.cast(scores_KK, tf.float64)
        scores_KK = tf.where(allowed_next, scores_KK, -np.inf)
        return cls(scores_KK, tf.range(len(allowed_next)))


class KnownTags(NamedTuple):
    """Hold tags of units, and in which rows they are known to be the best."""

    tags: tf.Tensor  # int32 [M]
    is_known: tf.Tensor  # bool [M], alike in all units of a row


def greedy(log_probs_MK: tf.Tensor) -> tf.Tensor:
    """Choose the most probable tag of each unit, legal or not: float [M, K] -> int32 [M]."""
    return best_tags(clean(log_probs_MK))


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
    scores_MK, border_M = _score_rows(log_probs_MK, lengths_B, allowed_first, allowed_last)
    transitions = Transitions.that_are_allowed(allowed_next)
    joined_M = tf.zeros_like(border_M)  # whether a unit belongs to the run of the one before it

    def illegal_borders(tags_M, joined_M):
        legal_M = _may_follow(tags_M, allowed_next)
        open_M = border_M & ~joined_M
        return open_M & tf.logical_not(legal_M)

    def join_and_solve(tags_M, joined_M, reach):
        # Joining too much costs time, never exactness: the reach doubles, so rounds are few.
        illegal_M = illegal_borders(tags_M, joined_M)
        near_M = _widen(illegal_M, reach)
        open_M = border_M & ~joined_M
        new_M = near_M & open_M
        joined_M |= new_M
        tags_M = _solve_runs(scores_MK, tags_M, joined_M, new_M, transitions)
        reach = 2 * reach + 1
        return tags_M, joined_M, reach

    def is_illegal(tags_M, joined_M, reach):
        illegal_M = illegal_borders(tags_M, joined_M)
        return tf.reduce_any(illegal_M)

    best_M = best_tags(scores_MK)
    start = (best_M, joined_M, tf.constant(0))
    shapes = (ANY_LENGTH, ANY_LENGTH, SCALAR)
    return tf.while_loop(is_illegal, join_and_solve, start, shapes)[0]


def best_chains(
    scores_MK: tf.Tensor,
    lengths_B: tf.Tensor,
    transitions_KK: tf.Tensor,
    allowed_first: np.ndarray,
    allowed_next: np.ndarray,
    allowed_last: np.ndarray,
    known: KnownTags | None = None,
) -> tf.Tensor:
    """Find each row's legal tag sequence with the largest sum of scores and transitions.

    As `viterbi`, but what the tag of the column scores after that of the row counts too, float32
    [K, K], so each row is solved whole, but for those whose best tags are `known`; -> int32 [M].
    """
    scores_MK, border_M = _score_rows(scores_MK, lengths_B, allowed_first, allowed_last)
    transitions = Transitions.that_are_learned(transitions_KK, allowed_next)
    tags_M = best_tags(scores_MK)  # which is all there is to solve in a row of one unit
    searched_M = border_M
    if known is not None:
        tags_M = tf.where(known.is_known, known.tags, tags_M)
        searched_M &= tf.logical_not(known.is_known)
    return _solve_runs(scores_MK, tags_M, border_M, searched_M, transitions)


def best_paths(scores_UBK: tf.Tensor, lengths_B: tf.Tensor, transitions: Transitions) -> tf.Tensor:
    """Search every unit, units first: float64 [U, B, K], int32 [B] -> int32 [U, B].

    What it gives beyond a row's length has no meaning. Scores of minus infinity forbid a tag. The
    search goes from right to left, so that the lowest of equally good sequences is found by taking
    the lowest tag from left to right. float64 adds up thousands of float32 scores without rounding.
    """
    onward_RK, row_of_tag_K = transitions
    shape = tf.shape(scores_UBK)
    units = shape[0]

    def backward(unit, best_BK, successors):
        """Take one step to the left.

        `best_BK` is the best sum from `unit` on, by the tag there; `successors` what comes next on
        its way.
        """
        best_B1K = best_BK[:, None]
        onward_BRK = best_B1K + onward_RK
        successor_BR = best_tags(onward_BRK)
        successors = successors.write(unit, successor_BR)
        rest_BR = tf.reduce_max(onward_BRK, axis=-1)
        rest_BK = tf.gather(rest_BR, row_of_tag_K, axis=1)
        is_unit_B = unit < lengths_B
        is_unit_B1 = is_unit_B[:, None]
        nothing_BK = tf.zeros_like(rest_BK)
        rest_BK = tf.where(is_unit_B1, rest_BK, nothing_BK)
        previous = unit - 1
        scores_BK = scores_UBK[previous]
        best_BK = scores_BK + rest_BK
        return previous, best_BK, successors

    def forward(unit, tags_B, tags):
        row_B = tf.gather(row_of_tag_K, tags_B)
        successor_BR = successors.read(unit)
        tags_B = select_columns(successor_BR, row_B)
        return unit + 1, tags_B, tags.write(unit, tags_B)

    shape_BR = [None, onward_RK.shape[0]]
    successors = tf.TensorArray(tf.int32, units, element_shape=shape_BR, clear_after_read=False)
    last = units - 1
    last_BK = scores_UBK[last]
    start = (last, last_BK, successors)
    _, best_BK, successors = tf.while_loop(lambda unit, *_: unit > 0, backward, start)
    first_B = best_tags(best_BK)
    tags = tf.TensorArray(tf.int32, units, element_shape=[None])
    tags = tags.write(0, first_B)
    _, _, tags = tf.while_loop(lambda unit, *_: unit < units, forward, (1, first_B, tags))
    return tags.stack()


def clean(log_probs_MK: tf.Tensor) -> tf.Tensor:
    """Make scores finite float32, at least FLOOR."""
    scores_MK = tf.cast(log_probs_MK, tf.float32)
    scores_MK = replace_nan(scores_MK, FLOOR)
    return tf.clip_by_value(scores_MK, FLOOR, -FLOOR)


def _score_rows(
    log_probs_MK: tf.Tensor,
    lengths_B: tf.Tensor,
    allowed_first: np.ndarray,
    allowed_last: np.ndarray,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Forbid at the ends of rows the tags that may not stand there.

    Returns:
        Scores, float32 [M, K], and which units have a left neighbour that they must go together
        with, bool [M].
    """
    first_M, last_M = _mark_ends(log_probs_MK, lengths_B)
    scores_MK = clean(log_probs_MK)
    scores_MK = _forbid(scores_MK, first_M, allowed_first)
    scores_MK = _forbid(scores_MK, last_M, allowed_last)
    return scores_MK, tf.logical_not(first_M)


def _forbid(scores_MK: tf.Tensor, marked_M: tf.Tensor, allowed_K: np.ndarray) -> tf.Tensor:
    """Forbid marked units the tags that are not allowed there."""
    marked_M1 = marked_M[:, None]
    forbidden_K = np.logical_not(allowed_K)
    forbidden_MK = marked_M1 & forbidden_K
    return tf.where(forbidden_MK, -np.inf, scores_MK)


def _may_follow(tags_M: tf.Tensor, allowed_next: np.ndarray) -> tf.Tensor:
    """Tell whether each tag may follow the one before it in the line: int32 [M] -> bool [M]."""
    tag_count = len(allowed_next)
    allowed_pairs = allowed_next.reshape(-1)
    padded_M = pad_line(tags_M, before=1)
    before_M = padded_M[:-1]
    first_pair_M = before_M * tag_count
    pair_M = first_pair_M + tags_M
    return tf.gather(allowed_pairs, pair_M)


def _mark_ends(log_probs_MK: tf.Tensor, lengths_B: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Mark the first and the last unit of each row that has any; -> bool [M], [M]."""
    shape = tf.shape(log_probs_MK)
    line_shape = shape[:1]
    unmarked_M = tf.fill(line_shape, False)
    has_units_B = lengths_B > 0
    length_N = lengths_B[has_units_B]  # the other rows have neither a first nor a last unit
    end_N = tf.cumsum(length_N)
    start_N = end_N - length_N
    last_N = end_N - 1
    return _mark(start_N, unmarked_M), _mark(last_N, unmarked_M)


def _mark(unit_N: tf.Tensor, unmarked_M: tf.Tensor) -> tf.Tensor:
    """Mark some units: int32 [N], bool [M] -> bool [M]."""
    unit_N1 = unit_N[:, None]
    marks_N = tf.ones_like(unit_N, tf.bool)
    return tf.tensor_scatter_nd_update(unmarked_M, unit_N1, marks_N)


def _widen(marked_M: tf.Tensor, reach: tf.Tensor) -> tf.Tensor:
    """Mark what is within `reach` of a mark: bool [M] -> bool [M].

    >>> _widen(tf.constant([False, False, True, False, False]), 1).numpy().tolist()
    [False, True, True, True, False]
    """
    count = tf.size(marked_M)
    unit_M = tf.range(count)
    first_M = unit_M - reach
    first_M = tf.maximum(first_M, 0)
    end_M = tf.minimum(unit_M + reach + 1, count)
    padded_M = pad_line(marked_M, before=1)  # from here on the first unit is number 1
    return _any_mark(padded_M, first_M, end_M)


def _any_mark(marked_M: tf.Tensor, before_S: tf.Tensor, last_S: tf.Tensor) -> tf.Tensor:
    """Tell whether a mark is behind a unit and not behind another: int32 [S], [S] -> bool [S]."""
    count_M = running_count(marked_M)
    return tf.gather(count_M, last_S) > tf.gather(count_M, before_S)


def _solve_runs(
    scores_MK: tf.Tensor,
    tags_M: tf.Tensor,
    joined_M: tf.Tensor,
    new_M: tf.Tensor,
    transitions: Transitions,
) -> tf.Tensor:
    """Replace the tags of all runs with a new join by their best paths; -> int32 [M]."""
    padded_M = pad_line(joined_M, after=1)
    joined_after_M = padded_M[1:]
    is_first_M = tf.logical_not(joined_M)
    begins_M = joined_after_M & is_first_M
    is_last_M = tf.logical_not(joined_after_M)
    ends_M = joined_M & is_last_M
    first_S = positions(begins_M)
    last_S = positions(ends_M)
    is_new_S = _any_mark(new_M, first_S, last_S)
    first_S = first_S[is_new_S]
    last_S = last_S[is_new_S]
    length_S = last_S - first_S + 1

    def solve(scores_LRK, length_R):
        scores_LRK = tf.cast(scores_LRK, tf.float64)
        return best_paths(scores_LRK, length_R, transitions)

    return update_runs(solve, scores_MK, first_S, length_S, tags_M)


def update_runs(
    solve: Solve,
    scores_MK: tf.Tensor,
    first_S: tf.Tensor,
    length_S: tf.Tensor,
    values_M: tf.Tensor,
) -> tf.Tensor:
    """Replace the values of S runs of units by what `solve` gives, the short runs first.

    Runs of one batch differ at most by a factor of two in length, so padding wastes at most half.

    Args:
        solve: is given scores padded to [L, R, K] and lengths int32 [R]; what it gives beyond a
            run's length has no meaning.
        scores_MK: of all units.
        first_S, length_S: int32, the first unit and the units of each run, at least one.
        values_M: [M, ...].
    """

    def solve_shortest(values_M, first_S, length_S):
        shortest = tf.reduce_min(length_S)
        short_S = length_S <= 2 * shortest
        first_R = first_S[short_S]
        length_R = length_S[short_S]
        longest = tf.reduce_max(length_R)
        offset_L = tf.range(longest)
        offset_L1 = offset_L[:, None]
        unit_LR = first_R + offset_L1
        within_LR = offset_L1 < length_R
        scores_LRK = tf.gather(scores_MK, tf.where(within_LR, unit_LR, 0))
        solved_LR = solve(scores_LRK, length_R)
        unit_N = unit_LR[within_LR]
        unit_N1 = unit_N[:, None]
        solved_N = solved_LR[within_LR]
        values_M = tf.tensor_scatter_nd_update(values_M, unit_N1, solved_N)
        first_S = first_S[~short_S]
        length_S = length_S[~short_S]
        return values_M, first_S, length_S

    def is_left(values_M, first_S, length_S):
        return tf.size(length_S) > 0

    start = (values_M, first_S, length_S)
    shapes = (values_M.shape, ANY_LENGTH, ANY_LENGTH)
    return tf.while_loop(is_left, solve_shortest, start, shapes)[0]
