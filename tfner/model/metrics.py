"""Streaming token accuracy and entity precision, recall and F1.

Counters in graph, equal to seqeval's default mode.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf
import tf_keras as keras

from tfner.exceptions import ConfigError
from tfner.model.entity_marks import EntityMarks, MarkRules, left_align, mark_entities, mark_rules
from tfner.model.losses import sum_over_replicas

__all__ = [
    "EntityCounts", "EntityF1", "EntityPrecision", "EntityRecall", "EntityScores", "LossOfLabels", "MaskedAccuracy", "count_entities",
]  # fmt: skip


class _Totals(keras.metrics.Metric):
    """Totals over all replicas, the same on each.

    Any process can read or save them without the help of the others.
    """

    def add_total(
        self, name: str, shape: tuple[int, ...] = (), dtype: tf.DType = tf.float32
    ) -> tf.Variable:
        aggregation, synchronization = (
            tf.VariableAggregation.ONLY_FIRST_REPLICA,
            tf.VariableSynchronization.ON_WRITE,
        )
        return self.add_weight(
            name, shape, aggregation, synchronization, initializer="zeros", dtype=dtype
        )

    def add_to(self, totals: Sequence[tf.Variable], values: Sequence[tf.Tensor]) -> None:
        """Add to each total its value of this batch, which is to be less than 2**24 if it is a
        count.

        One sum over replicas for all of them, in float32, which every kind of device can sum.
        """
        summed = sum_over_replicas(tf.stack([tf.cast(value, tf.float32) for value in values]))
        for total, value in zip(totals, tf.unstack(summed), strict=True):
            total.assign_add(tf.cast(value, total.dtype))


@keras.saving.register_keras_serializable("tfner")
class LossOfLabels(_Totals):
    """The loss of all labelled positions, however they were batched.

    The sum of what they cost / the sum of their weights.
    """

    def __init__(self, name: str = "loss", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.total, self.weight = self.add_total("total"), self.add_total("weight")

    def update_state(self, total, weight) -> None:
        """Add the two sums of a batch, as `masked_cross_entropy_sum` gives them."""
        self.add_to((self.total, self.weight), (total, weight))

    def result(self) -> tf.Tensor:
        """The loss of a position; 0 before anything was counted."""
        return tf.math.divide_no_nan(self.total, self.weight)


@keras.saving.register_keras_serializable("tfner")
class MaskedAccuracy(_Totals):
    """Share of labelled positions with the right tag; a prediction of -1 (none) is never right.

    `sample_weight` is the label mask [B, T] ([B] for whole rows; fractions weigh); what it leaves
    out may be NaN.
    """

    def __init__(self, name: str = "accuracy", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.correct, self.total = self.add_total("correct"), self.add_total("total")

    def update_state(self, y_true, y_pred, sample_weight=None, segment_ids=None) -> None:
        """Count a batch: ids [B, T]; logits [B, T, K] or ids [B, T]; mask [B, T], [B] or None.

        Segments make no difference to single positions.
        """
        y_true = tf.cast(y_true, tf.int32)
        weights_BT = _mask_like(y_true, sample_weight)
        correct_BT = tf.where(y_true == _tag_ids(y_pred, y_true), weights_BT, 0.0)
        self.add_to(
            (self.correct, self.total), (tf.reduce_sum(correct_BT), tf.reduce_sum(weights_BT))
        )

    def result(self) -> tf.Tensor:
        """Accuracy as a fraction; 0 before anything was counted."""
        return tf.math.divide_no_nan(self.correct, self.total)


class EntityCounts(_Totals):
    """Counts gold, predicted and correct entities by type; subclasses say what comes of it.

    Rows are sequences of their own. Positions that `sample_weight` leaves out (0) are skipped as if
    absent, in the middle of a row too: what stands left and right of them are neighbours. Tags are
    read as conlleval reads them.

    Args:
        tags: the K tag names by id, for example ["O", "B-PER", "I-PER"].
        average: "micro" over all entities, or "macro": the mean over the types that occur in gold
            or prediction.
    """

    def __init__(
        self, tags: Sequence[str], average: str = "micro", name: str | None = None, dtype=None
    ):
        if average not in {"micro", "macro"}:
            raise ConfigError(f"average: expected 'micro' or 'macro', got {average!r}")
        super().__init__(name=name, dtype=dtype)
        self.tags, self.average = list(tags), average
        self.rules = mark_rules(self.tags)
        self.true, self.predicted, self.correct = (
            self._add_counter(name) for name in ("true", "predicted", "correct")
        )

    def update_state(self, y_true, y_pred, sample_weight=None, segment_ids=None) -> None:
        """Count a batch.

        Args:
            y_true: tag ids int [B, T].
            y_pred: logits [B, T, K], or tag ids int [B, T] with -1 = no prediction, which reads as
                O.
            sample_weight: label mask [B, T], [B] for whole rows, or None = all; what is greater
                than 0 is labelled.
            segment_ids: int [B, T] of packed rows: no entity crosses from one segment into the
                next.
        """
        y_true = tf.cast(y_true, tf.int32)
        labelled_BT = _mask_like(y_true, sample_weight) > 0.0
        counts = count_entities(
            self.rules, y_true, _tag_ids(y_pred, y_true), labelled_BT, segment_ids
        )
        self.add_to((self.true, self.predicted, self.correct), counts)

    def reset_state(self) -> None:
        """Set all counters to 0."""
        keras.backend.batch_set_value(
            [(counter, [0] * len(self.rules.types)) for counter in self.variables]
        )

    def scores(self) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Precision, recall and F1 under `average`, scalars.

        0 where nothing is there to divide by.
        """
        if self.average == "micro":
            return _scores(
                *(tf.reduce_sum(counter) for counter in (self.true, self.predicted, self.correct))
            )
        occurs_N = tf.cast(self.true + self.predicted > 0, tf.float32)
        by_type = _scores(self.true, self.predicted, self.correct)
        precision, recall, f1 = (
            tf.math.divide_no_nan(tf.reduce_sum(score_N), tf.reduce_sum(occurs_N))
            for score_N in by_type
        )
        return precision, recall, f1

    def get_config(self) -> dict:
        """What `from_config` needs."""
        return {**super().get_config(), "tags": self.tags, "average": self.average}

    def _add_counter(self, name: str) -> tf.Variable:
        # int64: a float32 counter stops at 16,777,216
        return self.add_total(name, (len(self.rules.types),), tf.int64)


@keras.saving.register_keras_serializable("tfner")
class EntityScores(EntityCounts):
    """Precision, recall and F1 at once, from one set of counters.

    `fit` logs `NAME_precision`, `NAME_recall`, `NAME_f1`.
    """

    def __init__(
        self, tags: Sequence[str], average: str = "micro", name: str = "entity", dtype=None
    ):
        super().__init__(tags, average, name, dtype)

    def result(self) -> dict[str, tf.Tensor]:
        """The three scores as fractions."""
        return {
            f"{self.name}_{key}": score
            for key, score in zip(("precision", "recall", "f1"), self.scores(), strict=True)
        }


@keras.saving.register_keras_serializable("tfner")
class EntityPrecision(EntityCounts):
    """Correct / predicted entities."""

    def __init__(
        self,
        tags: Sequence[str],
        average: str = "micro",
        name: str = "entity_precision",
        dtype=None,
    ):
        super().__init__(tags, average, name, dtype)

    def result(self) -> tf.Tensor:
        """Precision as a fraction."""
        return self.scores()[0]


@keras.saving.register_keras_serializable("tfner")
class EntityRecall(EntityCounts):
    """Correct / gold entities."""

    def __init__(
        self, tags: Sequence[str], average: str = "micro", name: str = "entity_recall", dtype=None
    ):
        super().__init__(tags, average, name, dtype)

    def result(self) -> tf.Tensor:
        """Recall as a fraction."""
        return self.scores()[1]


@keras.saving.register_keras_serializable("tfner")
class EntityF1(EntityCounts):
    """Harmonic mean of entity precision and recall."""

    def __init__(
        self, tags: Sequence[str], average: str = "micro", name: str = "entity_f1", dtype=None
    ):
        super().__init__(tags, average, name, dtype)

    def result(self) -> tf.Tensor:
        """F1 as a fraction."""
        return self.scores()[2]


def count_entities(
    rules: MarkRules, true_BT, predicted_BT, labelled_BT, segments_BT=None
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Gold, predicted and correct entities of each type.

    Ids [B, T] twice, bool [B, T], ids [B, T] or None -> 3 x int32 [N].
    """
    segments_BT = None if segments_BT is None else left_align(segments_BT, labelled_BT)
    true = mark_entities(rules, left_align(true_BT, labelled_BT), segments_BT)
    predicted = mark_entities(rules, left_align(predicted_BT, labelled_BT), segments_BT)
    same_BT = (
        true.begins
        & predicted.begins
        & (true.type == predicted.type)
        & (_last_of(true) == _last_of(predicted))
    )
    return (
        _count_types(rules, true.type, true.begins),
        _count_types(rules, predicted.type, predicted.begins),
        _count_types(rules, true.type, same_BT),
    )


def _last_of(marks: EntityMarks) -> tf.Tensor:
    """The last position of each entity, given at its first: int32 [B, T]; elsewhere meaningless."""
    shape = tf.shape(marks.begins)
    place_BT = (
        tf.range(shape[0])[:, tf.newaxis] * shape[1]
        + tf.cumsum(tf.cast(marks.begins, tf.int32), axis=1)
        - 1
    )
    place_BT = tf.maximum(place_BT, 0)  # a row that opens with O points before itself
    position_BT = tf.where(marks.ends, tf.range(shape[1])[tf.newaxis, :], 0)
    return tf.gather(
        tf.math.unsorted_segment_sum(position_BT, place_BT, shape[0] * shape[1]), place_BT
    )


def _count_types(rules: MarkRules, type_BT: tf.Tensor, counted_BT: tf.Tensor) -> tf.Tensor:
    number = len(rules.types)
    slot_BT = tf.where(counted_BT, type_BT, number)
    return tf.math.unsorted_segment_sum(tf.ones_like(slot_BT), slot_BT, number + 1)[:number]


def _scores(true, predicted, correct) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    true, predicted, correct = (tf.cast(count, tf.float32) for count in (true, predicted, correct))
    divide = tf.math.divide_no_nan
    return (
        divide(correct, predicted),
        divide(correct, true),
        divide(2.0 * correct, true + predicted),
    )


def _tag_ids(y_pred, y_true: tf.Tensor) -> tf.Tensor:
    """Ids as they are, or the best class of logits: int32 [B, T]."""
    y_pred = tf.convert_to_tensor(y_pred)
    if y_pred.shape.rank == y_true.shape.rank:
        return tf.cast(y_pred, tf.int32)
    return tf.argmax(y_pred, axis=-1, output_type=tf.int32)


def _mask_like(y_true: tf.Tensor, mask) -> tf.Tensor:
    """The mask as float32 in the shape of the labels; None = ones, [B] = whole rows."""
    if mask is None:
        return tf.ones_like(y_true, tf.float32)
    mask = tf.cast(mask, tf.float32)
    return tf.broadcast_to(
        mask if mask.shape.rank == y_true.shape.rank else mask[:, tf.newaxis], tf.shape(y_true)
    )
