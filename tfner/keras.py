"""Offer loss, metrics and callbacks for models of Keras 3 on TensorFlow: those of `import keras`.

The module is named for the Keras that it serves; `tfner.tf_keras` has the same for Keras 2, under
the same names. Both may be used in one process; an object in a model of the other Keras is an
error that says what to import.
"""

from typing import Any

import keras
import tensorflow as tf

if (backend := keras.config.backend()) != "tensorflow":
    raise ImportError(
        f"tfner.keras: expected Keras 3 on the backend tensorflow, got {backend}: set "
        "KERAS_BACKEND=tensorflow before keras is imported, or build the model with tf_keras and "
        "import from tfner.tf_keras"
    )

# TensorFlow decides at the first use what `tf.keras` is. Used here it stays Keras 3, though
# `tfner.model` asks for Keras 2, unless the user has asked for that.
tf.keras.layers  # noqa: B018

from tfner.model import losses, metrics  # noqa: E402
from tfner.model.keras_guard import refuse_other_keras  # noqa: E402
from tfner.monitoring.step_metrics import StepMetrics  # noqa: E402
from tfner.monitoring.telemetry import EventLines, Scalars  # noqa: E402
from tfner.training.callbacks import (  # noqa: E402
    BestWeights,
    EntityReport,
    MetricsLog,
    ProgressBar,
    Throughput,
)

__all__ = [
    "BestWeights",
    "EntityF1",
    "EntityPrecision",
    "EntityPrecisionRecallF1",
    "EntityRecall",
    "EntityReport",
    "EventLines",
    "MaskedAccuracy",
    "MaskedSparseCategoricalCrossentropy",
    "MetricsLog",
    "ProgressBar",
    "Scalars",
    "StepMetrics",
    "Throughput",
]

_registered = keras.saving.register_keras_serializable("tfner")


@_registered
class MaskedSparseCategoricalCrossentropy(losses.MaskedLossMixin, keras.losses.Loss):
    __doc__ = losses.MaskedLossMixin.__doc__
    made_for = "keras"

    def sums(self, y_true, y_pred, sample_weight=None) -> tuple[tf.Tensor, tf.Tensor]:
        """Sum up loss and divisor of this replica, without what layers have masked."""
        mask = _with_mask_of_layers(y_true, y_pred, sample_weight)
        return super().sums(y_true, y_pred, mask)


class _Keras3Metric(keras.metrics.Metric):
    """Make a metric of Keras 3 from one of the mixins."""

    made_for = "keras"

    def add_total(self, name: str, shape: tuple[int, ...] = (), dtype: str = "float32") -> Any:
        replicas = {"aggregation": "only_first_replica", "synchronization": "on_write"}
        return keras.Variable("zeros", shape, dtype, trainable=False, name=name, **replicas)

    @property
    def variables(self) -> list[Any]:
        """Return the totals; Keras 2 asks for them before it calls a metric."""
        refuse_other_keras(self, self.made_for)
        return super().variables


class _MaskOfLayers:
    """Leave out what layers have masked, before a mixin counts; Keras 2 does it by itself."""

    def update_state(self, y_true, y_pred, sample_weight=None, **kwargs: Any) -> None:
        """Count a batch, as the mixin does."""
        mask = _with_mask_of_layers(y_true, y_pred, sample_weight)
        super().update_state(y_true, y_pred, mask, **kwargs)  # type: ignore[misc]


@_registered
class MaskedAccuracy(_MaskOfLayers, metrics.MaskedAccuracyMixin, _Keras3Metric):
    __doc__ = metrics.MaskedAccuracyMixin.__doc__


@_registered
class EntityPrecision(_MaskOfLayers, metrics.EntityPrecisionMixin, _Keras3Metric):
    __doc__ = metrics.EntityPrecisionMixin.__doc__


@_registered
class EntityRecall(_MaskOfLayers, metrics.EntityRecallMixin, _Keras3Metric):
    __doc__ = metrics.EntityRecallMixin.__doc__


@_registered
class EntityF1(_MaskOfLayers, metrics.EntityF1Mixin, _Keras3Metric):
    __doc__ = metrics.EntityF1Mixin.__doc__


@_registered
class EntityPrecisionRecallF1(_MaskOfLayers, metrics.EntityPrecisionRecallF1Mixin, _Keras3Metric):
    __doc__ = metrics.EntityPrecisionRecallF1Mixin.__doc__


def _with_mask_of_layers(y_true, y_pred, sample_weight) -> Any:
    """Join the label mask and the mask that layers such as `Embedding(mask_zero=True)` set.

    Returns:
        float32 [B, T], 0 where either is 0; `sample_weight` itself where layers set none.
    """
    mask_BT = getattr(y_pred, "_keras_mask", None)
    if mask_BT is None:
        return sample_weight
    weights_BT = losses.position_weights(tf.cast(y_true, tf.int32), sample_weight)
    return tf.where(mask_BT, weights_BT, 0.0)
