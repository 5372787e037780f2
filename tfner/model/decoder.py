"""From the probabilities of a text's units to tags and entities, in graph, with core TensorFlow ops only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfner.exceptions import ConfigError
from tfner.model.chunks import ChunkRules, chunk_rules, find_chunks

__all__ = ["Decoded", "Decoder", "Spans", "best_paths", "greedy", "spans", "viterbi"]

FLOOR = -1e6  # a log probability below this, minus infinity and NaN count as this: improbable, but not illegal


class Spans(NamedTuple):
    """The entities of each row in order; E is the largest count, 0 allowed."""

    entity_first: tf.Tensor  # int32 [B, E], the first unit, -1 padded
    entity_last: tf.Tensor  # int32 [B, E], the last unit, inclusive, -1 padded
    entity_type: tf.Tensor  # int32 [B, E], index of the type, -1 padded
    entity_score: tf.Tensor  # float32 [B, E], mean over the units of the probability of the chosen tag, 0 padded
    count: tf.Tensor  # int32 [B]


class Decoded(NamedTuple):
    """What a Decoder gives: the tags and the entities that they spell."""

    tags: tf.Tensor  # int32 [B, U], -1 beyond the row's length
    spans: Spans


class Decoder(tf.Module):
    """Decodes with a fixed tag set and method.

    Args:
        tags: the K tag names by id.
        allowed_first, allowed_next, allowed_last: see `viterbi`.
        method: "viterbi" or "greedy".
        types: the order of entity types that `entity_type` indexes; by default that of first appearance in `tags`.
    """

    def __init__(
        self,
        tags: Sequence[str],
        allowed_first: np.ndarray,
        allowed_next: np.ndarray,
        allowed_last: np.ndarray,
        *,
        method: str = "viterbi",
        types: Sequence[str] | None = None,
    ):
        super().__init__(name="decoder")
        if method not in {"viterbi", "greedy"}:
            raise ConfigError(f"decoder: expected 'viterbi' or 'greedy', got {method!r}")
        self.method = method
        self._rules = chunk_rules(tags, types)
        self._allowed = (np.asarray(allowed_first, bool), np.asarray(allowed_next, bool), np.asarray(allowed_last, bool))

    def __call__(self, log_probs_BUK: tf.Tensor, lengths_B: tf.Tensor) -> Decoded:
        """Log probabilities float [B, U, K] and numbers of units int [B] -> tags and spans."""
        legal_only = self.method == "viterbi"
        tags_BU = viterbi(log_probs_BUK, lengths_B, *self._allowed) if legal_only else greedy(log_probs_BUK, lengths_B)
        return Decoded(tags_BU, spans(tags_BU, log_probs_BUK, self._rules))


def greedy(log_probs_BUK: tf.Tensor, lengths_B: tf.Tensor) -> tf.Tensor:
    """The most probable tag of each unit, legal or not: float [B, U, K], int [B] -> int32 [B, U], -1 beyond the length."""
    inside_BU = tf.sequence_mask(lengths_B, tf.shape(log_probs_BUK)[1])
    return tf.where(inside_BU, tf.argmax(_clean(log_probs_BUK), axis=-1, output_type=tf.int32), -1)


def viterbi(
    log_probs_BUK: tf.Tensor, lengths_B: tf.Tensor, allowed_first: np.ndarray, allowed_next: np.ndarray, allowed_last: np.ndarray
) -> tf.Tensor:
    """The legal tag sequence with the largest sum of log probabilities; of several the lexicographically lowest.

    The result is legal whatever the probabilities are. The search is exact but works only where it must: tags are
    chosen for each unit alone, and where two neighbours do not go together the stretches on both sides are joined and
    solved as one, until all borders are legal. A sequence whose stretches are each optimal without regard to their
    borders, and whose borders happen to be legal, cannot be beaten by any legal sequence.

    Args:
        log_probs_BUK: float [B, U, K]; minus infinity, NaN and anything below FLOOR count as FLOOR.
        lengths_B: int [B], number of units in each row.
        allowed_first, allowed_last: bool [K], whether a row may begin or end with the tag.
        allowed_next: bool [K, K], whether the tag of the column may follow that of the row.
            Together they must allow a sequence of every length.

    Returns:
        int32 [B, U] tag ids, -1 beyond the length.
    """
    lengths_B = tf.cast(lengths_B, tf.int32)
    shape = tf.shape(log_probs_BUK)
    inside_BU = tf.sequence_mask(lengths_B, shape[1])
    scores_BUK = _forbid_ends(_clean(log_probs_BUK), lengths_B, allowed_first, allowed_last)
    # From here on all rows lie in one line of M = B * U units; at a border inside a row two tags must go together.
    scores_MK = tf.reshape(scores_BUK, [-1, len(allowed_next)])
    border_M = tf.reshape(inside_BU & (tf.range(shape[1]) > 0), [-1])
    tags_M = tf.argmax(scores_MK, axis=-1, output_type=tf.int32)
    joined_M = tf.zeros_like(border_M)  # whether a unit belongs to the same stretch as the one before it

    def illegal_borders(tags_M, joined_M):
        pair_M = tf.pad(tags_M, [[1, 0]])[:-1] * len(allowed_next) + tags_M
        return border_M & ~joined_M & ~tf.gather(tf.constant(allowed_next.reshape(-1)), pair_M)

    def join_and_solve(tags_M, joined_M, reach):
        # Joining more than must be costs time, never exactness: the reach doubles, so few rounds are needed.
        new_M = _widen(illegal_borders(tags_M, joined_M), reach) & border_M & ~joined_M
        return _solve_stretches(scores_MK, tags_M, joined_M | new_M, new_M, allowed_next), joined_M | new_M, 2 * reach + 1

    tags_M, _, _ = tf.while_loop(
        lambda tags_M, joined_M, _: tf.reduce_any(illegal_borders(tags_M, joined_M)),
        join_and_solve,
        (tags_M, joined_M, tf.constant(0)),
        shape_invariants=(tf.TensorShape([None]), tf.TensorShape([None]), tf.TensorShape([])),
    )
    return tf.where(inside_BU, tf.reshape(tags_M, shape[:2]), -1)


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

    followers = tf.TensorArray(tf.int32, units, element_shape=[None, len(rows)], clear_after_read=False)
    _, best_BK, followers = tf.while_loop(lambda unit, *_: unit > 0, backward, (units - 1, scores_UBK[units - 1], followers))
    first_B = tf.argmax(best_BK, axis=-1, output_type=tf.int32)
    tags = tf.TensorArray(tf.int32, units, element_shape=[None]).write(0, first_B)
    _, _, tags = tf.while_loop(lambda unit, *_: unit < units, forward, (1, first_B, tags))
    return tags.stack()


def spans(tags_BU: tf.Tensor, log_probs_BUK: tf.Tensor, rules: ChunkRules) -> Spans:
    """Read entities from tags as conlleval reads them, so that an illegal sequence too has a meaning.

    Args:
        tags_BU: int32 [B, U], -1 = no tag.
        log_probs_BUK: float [B, U, K], for the scores: an entity's is the mean over its units of the probability that
            was given to the tag chosen there (exp of the log probability; NaN counts as 0).
        rules: `chunk_rules` of the tag names.
    """
    chunks = find_chunks(rules, tags_BU)
    count_B = tf.reduce_sum(tf.cast(chunks.begins, tf.int32), axis=1)
    first_N2, last_N2 = (tf.cast(tf.where(marked_BU), tf.int32) for marked_BU in (chunks.begins, chunks.ends))
    row_N, first_N, last_N = first_N2[:, 0], first_N2[:, 1], last_N2[:, 1]
    rank_N = tf.range(tf.size(row_N)) - tf.gather(tf.cumsum(count_B, exclusive=True), row_N)
    place_N2 = tf.stack([row_N, rank_N], axis=1)
    shape = tf.stack([tf.shape(tags_BU)[0], tf.reduce_max(tf.concat([count_B, [0]], axis=0))])

    def spread(values_N, padding):
        return tf.tensor_scatter_nd_update(tf.fill(shape, padding), place_N2, values_N)

    score_N = _mean_probability(tags_BU, log_probs_BUK, chunks, tf.size(row_N)) / tf.cast(last_N - first_N + 1, tf.float32)
    type_N = tf.gather_nd(chunks.type, first_N2)
    return Spans(spread(first_N, -1), spread(last_N, -1), spread(type_N, -1), spread(score_N, 0.0), count_B)


def _mean_probability(tags_BU, log_probs_BUK, chunks, entities) -> tf.Tensor:
    """The sum over each entity's units of the chosen tag's probability: float32 [N], entities in reading order."""
    log_prob_BU = tf.gather(tf.cast(log_probs_BUK, tf.float32), tf.maximum(tags_BU, 0), batch_dims=2)
    probability_BU = tf.exp(tf.where(tf.math.is_nan(log_prob_BU), -np.inf, log_prob_BU))
    entity_M = tf.cumsum(tf.cast(tf.reshape(chunks.begins, [-1]), tf.int32)) - 1  # rows in a line: a row ends its entities
    inside_M = tf.reshape(chunks.type, [-1]) >= 0
    return tf.math.unsorted_segment_sum(
        tf.boolean_mask(tf.reshape(probability_BU, [-1]), inside_M), tf.boolean_mask(entity_M, inside_M), entities
    )


def _clean(log_probs_BUK: tf.Tensor) -> tf.Tensor:
    """Finite float32 scores, at least FLOOR."""
    scores_BUK = tf.cast(log_probs_BUK, tf.float32)
    return tf.clip_by_value(tf.where(tf.math.is_nan(scores_BUK), FLOOR, scores_BUK), FLOOR, -FLOOR)


def _forbid_ends(scores_BUK, lengths_B, allowed_first: np.ndarray, allowed_last: np.ndarray) -> tf.Tensor:
    """Minus infinity for tags that may not begin a row at its first unit, or end it at its last."""
    unit_U = tf.range(tf.shape(scores_BUK)[1])
    first_U1 = (unit_U == 0)[:, tf.newaxis]
    last_BU1 = (unit_U == lengths_B[:, tf.newaxis] - 1)[..., tf.newaxis]
    return tf.where((first_U1 & ~allowed_first) | (last_BU1 & ~allowed_last), -np.inf, scores_BUK)


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
    first_S, last_S = _positions(turns_M & joined_after_M), _positions(turns_M & joined_M)
    joins_M = tf.cumsum(tf.cast(new_M, tf.int32))
    is_new_S = tf.gather(joins_M, last_S) > tf.gather(joins_M, first_S)
    first_S, length_S = tf.boolean_mask(first_S, is_new_S), tf.boolean_mask(last_S - first_S + 1, is_new_S)

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


def _positions(marked_M: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.where(marked_M)[:, 0], tf.int32)
