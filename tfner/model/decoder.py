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
    scores_BUK = _forbid_ends(_clean(log_probs_BUK), lengths_B, allowed_first, allowed_last)
    inside_BU = tf.sequence_mask(lengths_B, tf.shape(scores_BUK)[1])
    tags_BU = tf.argmax(scores_BUK, axis=-1, output_type=tf.int32)
    border_BU = inside_BU & (tf.range(tf.shape(tags_BU)[1]) > 0)
    joined_BU = tf.zeros_like(inside_BU)  # whether a unit belongs to the same stretch as the one before it

    def illegal_borders(tags_BU, joined_BU):
        follows_BU = tf.gather(tf.constant(allowed_next.reshape(-1)), _before(tags_BU) * len(allowed_next) + tags_BU)
        return ~follows_BU & border_BU & ~joined_BU

    def some_illegal(tags_BU, joined_BU, _):
        return tf.reduce_any(illegal_borders(tags_BU, joined_BU))

    def join_and_solve(tags_BU, joined_BU, reach):
        # Joining more than must be costs time, never exactness: the reach doubles, so few rounds are needed.
        joined_BU |= _widen(illegal_borders(tags_BU, joined_BU), reach) & border_BU
        return _solve_joined(scores_BUK, tags_BU, joined_BU, allowed_next), joined_BU, 2 * reach + 1

    tags_BU, _, _ = tf.while_loop(
        some_illegal,
        join_and_solve,
        (tags_BU, joined_BU, tf.constant(0)),
        shape_invariants=(tf.TensorShape([None, None]), tf.TensorShape([None, None]), tf.TensorShape([])),
    )
    return tf.where(inside_BU, tags_BU, -1)


def best_paths(scores_BUK: tf.Tensor, lengths_B: tf.Tensor, allowed_next: np.ndarray) -> tf.Tensor:
    """Viterbi over every unit: float64 [B, U, K], int32 [B] -> int32 [B, U], of no meaning beyond the length.

    Scores of minus infinity forbid a tag. From right to left, so that the lowest of equally good sequences is found
    by taking the lowest tag from left to right. float64 adds up thousands of float32 scores without rounding.
    """
    units, number = tf.shape(scores_BUK)[1], len(allowed_next)
    penalty_KK = tf.constant(np.where(allowed_next, 0.0, -np.inf), tf.float64)
    scores = tf.TensorArray(tf.float64, units, element_shape=[None, number]).unstack(tf.transpose(scores_BUK, [1, 0, 2]))

    def backward(unit, best_BK, followers):
        """`best_BK`: the best sum from `unit` on, by the tag there; `followers`: the tag that comes next on that way."""
        onward_BKK = best_BK[:, tf.newaxis, :] + penalty_KK
        followers = followers.write(unit, tf.argmax(onward_BKK, axis=-1, output_type=tf.int32))
        rest_BK = tf.where((unit < lengths_B)[:, tf.newaxis], tf.reduce_max(onward_BKK, axis=-1), tf.constant(0.0, tf.float64))
        return unit - 1, scores.read(unit - 1) + rest_BK, followers

    def forward(unit, tags_B, followers, tags):
        tags_B = tf.gather(followers.read(unit), tags_B, batch_dims=1)
        return unit + 1, tags_B, followers, tags.write(unit, tags_B)

    followers = tf.TensorArray(tf.int32, units, element_shape=[None, number], clear_after_read=True)
    _, best_BK, followers = tf.while_loop(
        lambda unit, *_: unit > 0, backward, (units - 1, scores.read(units - 1), followers)
    )
    first_B = tf.argmax(best_BK, axis=-1, output_type=tf.int32)
    tags = tf.TensorArray(tf.int32, units, element_shape=[None]).write(0, first_B)
    _, _, _, tags = tf.while_loop(lambda unit, *_: unit < units, forward, (1, first_B, followers, tags))
    return tf.transpose(tags.stack())


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
    """Finite float64 scores, at least FLOOR."""
    scores_BUK = tf.cast(log_probs_BUK, tf.float64)
    floor = tf.constant(FLOOR, tf.float64)
    return tf.clip_by_value(tf.where(tf.math.is_nan(scores_BUK), floor, scores_BUK), floor, -floor)


def _forbid_ends(scores_BUK, lengths_B, allowed_first: np.ndarray, allowed_last: np.ndarray) -> tf.Tensor:
    """Minus infinity for tags that may not begin a row at its first unit, or end it at its last."""
    unit_U = tf.range(tf.shape(scores_BUK)[1])
    first_U11 = (unit_U == 0)[:, tf.newaxis]
    last_BU1 = (unit_U == lengths_B[:, tf.newaxis] - 1)[..., tf.newaxis]
    return tf.where((first_U11 & ~allowed_first) | (last_BU1 & ~allowed_last), tf.constant(-np.inf, tf.float64), scores_BUK)


def _before(values_BU: tf.Tensor) -> tf.Tensor:
    """Each unit's left neighbour, 0 at the first."""
    return tf.pad(values_BU, [[0, 0], [1, 0]])[:, :-1]


def _widen(marked_BU: tf.Tensor, reach: tf.Tensor) -> tf.Tensor:
    """Mark what is within `reach` of a mark: bool [B, U] -> bool [B, U]."""
    units = tf.shape(marked_BU)[1]
    before_BV = tf.cumsum(tf.pad(tf.cast(marked_BU, tf.int32), [[0, 0], [1, 0]]), axis=1)
    unit_U = tf.range(units)
    until_BU = tf.gather(before_BV, tf.minimum(unit_U + reach + 1, units), axis=1)
    return until_BU > tf.gather(before_BV, tf.maximum(unit_U - reach, 0), axis=1)


def _solve_joined(scores_BUK, tags_BU, joined_BU, allowed_next: np.ndarray) -> tf.Tensor:
    """Replace the tags of all stretches of more than one unit by their best paths."""
    begins_BU = ~joined_BU & _after(joined_BU)
    ends_BU = joined_BU & ~_after(joined_BU)
    first_S2, last_S2 = (tf.cast(tf.where(marked_BU), tf.int32) for marked_BU in (begins_BU, ends_BU))
    length_S = last_S2[:, 1] - first_S2[:, 1] + 1
    offset_L = tf.range(tf.reduce_max(length_S))
    unit_SL = tf.minimum(first_S2[:, 1:] + offset_L, last_S2[:, 1:])
    place_SL2 = tf.stack([tf.broadcast_to(first_S2[:, :1], tf.shape(unit_SL)), unit_SL], axis=-1)
    path_SL = best_paths(tf.gather_nd(scores_BUK, place_SL2), length_S, allowed_next)
    within_SL = offset_L < length_S[:, tf.newaxis]
    return tf.tensor_scatter_nd_update(tags_BU, tf.boolean_mask(place_SL2, within_SL), tf.boolean_mask(path_SL, within_SL))


def _after(values_BU: tf.Tensor) -> tf.Tensor:
    """Each unit's right neighbour, False at the last."""
    return tf.pad(values_BU, [[0, 0], [0, 1]])[:, 1:]
