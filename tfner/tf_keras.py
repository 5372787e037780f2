"""Offer loss, metrics and callbacks for models of Keras 2: those of `import tf_keras`.

The module is named for the Keras that it serves; `tfner.keras` has the same for `import keras`.
`tf.keras` is Keras 2 where TF_USE_LEGACY_KERAS=1 is set before TensorFlow is imported.
"""

from tfner.model.losses import MaskedSparseCategoricalCrossentropy
from tfner.model.metrics import (
    EntityF1,
    EntityPrecision,
    EntityPrecisionRecallF1,
    EntityRecall,
    MaskedAccuracy,
)
from tfner.monitoring.step_metrics import StepMetrics
from tfner.monitoring.telemetry import EventLines, Scalars
from tfner.training.callbacks import BestWeights, EntityReport, MetricsLog, ProgressBar, Throughput

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
