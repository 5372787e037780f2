"""Join an encoder and a head in an ordinary Keras model, TokenClassifier."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tfner.model.encoders.encoder import Encoder, EncoderInput
from tfner.model.heads.head import Head, LossSums, SoftTargets
from tfner.model.losses import position_weights, sum_over_replicas, zero_unless
from tfner.model.metrics import LossOfLabels
from tfner.model.skipping import apply_or_skip, supports_skipping

Batch = dict[str, tf.Tensor]


class Step(NamedTuple):
    """Hold what the forward and backward passes of a batch leave."""

    loss: tf.Tensor  # float32 scalar
    logits: tf.Tensor  # [B, T, K]
    gradients: list[tf.Tensor]  # one for each trainable variable


@dataclass(frozen=True)
class LabelMetrics:
    """Hold metrics in a plain object, in which Keras finds nothing to track."""

    metrics: tuple[keras.metrics.Metric, ...] = ()


class TokenClassifier(keras.Model):
    """Compute logits over tags for every piece; train with plain `compile` and `fit`.

    Inputs: `{"input_ids", "attention_mask"}`, int32 [B, T], in batches (x, y, label_mask): y int32
    [B, T], the mask float32 [B, T] passed as Keras's sample_weight. Output: float32 logits [B, T,
    K]. Packed rows are `{"input_ids", "segment_ids", "position_ids"}`, see EncoderInput; each text
    is read by itself. Where teachers label the batch, x has `soft_labels` and `gold_mask` besides,
    see SoftTargets.

    The loss is the head's, so `compile` takes none. In the logs it is that of all labelled
    positions since the metrics were reset, however they were batched.

    Args:
        encoder: turns pieces into hidden states.
        head: turns hidden states into logits, and has the loss.
        dropout: share of hidden states that is dropped out in front of the head.
        gradient_accumulation: micro-batches that a batch is worked through in before one update:
            the memory of one, the update of the whole, because the loss is divided by the labels of
            the whole.
    """

    def __init__(
        self, encoder: Encoder, head: Head, *, dropout: float = 0.1, gradient_accumulation: int = 1
    ):
        super().__init__()
        self.encoder = encoder
        self._track_encoder()
        self.gradient_accumulation = gradient_accumulation
        self.dropout = keras.layers.Dropout(dropout)
        self.head = head
        self.unlabelled_batches = self._add_counter("unlabelled_batches")
        self.skipped_steps = self._add_counter("skipped_steps")
        self.loss_of_labels = LossOfLabels()
        self._label_metrics = LabelMetrics()
        # Logs are the same on all replicas; Keras would add up those of several processes.
        self.distribute_reduction_method = "first"

    def _add_counter(self, name: str) -> tf.Variable:
        first = tf.VariableAggregation.ONLY_FIRST_REPLICA
        return self.add_weight(name, (), tf.int32, "zeros", trainable=False, aggregation=first)

    def _track_encoder(self) -> None:
        """Track what checkpoints hold of the encoder beside it."""
        for name, tracked in self.encoder.checkpoint_objects.items():
            setattr(self, name, tracked)

    # There is nothing to convert, and reading through transformers' layers takes seconds.
    @tf.autograph.experimental.do_not_convert
    def call(self, inputs: Batch, training: bool = False) -> tf.Tensor:
        """Compute logits; int32 [B, T] each -> float32 [B, T, K], of no meaning on padding."""
        pieces = EncoderInput.from_batch(inputs)
        hidden_BTH = self.encoder(pieces, training=training)
        hidden_BTH = self.dropout(hidden_BTH, training=training)
        hidden_BTH = tf.cast(hidden_BTH, tf.float32)
        # Selected, because in the gradient of the head's kernel a NaN on padding, times 0, would be
        # NaN.
        is_piece_BT1 = tf.expand_dims(pieces.segment_ids > 0, -1)
        hidden_BTH = zero_unless(is_piece_BT1, hidden_BTH)
        return self.head(hidden_BTH)

    def build_for_any_shape(self) -> TokenClassifier:
        """Create all variables by one call on a tiny batch."""
        ids = tf.zeros([1, 4], tf.int32)
        mask = tf.ones_like(ids)
        self({"input_ids": ids, "attention_mask": mask})
        return self

    def compile(
        self, optimizer: Any = "rmsprop", *, label_metrics: Sequence[Any] = (), **options: Any
    ) -> None:
        """Compile as Keras does, without a loss.

        Args:
            optimizer: as Keras's.
            label_metrics: are updated with (y, logits, label_mask, segment_ids), as those of
                `tfner.model.metrics` are; segment ids are None but in packed rows.
            options: Keras's other options.
        """
        if "loss" in options:
            raise TypeError("compile: expected no loss, which the head of a TokenClassifier has")
        super().compile(optimizer, **options)
        metrics = tuple(label_metrics)
        self._label_metrics = LabelMetrics(metrics)
        if self.built:
            # Else the first step creates the optimizer's variables, and is traced a second time.
            self.optimizer.build(self.trainable_variables)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """List the loss, Keras's own and the metrics of labels."""
        return [*super().metrics, *self._label_metrics.metrics]

    def restrict_embedding_update(self, ids: Sequence[int] | np.ndarray) -> None:
        """Update only the embedding rows listed in `ids` (ascending int [U]): see Encoder."""
        self.encoder.restrict_embedding_update(ids)
        self._track_encoder()

    def sync_embeddings(self) -> None:
        """Bring the encoder's table of embeddings up to date, before it is read elsewhere."""
        self.encoder.sync_embeddings()

    @property
    def prediction_weights(self) -> list[tf.Variable]:
        """List all that a prediction reads, up to date; equal classifiers have equal order."""
        self.sync_embeddings()
        return [*self.encoder.weights, *self.head.weights]

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None
    ) -> tf.Tensor:
        """Divide the head's loss by the labels of the global batch, and add it to the logs'."""
        total, weight = self._loss_sums(x, y, y_pred, sample_weight)
        # A step that is skipped would make the loss of its whole epoch NaN.
        finite = tf.math.is_finite(total)
        logged = tf.stop_gradient(total)
        logged = zero_unless(finite, logged)
        logged_weight = zero_unless(finite, weight)
        self.loss_of_labels.update_state(logged, logged_weight)
        weight = sum_over_replicas(weight)
        weight = tf.stop_gradient(weight)
        return tf.math.divide_no_nan(total, weight)

    def _loss_sums(self, x: Batch, y: tf.Tensor, logits: tf.Tensor, mask: tf.Tensor) -> LossSums:
        """Ask the head for its loss, of soft labels too where the batch holds any."""
        segments = x.get("segment_ids")
        if "soft_labels" not in x:
            return self.head.loss_sums(y, logits, mask, segments)
        targets = SoftTargets(y, x["soft_labels"], x["gold_mask"])
        return self.head.soft_loss_sums(targets, logits, mask, segments)

    def compute_metrics(
        self, x: Any, y: tf.Tensor, y_pred: tf.Tensor, sample_weight: tf.Tensor | None
    ) -> dict[str, tf.Tensor]:
        """Update all metrics, by gold; in packed rows an entity ends with its text."""
        if "gold_mask" in x:
            weights = position_weights(y, sample_weight)
            sample_weight = zero_unless(x["gold_mask"] > 0, weights)
        for metric in self._label_metrics.metrics:
            metric.update_state(y, y_pred, sample_weight, x.get("segment_ids"))
        return super().compute_metrics(x, y, y_pred, sample_weight)

    @tf.autograph.experimental.do_not_convert
    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Update the weights by one batch, unless a value is not finite."""
        x, y, mask = keras.utils.unpack_x_y_sample_weight(data)
        if mask is None:
            mask = tf.ones_like(y, tf.float32)
        labelled = tf.cast(mask > 0, tf.float32)
        labelled = tf.reduce_sum(labelled)
        labelled = sum_over_replicas(labelled)
        is_unlabelled = labelled == 0
        count_if(is_unlabelled, self.unlabelled_batches)
        if self.gradient_accumulation > 1:
            step = self._run_micro_batches(x, y, mask, labelled)
        else:
            step = self._run_whole(x, y, mask)
        variables = self.trainable_variables
        if not supports_skipping(self.optimizer):
            self.optimizer.apply_gradients(zip(step.gradients, variables, strict=True))
            return self.compute_metrics(x, y, step.logits, mask)
        skipped = apply_or_skip(self.optimizer, step.gradients, step.loss, variables)
        count_if(skipped, self.skipped_steps)
        logs = self.compute_metrics(x, y, step.logits, mask)
        return {**logs, "skipped_steps": tf.identity(self.skipped_steps)}

    def _run_whole(self, x: Batch, y: tf.Tensor, mask: tf.Tensor) -> Step:
        """Run a batch forward and backward."""
        with tf.GradientTape() as tape:
            logits = self(x, training=True)
            loss = self.compute_loss(x, y, logits, mask)
        pairs = self.optimizer.compute_gradients(loss, self.trainable_variables, tape)
        return Step(loss, logits, [gradient for gradient, _ in pairs])

    def _run_micro_batches(
        self, x: Batch, y: tf.Tensor, mask: tf.Tensor, labelled: tf.Tensor
    ) -> Step:
        """Run a batch in micro-batches, one after the other, and add up their gradients."""
        count = self.gradient_accumulation
        whole = {**x, "y": y, "mask": mask}
        split = {name: split_rows(value, count) for name, value in whole.items()}

        def is_left(index, *_):
            return index < count

        def run(index, weight, logits, gradients):
            batch = {name: value[index] for name, value in split.items()}
            added, step = self._run_micro_batch(batch, labelled)
            dense = map(tf.convert_to_tensor, step.gradients)
            sums = list(map(operator.add, gradients, dense))
            logits = logits.write(index, step.logits)
            weight += added
            index += 1
            return index, weight, logits, sums

        # A loop of the graph: unrolled, micro-batches could run together and need the memory of the
        # whole.
        zeros = [tf.zeros_like(variable) for variable in self.trainable_variables]
        start = (0, 0.0, tf.TensorArray(tf.float32, count), zeros)
        _, weight, logits, gradients = tf.while_loop(is_left, run, start, parallel_iterations=1)
        weight = sum_over_replicas(weight)
        per_label = tf.math.divide_no_nan(labelled, weight)  # 1 without class weights
        gradients = [gradient * tf.cast(per_label, gradient.dtype) for gradient in gradients]
        logits = logits.concat()[: tf.shape(y)[0]]
        return Step(self.compute_loss(x, y, logits, mask), logits, gradients)

    def _run_micro_batch(self, x: Batch, labelled: tf.Tensor) -> tuple[tf.Tensor, Step]:
        """Run a micro-batch, which holds y and mask, too; -> (the sum of its weights, the step).

        The objective is its share of the loss: its sum / the labels of the whole global batch. It
        is divided before the way back, in which a sum would overflow float16.
        """
        y = x.pop("y")
        mask = x.pop("mask")
        optimizer = self.optimizer
        scaled = isinstance(optimizer, keras.mixed_precision.LossScaleOptimizer)
        with tf.GradientTape() as tape:
            logits = self(x, training=True)
            total, weight = self._loss_sums(x, y, logits, mask)
            share = tf.math.divide_no_nan(total, labelled)
            objective = optimizer.get_scaled_loss(share) if scaled else share
        gradients = tape.gradient(objective, self.trainable_variables)
        if scaled:
            gradients = optimizer.get_unscaled_gradients(gradients)
        return weight, Step(share, logits, gradients)


def count_if(happened: tf.Tensor, counter: tf.Variable) -> None:
    """Raise a counter by 1 if something happened, a bool scalar."""
    added = tf.cast(happened, tf.int32)
    counter.assign_add(added)


def split_rows(value: tf.Tensor, count: int) -> tf.Tensor:
    """Split rows into micro-batches of one size: [B, T, …] -> [count, ceil(B / count), T, …].

    Rows of zeros, without attention and label, fill up the last one:

        >>> split_rows(tf.constant([[1], [2], [3]]), 2).numpy().tolist()
        [[[1], [2]], [[3], [0]]]
    """
    rows, *row_shape = tf.unstack(tf.shape(value))
    each = tf.maximum((rows + count - 1) // count, 1)  # a replica may have got no row
    rows_padded = each * count
    missing = rows_padded - rows
    paddings = tf.stack([[0, missing], *([0, 0] for _ in row_shape)])
    padded = tf.pad(value, paddings)
    split_shape = [count, each, *row_shape]
    return tf.reshape(padded, split_shape)
