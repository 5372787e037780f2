"""Cross entropy over labelled positions only, divided by how many the whole global batch has."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf
import tf_keras as keras

from tfner.exceptions import ConfigError

__all__ = [
    "MaskedSparseCategoricalCrossentropy",
    "cross_entropy",
    "masked_cross_entropy_sum",
    "sum_over_replicas",
]


def cross_entropy(
    y_true, logits, *, label_smoothing: float = 0.0, class_weights: Sequence[float] | None = None
) -> tf.Tensor:
    """Cross entropy of each position: int [...], float [..., K] -> float32 [...].

    As PyTorch's: with smoothing e and class weights w a position of class y costs
    `(1 - e) * w[y] * nll[y] + e / K * sum_k w[k] * nll[k]`.
    """
    y_true, logits = tf.cast(y_true, tf.int32), tf.cast(logits, tf.float32)
    loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y_true, logits=logits)
    if class_weights is not None:
        loss *= tf.gather(tf.constant(class_weights, tf.float32), y_true)
    if not label_smoothing:
        return loss
    nll = -tf.nn.log_softmax(logits)
    if class_weights is not None:
        nll *= tf.constant(class_weights, tf.float32)
    return (1.0 - label_smoothing) * loss + label_smoothing * tf.reduce_mean(nll, axis=-1)


def masked_cross_entropy_sum(
    y_true,
    logits,
    label_mask=None,
    *,
    label_smoothing: float = 0.0,
    class_weights: Sequence[float] | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """The two parts of the loss, so that micro-batches can be added up and divided once.

    Args:
        y_true: int [B, T]; where the mask is 0 it may hold anything.
        logits: float [B, T, K] of any precision; where the mask is 0 they may be NaN or infinite.
        label_mask: [B, T], or [B] for whole rows; 0 = no label; a fraction is the weight of that
            position; None = all count.
        label_smoothing: share of the target spread over all classes.
        class_weights: [K]; a position weighs `label_mask * class_weights[y_true]`.

    Returns:
        The weighted sum of the losses and the sum of the weights, both float32 scalars of this
        replica alone.
    """
    y_true, logits = tf.cast(y_true, tf.int32), tf.cast(logits, tf.float32)
    weights = _position_weights(y_true, label_mask)
    labelled = weights > 0.0
    # Selected twice: before, so that NaN gives no NaN gradient; after, so that a masked position
    # has none at all.
    y_true, logits = (
        tf.where(labelled, y_true, 0),
        tf.where(tf.expand_dims(labelled, -1), logits, 0.0),
    )
    losses = cross_entropy(
        y_true, logits, label_smoothing=label_smoothing, class_weights=class_weights
    )
    total = tf.reduce_sum(tf.where(labelled, weights * losses, 0.0))
    if class_weights is not None:
        weights *= tf.gather(tf.constant(class_weights, tf.float32), y_true)
    return total, tf.reduce_sum(tf.where(labelled, weights, 0.0))


def sum_over_replicas(value: tf.Tensor) -> tf.Tensor:
    """The sum of `value` over all replicas in a replica context of several.

    Elsewhere `value` itself.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return value
    return context.all_reduce(tf.distribute.ReduceOp.SUM, value)


@keras.saving.register_keras_serializable("tfner")
class MaskedSparseCategoricalCrossentropy(keras.losses.Loss):
    """Sum of the losses at labelled positions / number of labelled positions in the whole global
    batch.

    Pass the label mask [B, T] as `sample_weight`, in `fit` or in a direct call; without one every
    position counts. Under a strategy with several replicas the number is summed over the replicas,
    so the replicas' losses and gradients *add up* (which is what a Keras optimizer does) to those
    of one device with the whole batch. A batch without a labelled position has loss 0 and gradient
    0. NaN or infinity at a masked position reaches neither loss nor gradient. All arithmetic is
    float32 whatever the logits are.

    Args:
        label_smoothing: share in [0, 1) of the target spread over all classes.
        class_weights: [K] or None. The divisor is then the sum of the weights of the true classes,
            as in PyTorch's `CrossEntropyLoss`, so weighting does not change the scale of the loss.
    """

    def __init__(
        self,
        label_smoothing: float = 0.0,
        class_weights: Sequence[float] | None = None,
        name: str = "masked_cross_entropy",
    ):
        if not 0.0 <= label_smoothing < 1.0:
            raise ConfigError(
                f"label_smoothing: expected a number in [0, 1), got {label_smoothing}"
            )
        # With SUM Keras does not divide by the number of replicas again; `fit` still logs the value
        # of the whole batch.
        super().__init__(reduction=keras.losses.Reduction.SUM, name=name)
        self.label_smoothing = label_smoothing
        self.class_weights = (
            None if class_weights is None else [float(weight) for weight in class_weights]
        )

    def __call__(self, y_true, y_pred, sample_weight=None) -> tf.Tensor:
        """int [B, T], logits [B, T, K], mask [B, T] or [B] or None -> float32 scalar."""
        with tf.name_scope(self.name):
            total, weight = self.sums(y_true, y_pred, sample_weight)
            return tf.math.divide_no_nan(total, tf.stop_gradient(sum_over_replicas(weight)))

    def call(self, y_true, y_pred) -> tf.Tensor:
        """The losses of the single positions, unmasked.

        Int [B, T], logits [B, T, K] -> float32 [B, T].
        """
        return cross_entropy(
            y_true, y_pred, label_smoothing=self.label_smoothing, class_weights=self.class_weights
        )

    def sums(self, y_true, y_pred, sample_weight=None) -> tuple[tf.Tensor, tf.Tensor]:
        """The loss before its division, of this replica alone: see `masked_cross_entropy_sum`."""
        return masked_cross_entropy_sum(
            y_true,
            y_pred,
            sample_weight,
            label_smoothing=self.label_smoothing,
            class_weights=self.class_weights,
        )

    def get_config(self) -> dict:
        """What `from_config` needs."""
        return {
            "label_smoothing": self.label_smoothing,
            "class_weights": self.class_weights,
            "name": self.name,
        }


def _position_weights(y_true: tf.Tensor, label_mask) -> tf.Tensor:
    """The mask as float32 in the shape of `y_true`.

    A mask of fewer dimensions holds for whole rows.
    """
    if label_mask is None:
        return tf.ones_like(y_true, tf.float32)
    label_mask = tf.cast(label_mask, tf.float32)
    while label_mask.shape.rank < y_true.shape.rank:
        label_mask = tf.expand_dims(label_mask, -1)
    return tf.broadcast_to(label_mask, tf.shape(y_true))
