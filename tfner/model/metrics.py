"""Count token accuracy and entity precision, recall and F1 in graph, batch by batch.

The scores equal those of seqeval's default mode, with the tags E and S too, which conlleval does
not know. What is counted is the same for either Keras and stands in mixins; below them are the
metrics of Keras 2, and in `tfner.keras` those of Keras 3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf
import tf_keras

from tfner.exceptions import ConfigError
from tfner.model.entity_marks import count_entities, mark_rules
from tfner.model.keras_guard import refuse_other_keras
from tfner.model.losses import position_weights, sum_over_replicas, zero_unless


class TotalsMixin:
    """Keep totals over all replicas, the same on each: any process reads or saves them alone."""

    made_for: str  # the package of Keras that this is a metric of
    # Creates a variable of zeros that is written on all replicas with the first one's value:
    # (name, shape, dtype) -> variable.
    add_total: Callable[..., Any]

    def add_to(self, totals: Sequence[Any], values: Sequence[tf.Tensor]) -> None:
        """Add to each total its value of this batch, which is below 2**24 if it is a count.

        One sum over replicas for all of them, in float32, which every kind of device can sum.
        """
        counts = _to_float32(values)
        counts = tf.stack(counts)
        counts = sum_over_replicas(counts)
        for total, value in zip(totals, tf.unstack(counts), strict=True):
            total.assign_add(tf.cast(value, total.dtype))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Update the totals and return the result, as every metric does."""
        refuse_other_keras(self, self.made_for)
        return super().__call__(*args, **kwargs)  # type: ignore[misc]


class MaskedAccuracyMixin(TotalsMixin):
    """Compute the share of labelled positions with the right tag; -1 (none) is never right.

    `sample_weight` is the label mask [B, T] ([B] for whole rows; fractions weigh); what it leaves
    out may be NaN.
    """

    def __init__(self, name: str = "accuracy", dtype: Any = None):
        super().__init__(name=name, dtype=dtype)  # type: ignore[call-arg]
        self.correct = self.add_total("correct")
        self.total = self.add_total("total")

    def update_state(self, y_true, y_pred, sample_weight=None, segment_ids=None) -> None:
        """Count a batch: ids [B, T]; logits [B, T, K] or ids [B, T]; mask [B, T], [B] or None.

        Segments, which packed rows have, make no difference to single positions.
        """
        y_true = tf.cast(y_true, tf.int32)
        weights_BT = position_weights(y_true, sample_weight)
        predicted_BT = _tag_ids(y_pred, y_true)
        is_right_BT = y_true == predicted_BT
        correct_BT = zero_unless(is_right_BT, weights_BT)
        correct = tf.reduce_sum(correct_BT)
        total = tf.reduce_sum(weights_BT)
        self.add_to((self.correct, self.total), (correct, total))

    def result(self) -> tf.Tensor:
        """Return accuracy as a fraction; 0 before anything was counted."""
        return tf.math.divide_no_nan(self.correct, self.total)


class PrecisionRecallF1(NamedTuple):
    """Hold fractions, float32 [] or one for each of N types [N]; 0 where nothing can be divided."""

    precision: tf.Tensor
    recall: tf.Tensor
    f1: tf.Tensor


class EntityCountsMixin(TotalsMixin):
    """Count gold, predicted and correct entities by type; subclasses say which score is the result.

    Rows are sequences of their own. Positions that `sample_weight` leaves out (0) are skipped as if
    absent, in the middle of a row too: what stands left and right of them are neighbours. Tags are
    read as seqeval's default mode reads them, legal or not.

    Args:
        tags: the K tag names by id, for example ["O", "B-PER", "I-PER"].
        average: "micro" over all entities, or "macro": the mean over the types that occur in gold
            or prediction.
    """

    default_name = "entity"

    def __init__(self, tags: Sequence[str], average: str = "micro", name: Any = None, dtype=None):
        if average not in {"micro", "macro"}:
            raise ConfigError(f"average: expected 'micro' or 'macro', got {average!r}")
        super().__init__(name=name or self.default_name, dtype=dtype)  # type: ignore[call-arg]
        self.tags = list(tags)
        self.average = average
        self.rules = mark_rules(self.tags)
        self.true = self._add_counts("true")
        self.predicted = self._add_counts("predicted")
        self.correct = self._add_counts("correct")

    def _add_counts(self, name: str) -> Any:
        """Create a count for each type, in int64: a float32 counter stops at 16,777,216."""
        shape = (len(self.rules.types),)
        return self.add_total(name, shape, "int64")

    def update_state(self, y_true, y_pred, sample_weight=None, segment_ids=None) -> None:
        """Count a batch.

        Args:
            y_true: tag ids int [B, T].
            y_pred: logits [B, T, K], or tag ids int [B, T] with -1 = no prediction, read as O.
            sample_weight: label mask [B, T], [B] for whole rows, or None = all; what is greater
                than 0 is labelled.
            segment_ids: int [B, T] of packed rows: no entity crosses from one segment into the
                next.
        """
        y_true = tf.cast(y_true, tf.int32)
        y_pred = _tag_ids(y_pred, y_true)
        weights_BT = position_weights(y_true, sample_weight)
        labelled_BT = weights_BT > 0.0
        counts = count_entities(self.rules, y_true, y_pred, labelled_BT, segment_ids)
        self.add_to((self.true, self.predicted, self.correct), counts)

    def scores(self) -> PrecisionRecallF1:
        """Return precision, recall and F1 under `average`, scalars."""
        totals = (self.true, self.predicted, self.correct)
        counts = _to_float32(totals)
        if self.average == "micro":
            return _scores(*map(tf.reduce_sum, counts))
        true, predicted, _ = counts
        entities = true + predicted
        occurs = tf.cast(entities > 0, tf.float32)
        types = tf.reduce_sum(occurs)
        sums = map(tf.reduce_sum, _scores(*counts))
        return PrecisionRecallF1(*(tf.math.divide_no_nan(total, types) for total in sums))

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` needs."""
        config = super().get_config()  # type: ignore[misc]
        return {**config, "tags": self.tags, "average": self.average}


class EntityPrecisionRecallF1Mixin(EntityCountsMixin):
    """Compute precision, recall and F1 at once, from one set of counters.

    `fit` logs them as `NAME_precision`, `NAME_recall` and `NAME_f1`.
    """

    def result(self) -> dict[str, tf.Tensor]:
        """Return the three scores as fractions."""
        scores = self.scores()._asdict()
        return {f"{self.name}_{key}": score for key, score in scores.items()}


class EntityPrecisionMixin(EntityCountsMixin):
    """Compute correct / predicted entities."""

    default_name = "entity_precision"

    def result(self) -> tf.Tensor:
        """Return the score that the metric is named after, as a fraction."""
        score = self.default_name.removeprefix("entity_")
        return getattr(self.scores(), score)


class EntityRecallMixin(EntityPrecisionMixin):
    """Compute correct / gold entities."""

    default_name = "entity_recall"


class EntityF1Mixin(EntityPrecisionMixin):
    """Compute the harmonic mean of entity precision and recall."""

    default_name = "entity_f1"


class _Keras2Metric(tf_keras.metrics.Metric):
    """Make a metric of Keras 2 from one of the mixins."""

    made_for = "tf_keras"

    def add_total(self, name: str, shape: tuple[int, ...] = (), dtype: str = "float32") -> Any:
        first = tf.VariableAggregation.ONLY_FIRST_REPLICA
        on_write = tf.VariableSynchronization.ON_WRITE
        return self.add_weight(name, shape, first, on_write, "zeros", dtype)

    def reset_state(self) -> None:
        """Set all totals to 0, of any shape."""
        for variable in self.variables:
            variable.assign(tf.zeros(variable.shape, variable.dtype))


_registered = tf_keras.saving.register_keras_serializable("tfner")


@_registered
class LossOfLabels(TotalsMixin, _Keras2Metric):
    """Compute the loss of all labelled positions, however batched: their costs / their weights."""

    def __init__(self, name: str = "loss", dtype: Any = None):
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_total("total")
        self.weight = self.add_total("weight")

    def update_state(self, total, weight) -> None:
        """Add the two sums of a batch, as `masked_cross_entropy_sum` gives them."""
        self.add_to((self.total, self.weight), (total, weight))

    def result(self) -> tf.Tensor:
        """Return the loss of a position; 0 before anything was counted."""
        return tf.math.divide_no_nan(self.total, self.weight)


@_registered
class MaskedAccuracy(MaskedAccuracyMixin, _Keras2Metric):
    __doc__ = MaskedAccuracyMixin.__doc__


@_registered
class EntityPrecision(EntityPrecisionMixin, _Keras2Metric):
    __doc__ = EntityPrecisionMixin.__doc__


@_registered
class EntityRecall(EntityRecallMixin, _Keras2Metric):
    __doc__ = EntityRecallMixin.__doc__


@_registered
class EntityF1(EntityF1Mixin, _Keras2Metric):
    __doc__ = EntityF1Mixin.__doc__


# Registered under the name that saved models hold.
@tf_keras.saving.register_keras_serializable("tfner", name="EntityScores")
class EntityPrecisionRecallF1(EntityPrecisionRecallF1Mixin, _Keras2Metric):
    __doc__ = EntityPrecisionRecallF1Mixin.__doc__


EntityScores = EntityPrecisionRecallF1  # the name that programs of earlier versions import


def _scores(true: tf.Tensor, predicted: tf.Tensor, correct: tf.Tensor) -> PrecisionRecallF1:
    """Divide float32 counts of any one shape."""
    divide = tf.math.divide_no_nan
    f1 = divide(2.0 * correct, true + predicted)
    precision = divide(correct, predicted)
    recall = divide(correct, true)
    return PrecisionRecallF1(precision, recall, f1)


def _to_float32(values: Sequence[Any]) -> list[tf.Tensor]:
    return [tf.cast(value, tf.float32) for value in values]


def _tag_ids(y_pred, y_true: tf.Tensor) -> tf.Tensor:
    """Return ids as they are, or the best class of logits: int32 [B, T]."""
    y_pred = tf.convert_to_tensor(y_pred)
    if y_pred.shape.rank == y_true.shape.rank:
        return tf.cast(y_pred, tf.int32)
    return tf.argmax(y_pred, axis=-1, output_type=tf.int32)
