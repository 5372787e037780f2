"""Turn the probabilities of a text's units into tags and entities, in graph.

Only core TensorFlow ops are used, so that any server can run them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfner.evaluation.calibration import Calibration
from tfner.exceptions import ConfigError
from tfner.model.entity_marks import EntityMarks, MarkRules, mark_entities, mark_rules
from tfner.model.heads.calibrate import calibrate
from tfner.model.heads.lines import pad_line, positions, replace_nan, running_count, select_columns
from tfner.model.heads.viterbi import greedy, viterbi


class Spans(NamedTuple):
    """Hold the entities of each row in order.

    E is the largest count, 0 allowed, or the limit that was set. Padding is -1, or 0 for scores.
    """

    entity_first: tf.Tensor  # int32 [B, E], the first unit, counted in its row
    entity_last: tf.Tensor  # int32 [B, E], the last unit, inclusive
    entity_type: tf.Tensor  # int32 [B, E], index of the type
    # float32 [B, E], mean over its units of the probability of their tags, calibrated if so asked
    entity_score: tf.Tensor
    count: tf.Tensor  # int32 [B], also those beyond a limit


class Decoded(NamedTuple):
    """Hold the tags of units, and the entities that they spell."""

    tags: tf.Tensor  # int32 [M]
    probabilities: tf.Tensor  # float32 [M], of the tags, never calibrated
    spans: Spans
    # float32 [M], score of the entity that a unit is in, 0 outside; None without a calibration
    entity_scores: tf.Tensor | None = None


class Entities(NamedTuple):
    """Hold the N entities of all rows in order; units are counted over all rows."""

    first: tf.Tensor  # int32 [N]
    last: tf.Tensor  # int32 [N], inclusive
    type: tf.Tensor  # int32 [N]
    score: tf.Tensor  # float32 [N]

    def take(self, chosen_N: tf.Tensor) -> Entities:
        """Take those that are marked; bool [N]."""
        return Entities(*(member[chosen_N] for member in self))


class Decoder(tf.Module):
    """Decode with a fixed tag set and method.

    Args:
        tags: the K tag names by id.
        allowed: allowed_first, allowed_next and allowed_last, as `viterbi` takes them.
        method: "viterbi" or "greedy".
        types: the order of entity types that `entity_type` indexes; by default that of first
            appearance.
        threshold: entities with a lower score are none, and their units are O; one for all types or
            one by type.
        max_entities: the largest E; what is beyond it is in the count alone.
        calibration: of the scores of entities, before the threshold.
    """

    def __init__(
        self,
        tags: Sequence[str],
        *allowed: np.ndarray,
        method: str = "viterbi",
        types: Sequence[str] | None = None,
        threshold: float | Mapping[str, float] = 0.0,
        max_entities: int | None = None,
        calibration: Calibration | None = None,
    ):
        super().__init__(name="decoder")
        if method not in {"viterbi", "greedy"}:
            raise ConfigError(f"decoder: expected 'viterbi' or 'greedy', got {method!r}")
        self.method = method
        self.max_entities = max_entities
        self.calibration = calibration
        rules = mark_rules(tags, types)
        self._rules = rules
        self._outside = tags.index("O")
        self._thresholds = thresholds_by_type(threshold, rules.types)
        self.allowed = allowed

    def __call__(
        self, log_probs_MK: tf.Tensor, lengths_B: tf.Tensor, lengths_S: tf.Tensor | None = None
    ) -> Decoded:
        """Decode B rows that stand in one line.

            tags of two rows, 3 and 2 units    B-PER I-PER O | O B-LOC       M = 5
            entity_first, entity_last          [[0], [1]], [[1], [1]]        counted in each row

        Args:
            log_probs_MK: float [M, K], M units in all.
            lengths_B: int32 [B], units of each row.
            lengths_S: int32 [S], units of each sentence, if rows hold several: each is decoded by
                itself, and no entity leaves it.
        """
        if lengths_S is None:
            lengths_S = lengths_B
        tags_M, log_probs_MK = self.choose(log_probs_MK, lengths_S)
        return self.read(tags_M, log_probs_MK, lengths_B, lengths_S)

    def choose(self, log_probs_MK: tf.Tensor, lengths_S: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Choose the tags of S sequences that stand in one line.

        Returns:
            int32 [M], and float [M, K], the log probabilities that scores are made of.
        """
        if self.method == "viterbi":
            return viterbi(log_probs_MK, lengths_S, *self.allowed), log_probs_MK
        return greedy(log_probs_MK), log_probs_MK

    def log_marginals(self, log_probs_MK: tf.Tensor, lengths_B: tf.Tensor) -> tf.Tensor:
        """Compute what each tag of a unit is worth given its whole text; float [M, K] as it came.

        Here a unit's neighbours change nothing.
        """
        return log_probs_MK

    def read(
        self,
        tags_M: tf.Tensor,
        log_probs_MK: tf.Tensor,
        lengths_B: tf.Tensor,
        lengths_S: tf.Tensor,
    ) -> Decoded:
        """Read the entities that tags spell, and drop those below their thresholds."""
        sequence_M = row_numbers(lengths_S)
        marks, entities = read_entities(tags_M, log_probs_MK, sequence_M, self._rules)
        scores_M = None
        if self.calibration is not None:
            score_N = calibrate(entities.score, self.calibration)
            entities = entities._replace(score=score_N)
            scores_M = spread_over_units(marks, score_N)
        if self._thresholds.any():
            threshold_N = tf.gather(self._thresholds, entities.type)
            kept_N = entities.score >= threshold_N
            dropped_N = ~kept_N
            dropped_M = inside_chosen(marks, dropped_N)
            tags_M = tf.where(dropped_M, self._outside, tags_M)
            entities = entities.take(kept_N)
            if scores_M is not None:
                scores_M = tf.where(dropped_M, 0.0, scores_M)
        log_prob_M = select_columns(log_probs_MK, tags_M)
        probability_M = tf.exp(log_prob_M)
        row_M = row_numbers(lengths_B)
        spans = pad_by_row(entities, row_M, lengths_B, self.max_entities)
        return Decoded(tags_M, probability_M, spans, scores_M)


def thresholds_by_type(threshold: float | Mapping[str, float], types: Sequence[str]) -> np.ndarray:
    """Lay out one threshold a type, float32; 0 for those that are not named.

    Raises:
        ConfigError: a type is named that does not exist.
    """
    if not isinstance(threshold, Mapping):
        return np.full(len(types), threshold, np.float32)
    named = set(threshold)
    unknown = named.difference(types)
    if unknown:
        known = ", ".join(types)
        got = ", ".join(sorted(unknown))
        raise ConfigError(f"export.threshold: expected types of {known}, got {got}")
    return np.array([threshold.get(name, 0.0) for name in types], np.float32)


def row_numbers(lengths_B: tf.Tensor) -> tf.Tensor:
    """Number the row of each unit: int32 [B] -> int32 [M].

    >>> row_numbers(tf.constant([3, 0, 2])).numpy().tolist()
    [0, 0, 0, 2, 2]
    """
    rows = tf.size(lengths_B)
    number_B = tf.range(rows)
    return tf.repeat(number_B, lengths_B)


def row_starts(lengths_B: tf.Tensor, row_N: tf.Tensor) -> tf.Tensor:
    """Find where the rows of N things begin in the line: int32 [B], [N] -> int32 [N]."""
    start_B = tf.cumsum(lengths_B, exclusive=True)
    return tf.gather(start_B, row_N)


def read_entities(
    tags_M: tf.Tensor, log_probs_MK: tf.Tensor, row_M: tf.Tensor, rules: MarkRules
) -> tuple[EntityMarks, Entities]:
    """Read entities from tags as seqeval's default mode does, E and S included.

    conlleval, which knows no BIOES, agrees where no tag is E or S. An illegal sequence has a
    meaning too.

    Args:
        tags_M: int32 [M], rows in one line.
        log_probs_MK: float [M, K], for the scores: an entity's is the mean over its units of the
            probability that was given to the tag chosen there (NaN counts as 0).
        row_M: int32 [M], the row of each unit; entities end with their row.
        rules: `mark_rules` of the tag names.
    """
    marks_1M = mark_entities(rules, tags_M[None], row_M[None])
    marks = EntityMarks(*(tf.squeeze(mark, 0) for mark in marks_1M))
    first_N = positions(marks.begins)
    last_N = positions(marks.ends)
    log_probs_MK = tf.cast(log_probs_MK, tf.float32)
    log_prob_M = select_columns(log_probs_MK, tags_M)
    probability_M = tf.exp(log_prob_M)
    probability_M = replace_nan(probability_M, 0.0)
    inside_M = marks.type >= 0
    probability_V = probability_M[inside_M]
    entity_M = entity_numbers(marks)
    entity_V = entity_M[inside_M]
    entity_count = tf.size(first_N)
    total_N = tf.math.unsorted_segment_sum(probability_V, entity_V, entity_count)
    units_N = last_N - first_N + 1
    score_N = total_N / tf.cast(units_N, tf.float32)
    type_N = tf.gather(marks.type, first_N)
    return marks, Entities(first_N, last_N, type_N, score_N)


def entity_numbers(marks: EntityMarks) -> tf.Tensor:
    """Number the entity that each unit belongs to, of no meaning outside entities; -> int32 [M]."""
    return running_count(marks.begins) - 1


def inside_chosen(marks: EntityMarks, chosen_N: tf.Tensor) -> tf.Tensor:
    """Mark the units of the chosen entities: bool [N] -> bool [M]."""
    chosen = pad_line(chosen_N, before=1)  # 0 is no entity: the units before the first
    number_M = running_count(marks.begins)
    inside_M = marks.type >= 0
    return inside_M & tf.gather(chosen, number_M)


def spread_over_units(marks: EntityMarks, score_N: tf.Tensor) -> tf.Tensor:
    """Give each unit the score of its entity, 0 outside entities: float32 [N] -> float32 [M].

    Of four units, the second and third are an entity:

    >>> marks = mark_entities(mark_rules(["O", "B-A", "I-A"]), tf.constant([[0, 1, 2, 0]]))
    >>> marks = EntityMarks(*(mark[0] for mark in marks))
    >>> spread_over_units(marks, tf.constant([0.5])).numpy().tolist()
    [0.0, 0.5, 0.5, 0.0]
    """
    scores = pad_line(score_N, before=1)  # 0 is no entity: the units before the first
    number_M = running_count(marks.begins)
    inside_M = marks.type >= 0
    return tf.where(inside_M, tf.gather(scores, number_M), 0.0)


def pad_by_row(
    entities: Entities, row_M: tf.Tensor, lengths_B: tf.Tensor, max_entities: int | None
) -> Spans:
    """Turn entities of a line of rows into one padded row for each.

    >>> two = Entities(*map(tf.constant, ([0, 4], [1, 4], [2, 0], [0.9, 0.8])))
    >>> spans = pad_by_row(two, tf.constant([0, 0, 0, 1, 1]), tf.constant([3, 2]), None)
    >>> spans.entity_first.numpy().tolist(), spans.entity_last.numpy().tolist()
    ([[0], [1]], [[1], [1]])
    """
    rows = tf.size(lengths_B)
    row_N = tf.gather(row_M, entities.first)
    one_N = tf.ones_like(row_N)
    count_B = tf.math.unsorted_segment_sum(one_N, row_N, rows)
    entity_count = tf.size(row_N)
    number_N = tf.range(entity_count)
    rank_N = number_N - row_starts(count_B, row_N)
    counts = pad_line(count_B, after=1)  # the maximum of no rows is 0
    width = tf.reduce_max(counts)
    if max_entities is not None:
        width = tf.minimum(width, max_entities)
    fits_N = rank_N < width
    index_N2 = tf.stack([row_N, rank_N], axis=1)
    index_N2 = index_N2[fits_N]
    shape = tf.stack([rows, width])

    def pad(values_N: tf.Tensor, padding: float = -1) -> tf.Tensor:
        kept = values_N[fits_N]
        empty_BE = tf.fill(shape, padding)
        return tf.tensor_scatter_nd_update(empty_BE, index_N2, kept)

    start_N = row_starts(lengths_B, row_N)
    first_N = entities.first - start_N
    last_N = entities.last - start_N
    first_BE = pad(first_N)
    last_BE = pad(last_N)
    return Spans(first_BE, last_BE, pad(entities.type), pad(entities.score, 0.0), count_B)
