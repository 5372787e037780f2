"""From the probabilities of a text's units to tags and entities, in graph, with core TensorFlow ops only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfner.exceptions import ConfigError
from tfner.model.entity_marks import EntityMarks, MarkRules, mark_entities, mark_rules
from tfner.model.heads.viterbi import greedy, positions, viterbi

__all__ = ["Decoded", "Decoder", "Spans", "read_entities", "thresholds_by_type"]


class Spans(NamedTuple):
    """The entities of each row in order; E is the largest count, 0 allowed, or the limit that was set."""

    entity_first: tf.Tensor  # int32 [B, E], the first unit, counted in its row, -1 padded
    entity_last: tf.Tensor  # int32 [B, E], the last unit, inclusive, -1 padded
    entity_type: tf.Tensor  # int32 [B, E], index of the type, -1 padded
    entity_score: (
        tf.Tensor
    )  # float32 [B, E], mean over the units of the probability of the chosen tag, 0 padded
    count: tf.Tensor  # int32 [B], also those beyond a limit


class Decoded(NamedTuple):
    """The tags of units, and the entities that they spell."""

    tags: tf.Tensor  # int32 [M]
    probabilities: tf.Tensor  # float32 [M], of the tags
    spans: Spans


class Entities(NamedTuple):
    """The N entities of all rows in order; units counted over all rows."""

    first: tf.Tensor  # int32 [N]
    last: tf.Tensor  # int32 [N], inclusive
    type: tf.Tensor  # int32 [N]
    score: tf.Tensor  # float32 [N]

    def take(self, chosen_N: tf.Tensor) -> Entities:
        """Those that are marked; bool [N]."""
        return Entities(*(tf.boolean_mask(member, chosen_N) for member in self))


class Decoder(tf.Module):
    """Decodes with a fixed tag set and method.

    Args:
        tags: the K tag names by id.
        allowed_first, allowed_next, allowed_last: as `tfner.model.heads.viterbi.viterbi` takes them.
        method: "viterbi" or "greedy".
        types: the order of entity types that `entity_type` indexes; by default that of first appearance in `tags`.
        threshold: entities with a lower score are none, and their units are O; one for all types or one by type.
        max_entities: the largest E; what is beyond it is in the count alone.
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
        threshold: float | Mapping[str, float] = 0.0,
        max_entities: int | None = None,
    ):
        super().__init__(name="decoder")
        if method not in {"viterbi", "greedy"}:
            raise ConfigError(f"decoder: expected 'viterbi' or 'greedy', got {method!r}")
        self.method = method
        self.max_entities = max_entities
        self._rules = mark_rules(tags, types)
        self._outside = list(tags).index("O")
        self._thresholds = thresholds_by_type(threshold, self._rules.types)
        self._allowed = (
            np.asarray(allowed_first, bool),
            np.asarray(allowed_next, bool),
            np.asarray(allowed_last, bool),
        )

    def __call__(self, log_probs_MK: tf.Tensor, lengths_B: tf.Tensor) -> Decoded:
        """Decode B rows that stand in one line: log probabilities float [M, K], units of each row int32 [B], M in all."""
        tags_M = (
            viterbi(log_probs_MK, lengths_B, *self._allowed)
            if self.method == "viterbi"
            else greedy(log_probs_MK)
        )
        row_M = tf.repeat(tf.range(tf.size(lengths_B)), lengths_B)
        marks, entities = read_entities(tags_M, log_probs_MK, row_M, self._rules)
        if self._thresholds.any():
            kept_N = entities.score >= tf.gather(tf.constant(self._thresholds), entities.type)
            tags_M = tf.where(inside_chosen(marks, ~kept_N), self._outside, tags_M)
            entities = entities.take(kept_N)
        probabilities_M = tf.exp(tf.gather(log_probs_MK, tags_M, batch_dims=1))
        spans = by_row(entities, row_M, lengths_B, self.max_entities)
        return Decoded(tags_M, probabilities_M, spans)


def thresholds_by_type(threshold: float | Mapping[str, float], types: Sequence[str]) -> np.ndarray:
    """One threshold a type, float32; 0 for those that are not named.

    Raises:
        ConfigError: a type that there is not.
    """
    if not isinstance(threshold, Mapping):
        return np.full(len(types), threshold, np.float32)
    unknown = sorted(set(threshold) - set(types))
    if unknown:
        raise ConfigError(
            f"export.threshold: expected types of {', '.join(types)}, got {', '.join(unknown)}"
        )
    return np.array([threshold.get(name, 0.0) for name in types], np.float32)


def read_entities(
    tags_M: tf.Tensor, log_probs_MK: tf.Tensor, row_M: tf.Tensor, rules: MarkRules
) -> tuple[EntityMarks, Entities]:
    """Read entities from tags as conlleval reads them, so that an illegal sequence too has a meaning.

    Args:
        tags_M: int32 [M], rows in one line.
        log_probs_MK: float [M, K], for the scores: an entity's is the mean over its units of the probability that
            was given to the tag chosen there (exp of the log probability; NaN counts as 0).
        row_M: int32 [M], the row of each unit; entities end with their row.
        rules: `mark_rules` of the tag names.
    """
    marks = EntityMarks(
        *(
            tf.squeeze(mark, 0)
            for mark in mark_entities(rules, tags_M[tf.newaxis], row_M[tf.newaxis])
        )
    )
    first_N, last_N = positions(marks.begins), positions(marks.ends)
    log_prob_M = tf.gather(tf.cast(log_probs_MK, tf.float32), tags_M, batch_dims=1)
    probability_M = tf.exp(tf.where(tf.math.is_nan(log_prob_M), -np.inf, log_prob_M))
    inside_M = marks.type >= 0
    total_N = tf.math.unsorted_segment_sum(
        tf.boolean_mask(probability_M, inside_M),
        tf.boolean_mask(entity_numbers(marks), inside_M),
        tf.size(first_N),
    )
    score_N = total_N / tf.cast(last_N - first_N + 1, tf.float32)
    return marks, Entities(first_N, last_N, tf.gather(marks.type, first_N), score_N)


def entity_numbers(marks: EntityMarks) -> tf.Tensor:
    """Which entity each unit belongs to, of no meaning outside entities; -> int32 [M]."""
    return tf.cumsum(tf.cast(marks.begins, tf.int32)) - 1


def inside_chosen(marks: EntityMarks, chosen_N: tf.Tensor) -> tf.Tensor:
    """Whether a unit is inside one of the chosen entities: bool [N] -> bool [M]."""
    return (marks.type >= 0) & tf.gather(
        tf.pad(chosen_N, [[1, 0]]), tf.where(marks.type >= 0, entity_numbers(marks) + 1, 0)
    )


def by_row(
    entities: Entities, row_M: tf.Tensor, lengths_B: tf.Tensor, max_entities: int | None
) -> Spans:
    """Entities of a line of rows as one padded row for each."""
    row_N = tf.gather(row_M, entities.first)
    count_B = tf.math.unsorted_segment_sum(tf.ones_like(row_N), row_N, tf.size(lengths_B))
    rank_N = tf.range(tf.size(row_N)) - tf.gather(tf.cumsum(count_B, exclusive=True), row_N)
    most = tf.reduce_max(tf.concat([count_B, [0]], axis=0))
    width = most if max_entities is None else tf.minimum(most, max_entities)
    fits_N = rank_N < width
    place_N2 = tf.boolean_mask(tf.stack([row_N, rank_N], axis=1), fits_N)
    shape = tf.stack([tf.size(lengths_B), width])

    def spread(values_N, padding):
        return tf.tensor_scatter_nd_update(
            tf.fill(shape, padding), place_N2, tf.boolean_mask(values_N, fits_N)
        )

    start_N = tf.gather(tf.cumsum(lengths_B, exclusive=True), row_N)
    return Spans(
        spread(entities.first - start_N, -1),
        spread(entities.last - start_N, -1),
        spread(entities.type, -1),
        spread(entities.score, 0.0),
        count_B,
    )
