"""Compute cross entropy over labelled positions, divided by their number in the global batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from tfner.exceptions import ConfigError
from tfner.model.keras_guard import refuse_other_keras


def cross_entropy(
    y_true, logits, *, label_smoothing: float = 0.0, class_weights: Sequence[float] | None = None
) -> tf.Tensor:
    """Compute the cross entropy of each position: int [...], float [..., K] -> float32 [...].

    It is PyTorch's: with smoothing e and class weights w a position of class y costs
    `(1 - e) * w[y] * nll[y] + e / K * sum_k w[k] * nll[k]`.
    """
    y_true = tf.cast(y_true, tf.int32)
    logits = tf.cast(logits, tf.float32)
    loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y_true, logits=logits)
    if class_weights is not None:
        loss *= _weights_of_classes(class_weights, y_true)
    if not label_smoothing:
        return loss
    nll = -tf.nn.log_softmax(logits)
    if class_weights is not None:
        nll *= tf.constant(class_weights, tf.float32)
    uniform = tf.reduce_mean(nll, axis=-1)
    true_share = 1.0 - label_smoothing
    spread = label_smoothing * uniform
    return true_share * loss + spread


def _weights_of_classes(class_weights: Sequence[float], y_true: tf.Tensor) -> tf.Tensor:
    """Look up the weight of each position's class: [K], int32 [...] -> float32 [...]."""
    weights_K = tf.constant(class_weights, tf.float32)
    return tf.gather(weights_K, y_true)


def masked_cross_entropy_sum(
    y_true, logits, label_mask=None, *, class_weights: Sequence[float] | None = None, **options: Any
) -> tuple[tf.Tensor, tf.Tensor]:
    """Sum up the loss and its divisor apart, so that micro-batches add up and divide once.

    Args:
        y_true: int [B, T]; where the mask is 0 it may hold anything.
        logits: float [B, T, K] of any precision; where the mask is 0 they may be NaN or infinite.
        label_mask: [B, T], or [B] for whole rows; 0 = no label; a fraction is the weight of that
            position; None = all count.
        class_weights: [K]; a position weighs `label_mask * class_weights[y_true]`.
        options: of `cross_entropy`, besides: `label_smoothing`, the share of the target spread over
            all classes.

    Returns:
        The weighted sum of the losses and the sum of the weights, both float32 scalars of this
        replica alone. Two of three positions are labelled; equal logits cost log(2) = 0.693 each,
        and the NaN of the third stays out:

        >>> logits = tf.constant([[[0.0, 0.0], [1.0, 1.0], [float("nan"), 0.0]]])
        >>> total, weight = masked_cross_entropy_sum([[0, 1, -100]], logits, [[1.0, 1.0, 0.0]])
        >>> round(float(total), 3), float(weight)
        (1.386, 2.0)
    """
    y_true = tf.cast(y_true, tf.int32)
    logits = tf.cast(logits, tf.float32)
    weights = position_weights(y_true, label_mask)
    labelled = weights > 0.0
    # Selected twice: here, so that NaN gives no NaN gradient, and below, so that a masked position
    # has none at all.
    y_true = zero_unless(labelled, y_true)
    logits = zero_unless(tf.expand_dims(labelled, -1), logits)
    losses = cross_entropy(y_true, logits, class_weights=class_weights, **options)
    costs = weights * losses
    costs = zero_unless(labelled, costs)
    if class_weights is not None:
        weights *= _weights_of_classes(class_weights, y_true)
    weights = zero_unless(labelled, weights)
    total = tf.reduce_sum(costs)
    weight = tf.reduce_sum(weights)
    return total, weight


def soft_cross_entropy_sum(
    targets_BTK: tf.Tensor, logits_BTK: tf.Tensor, label_mask: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Sum up the cross entropy to distributions over tags, and its divisor.

    As `masked_cross_entropy_sum`, whose sums it gives where each target is one tag.

        >>> logits = tf.constant([[[0.0, 0.0], [float("nan"), 0.0]]])
        >>> targets = tf.constant([[[0.25, 0.75], [0.0, 0.0]]])
        >>> total, weight = soft_cross_entropy_sum(targets, logits, tf.constant([[1.0, 0.0]]))
        >>> round(float(total), 3), float(weight)
        (0.693, 1.0)
    """
    logits_BTK = tf.cast(logits_BTK, tf.float32)
    labelled_BT = label_mask > 0.0
    labelled_BT1 = tf.expand_dims(labelled_BT, -1)
    logits_BTK = zero_unless(labelled_BT1, logits_BTK)
    targets_BTK = zero_unless(labelled_BT1, targets_BTK)
    losses_BT = tf.nn.softmax_cross_entropy_with_logits(targets_BTK, logits_BTK)
    costs_BT = label_mask * losses_BT
    costs_BT = zero_unless(labelled_BT, costs_BT)
    weights_BT = zero_unless(labelled_BT, label_mask)
    total = tf.reduce_sum(costs_BT)
    weight = tf.reduce_sum(weights_BT)
    return total, weight


def zero_unless(kept: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """Select values, with 0 for those not kept; a product would let NaN through.

    >>> zero_unless(tf.constant([True, False]), tf.constant([2.0, float("nan")])).numpy().tolist()
    [2.0, 0.0]
    """
    return tf.where(kept, values, 0)


def position_weights(y_true: tf.Tensor, label_mask) -> tf.Tensor:
    """Broadcast a mask to the shape of the labels, as float32; None = ones, [B] = whole rows.

    >>> position_weights(tf.constant([[1, 2], [3, 4]]), [1.0, 0.0]).numpy().tolist()
    [[1.0, 1.0], [0.0, 0.0]]
    """
    if label_mask is None:
        return tf.ones_like(y_true, tf.float32)
    label_mask = tf.cast(label_mask, tf.float32)
    while label_mask.shape.rank < y_true.shape.rank:
        label_mask = tf.expand_dims(label_mask, -1)
    shape = tf.shape(y_true)
    return tf.broadcast_to(label_mask, shape)


def sum_over_replicas(value: tf.Tensor) -> tf.Tensor:
    """Sum `value` over all replicas; return it as it is outside a replica context of several."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return value
    return context.all_reduce("SUM", value)


def divide_over_replicas(total: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
    """Divide a replica's sum by the weight of the global batch; 0 where that is 0.

    Returns:
        A float32 scalar. Over R replicas the values, and the gradients, add up to those of one
        device with the whole batch. The gradient is that of this replica's own sum; the value is
        1/R of the global loss on each replica, because `fit` logs R times the value, averaged by
        rows, and rows say nothing of labels.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return tf.math.divide_no_nan(total, tf.stop_gradient(weight))
    sums = tf.stop_gradient(tf.stack([total, weight]))
    global_total, global_weight = tf.unstack(sum_over_replicas(sums))
    own_share = tf.math.divide_no_nan(total, global_weight)
    loss = tf.math.divide_no_nan(global_total, global_weight)
    even_share = loss / context.num_replicas_in_sync
    return own_share + tf.stop_gradient(even_share - own_share)


class MaskedLossMixin:
    """Divide the losses at labelled positions by their number in the whole global batch.

    Pass the label mask [B, T] as `sample_weight`, in `fit` or in a direct call; without one every
    position counts. Under a strategy with several replicas the number is that of all replicas, and
    the replicas' losses and gradients *add up* (which is what a Keras optimizer does) to those of
    one device with the whole batch. A batch without a labelled position has loss 0 and gradient 0.
    NaN or infinity at a masked position reaches neither loss nor gradient. All arithmetic is
    float32 whatever the logits are.

    Args:
        label_smoothing: share in [0, 1) of the target spread over all classes.
        class_weights: [K] or None. The divisor is then the sum of the weights of the true classes,
            as in PyTorch's `CrossEntropyLoss`, so weighting does not change the scale of the loss.
    """

    made_for: str  # the package of Keras that this is a loss of
    name: str

    def __init__(
        self,
        label_smoothing: float = 0.0,
        class_weights: Sequence[float] | None = None,
        name: str = "masked_cross_entropy",
    ):
        if not 0.0 <= label_smoothing < 1.0:
            message = f"label_smoothing: expected a number in [0, 1), got {label_smoothing}"
            raise ConfigError(message)
        # With "sum" Keras does not divide by the number of replicas again.
        super().__init__(reduction="sum", name=name)  # type: ignore[call-arg]
        self.label_smoothing = label_smoothing
        self.class_weights = None if class_weights is None else list(map(float, class_weights))

    def __call__(self, y_true, y_pred, sample_weight=None) -> tf.Tensor:
        """Compute the loss: int [B, T], logits [B, T, K], mask [B, T], [B] or None -> scalar."""
        refuse_other_keras(self, self.made_for)
        with tf.name_scope(self.name):
            total, weight = self.sums(y_true, y_pred, sample_weight)
            return divide_over_replicas(total, weight)

    def call(self, y_true, y_pred) -> tf.Tensor:
        """Compute the loss of each position, unmasked: int [B, T], logits [B, T, K] -> [B, T]."""
        options = self._options()
        return cross_entropy(y_true, y_pred, **options)

    def sums(self, y_true, y_pred, sample_weight=None) -> tuple[tf.Tensor, tf.Tensor]:
        """Sum up loss and divisor of this replica alone, as `masked_cross_entropy_sum` does."""
        return masked_cross_entropy_sum(y_true, y_pred, sample_weight, **self._options())

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` needs."""
        options = self._options()
        return {**options, "name": self.name}

    def _options(self) -> dict[str, Any]:
        return {"label_smoothing": self.label_smoothing, "class_weights": self.class_weights}


@tf_keras.saving.register_keras_serializable("tfner")
class MaskedSparseCategoricalCrossentropy(MaskedLossMixin, tf_keras.losses.Loss):
    __doc__ = MaskedLossMixin.__doc__
    made_for = "tf_keras"
