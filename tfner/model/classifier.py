"""TokenClassifier: an encoder and a tag layer, as an ordinary Keras model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tfner.model.encoders.bert_weights import encode_packed, fused_pass, read_weights
from tfner.model.encoders.partial_embedding import TrainedRows
from tfner.model.losses import MaskedSparseCategoricalCrossentropy, sum_over_replicas
from tfner.model.metrics import EntityCountsMixin, LossOfLabels
from tfner.model.skipping import apply_or_skip, skips

Implementation = Literal["fused", "reference"]


class Seeds(keras.__internal__.layers.BaseRandomLayer):
    """What the fused pass' dropouts draw from: a layer as Keras's dropouts are, so that training saves its state with theirs."""

    def __init__(self, **kwargs: Any):
        super().__init__(force_generator=True, **kwargs)
        self.build(())  # the state exists before a checkpoint is restored

    def draw(self, count: int) -> tf.Tensor:
        """New seeds, int64 [count, 2]."""
        return tf.random.experimental.stateless_split(
            self._random_generator.make_seed_for_stateless_op(), count
        )


class TokenClassifier(keras.Model):
    """Logits over tags for every piece; trains with plain `compile` and `fit`.

    Inputs: `{"input_ids", "attention_mask"}`, int32 [B, T], in batches (x, y, label_mask): y int32 [B, T], the mask float32 [B, T]
    passed as Keras's sample_weight. Output: float32 logits [B, T, K]. Packed rows are `{"input_ids", "segment_ids", "position_ids"}`:
    0 on padding, else which of the row's texts a piece belongs to, and its place in that text; each text is read by itself.

    The loss in the logs is that of all labelled positions since the metrics were reset, however they were batched.

    `gradient_accumulation` works a batch through in that many parts and updates once: the memory of a part, the update of the whole,
    because the loss is divided by the labelled positions of the whole. It needs MaskedSparseCategoricalCrossentropy as loss.

    `first_step` is where the next `fit` enters its first epoch: it counts steps from there, and its data begin with that step.

    `implementation` says who computes the hidden states: the encoder itself or the fused pass over its weights.

    `train_rows` spares the update of embeddings that no training text needs; `settle` then makes the encoder whole.
    """

    def __init__(self, encoder: keras.Model, tag_count: int, *, dropout: float = 0.1, gradient_accumulation: int = 1,
                 implementation: Implementation = "reference", **kwargs: Any):  # fmt: skip
        super().__init__(**kwargs)
        self.encoder = encoder
        self._fused = (
            fused_pass(encoder, tf.as_dtype(self.compute_dtype))
            if implementation == "fused"
            else None
        )
        self._seeds = Seeds(name="seeds") if self._fused is not None else None
        self._rows: TrainedRows | None = None
        self.gradient_accumulation = gradient_accumulation
        self.first_step = 0
        self.dropout = keras.layers.Dropout(dropout)
        self.head = keras.layers.Dense(
            tag_count,
            kernel_initializer=keras.initializers.TruncatedNormal(
                stddev=encoder.config.initializer_range
            ),
            dtype="float32",
            name="head",
        )
        self.unlabelled_batches = self.add_weight("unlabelled_batches", (), tf.int32, "zeros", trainable=False,
                                                  aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)  # fmt: skip
        self.skipped_steps = self.add_weight("skipped_steps", (), tf.int32, "zeros", trainable=False,
                                             aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)  # fmt: skip
        self.loss_of_labels = LossOfLabels()
        self.distribute_reduction_method = "first"  # of logs, which are the same on all replicas: Keras would sum up those of processes

    @tf.autograph.experimental.do_not_convert  # there is nothing to convert, and reading through transformers' layers takes seconds
    def call(self, inputs: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        mask_BT = inputs["segment_ids"] if "segment_ids" in inputs else inputs["attention_mask"]
        hidden_BTH = self._encode(
            inputs["input_ids"], mask_BT, inputs.get("position_ids"), training
        )
        hidden_BTH = tf.cast(self.dropout(hidden_BTH, training=training), tf.float32)
        # Selected, because in the gradient of the head's kernel a NaN at a padded position, times 0, would be NaN.
        return self.head(tf.where(tf.expand_dims(mask_BT > 0, -1), hidden_BTH, 0.0))

    def _encode(
        self, ids_BT: tf.Tensor, mask_BT: tf.Tensor, positions_BT: tf.Tensor | None, training: bool
    ) -> tf.Tensor:
        """Hidden states, [B, T, H]."""
        if self._fused is not None and self._seeds is not None:
            seeds = (
                self._seeds.draw(self._fused.seed_count(self.encoder.config.num_hidden_layers))
                if training
                else None
            )
            weights = read_weights(self.encoder)
            if self._rows is not None and training:
                ids_BT, weights = (
                    self._rows.numbers(ids_BT),
                    weights._replace(words=self._rows.table()),
                )
            return self._fused(weights, ids_BT, mask_BT, positions_BT, seeds)
        if positions_BT is not None:
            return encode_packed(self.encoder, ids_BT, mask_BT, positions_BT, training)
        return self.encoder(
            input_ids=ids_BT, attention_mask=mask_BT, training=training
        ).last_hidden_state

    def build_for_any_shape(self) -> TokenClassifier:
        """Create all variables by one call on a tiny batch."""
        ids = tf.zeros([1, 4], tf.int32)
        self({"input_ids": ids, "attention_mask": tf.ones_like(ids)})
        return self

    def train_rows(self, ids: Sequence[int] | np.ndarray) -> None:
        """Of the table of word embeddings train only the rows of these ids, ascending int [U]: all that training data hold.

        The others have no gradient and cost the optimizer neither time nor memory; weight decay reaches them with `settle`. The rows
        that are trained are a variable of their own, from which `settle` puts them into the encoder: at the end of an epoch, before the
        encoder is saved or read. Needs the fused pass; to be called before the optimizer is built.
        """
        if self._fused is None:
            raise ValueError(
                'train_rows: expected implementation="fused": the encoder itself reads its own table'
            )
        self._rows = TrainedRows(self._word_embeddings, ids, name="rows")

    def settle(self) -> None:
        """Put trained rows into the encoder's table and let its others decay; nothing without `train_rows`."""
        if self._rows is not None:
            self._rows.settle(self._word_embeddings)

    @property
    def trainable_weights(self) -> list[tf.Variable]:
        """Keras's, but for a table of which only some rows are trained."""
        left_out = None if self._rows is None else self._word_embeddings
        return [weight for weight in super().trainable_weights if weight is not left_out]

    @property
    def prediction_weights(self) -> list[tf.Variable]:
        """All that a prediction reads, in the same order in every classifier of a shape."""
        return [*self.encoder.weights, *self.head.weights]

    @property
    def _word_embeddings(self) -> tf.Variable:
        return self.encoder.bert.embeddings.weight

    def make_test_function(self, force: bool = False) -> Any:
        """Keras's, as every evaluation calls it, those within `fit` included."""
        self.settle()
        return super().make_test_function(force)

    def make_predict_function(self, force: bool = False) -> Any:
        """Keras's, as every prediction calls it."""
        self.settle()
        return super().make_predict_function(force)

    def make_train_function(self, force: bool = False) -> Any:
        """Keras's; what optimizer, loss and metrics keep is made before, or the step would be traced a second time."""
        logits = tf.zeros([1, 1, self.head.units])
        self.optimizer.build(self.trainable_variables)
        self.compiled_loss.build(logits)
        self.compiled_metrics.build(logits, tf.zeros([1, 1], tf.int32))
        return super().make_train_function(force)

    def _maybe_load_initial_counters_from_ckpt(
        self, steps_per_epoch: int, initial_epoch: int
    ) -> tuple[int, int]:
        """Where Keras asks for the epoch and the step that `fit` begins with."""
        first_step, self.first_step = self.first_step, 0
        return initial_epoch, first_step

    def compute_loss(
        self,
        x: Any = None,
        y: tf.Tensor | None = None,
        y_pred: tf.Tensor | None = None,
        sample_weight: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Keras's, and for the logs the loss of the labels."""
        if isinstance(self.loss, MaskedSparseCategoricalCrossentropy):
            total, weight = self.loss.sums(y, y_pred, sample_weight)
            finite = tf.math.is_finite(
                total
            )  # one step that is skipped would make the epoch's loss NaN
            self.loss_of_labels.update_state(
                tf.where(finite, tf.stop_gradient(total), 0.0), tf.where(finite, weight, 0.0)
            )
        return super().compute_loss(x, y, y_pred, sample_weight)

    def compute_metrics(
        self, x: Any, y: tf.Tensor, y_pred: tf.Tensor, sample_weight: tf.Tensor | None
    ) -> dict[str, tf.Tensor]:
        """Keras's; in packed rows entity metrics end every entity with its text."""
        segment_ids = x.get("segment_ids")
        compiled = self.compiled_metrics
        if segment_ids is None:
            return super().compute_metrics(x, y, y_pred, sample_weight)
        if compiled.weighted_metrics is None:
            compiled.build(y_pred, y)
        for mask, metrics in (
            (None, compiled.unweighted_metrics),
            (sample_weight, compiled.weighted_metrics),
        ):
            for metric in tf.nest.flatten(metrics):
                if isinstance(metric, EntityCountsMixin):
                    metric.update_state(y, y_pred, mask, segment_ids)
                elif metric is not None:
                    metric.update_state(y, y_pred, mask)
        return self.get_metrics_result()

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Keras's, but for the loss, where Keras takes the mean of batches and of replicas by their rows, labelled or not."""
        found = super().metrics
        if not isinstance(self.loss, MaskedSparseCategoricalCrossentropy):
            return [metric for metric in found if metric is not self.loss_of_labels]
        return [
            self.loss_of_labels,
            *(metric for metric in found if metric.name != self.loss_of_labels.name),
        ]

    @tf.autograph.experimental.do_not_convert
    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        x, y, mask = keras.utils.unpack_x_y_sample_weight(data)
        if mask is None:
            mask = tf.ones_like(y, tf.float32)
        labelled = sum_over_replicas(tf.reduce_sum(tf.cast(mask > 0, tf.float32)))
        self.unlabelled_batches.assign_add(tf.cast(labelled == 0, tf.int32))
        if self.gradient_accumulation > 1:
            loss, logits, gradients = self._work_in_parts(x, y, mask, labelled)
        elif skips(self.optimizer):
            loss, logits, gradients = self._work(x, y, mask)
        else:
            return super().train_step(data)
        if skips(self.optimizer):
            skipped = apply_or_skip(self.optimizer, gradients, loss, self.trainable_variables)
            self.skipped_steps.assign_add(tf.cast(skipped, tf.int32))
            return {
                **self.compute_metrics(x, y, logits, mask),
                "skipped_steps": tf.identity(self.skipped_steps),
            }
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return self.compute_metrics(x, y, logits, mask)

    def _work(
        self, x: dict[str, tf.Tensor], y: tf.Tensor, mask: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, list]:
        """Loss, logits and gradients of a batch."""
        with tf.GradientTape() as tape:
            logits = self(x, training=True)
            loss = self.compute_loss(x, y, logits, mask)
        return (
            loss,
            logits,
            [
                gradient
                for gradient, _ in self.optimizer.compute_gradients(
                    loss, self.trainable_variables, tape
                )
            ],
        )

    def _work_in_parts(
        self, x: dict[str, tf.Tensor], y: tf.Tensor, mask: tf.Tensor, labelled: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, list]:
        """The same from several forward and backward passes, whose gradients add up."""
        parts = {
            name: split_rows(value, self.gradient_accumulation)
            for name, value in {**x, "y": y, "mask": mask}.items()
        }

        def work_on_part(
            part: tf.Tensor, weight: tf.Tensor, logits: tf.TensorArray, gradients: list[tf.Tensor]
        ) -> tuple:
            part_x = {name: value[part] for name, value in parts.items()}
            part_y, part_mask = part_x.pop("y"), part_x.pop("mask")
            part_logits, part_weight, part_gradients = self._part_gradients(
                part_x, part_y, part_mask, labelled
            )
            summed = [
                total + tf.convert_to_tensor(more)
                for total, more in zip(gradients, part_gradients, strict=True)
            ]
            return part + 1, weight + part_weight, logits.write(part, part_logits), summed

        # A loop of the graph, one part after the other: unrolled, parts could run together and need the memory of the whole.
        _, weight, logits, gradients = tf.while_loop(
            lambda part, *_: part < self.gradient_accumulation,
            work_on_part,
            (
                0,
                0.0,
                tf.TensorArray(tf.float32, self.gradient_accumulation),
                [tf.zeros_like(v) for v in self.trainable_variables],
            ),
            parallel_iterations=1,
        )
        per_label = tf.math.divide_no_nan(
            labelled, sum_over_replicas(weight)
        )  # 1 without class weights
        gradients = [gradient * tf.cast(per_label, gradient.dtype) for gradient in gradients]
        whole = logits.concat()[: tf.shape(y)[0]]
        return self.compute_loss(x, y, whole, mask), whole, gradients

    def _part_gradients(
        self, x: dict[str, tf.Tensor], y: tf.Tensor, mask: tf.Tensor, labelled: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, list]:
        """Logits, sum of weights and gradients of one part's share of the loss: its sum / the labels of the whole global batch."""
        scaled = isinstance(self.optimizer, keras.mixed_precision.LossScaleOptimizer)
        with tf.GradientTape() as tape:
            logits = self(x, training=True)
            loss_sum, weight = self._masked_loss().sums(y, logits, mask)
            share = tf.math.divide_no_nan(
                loss_sum, labelled
            )  # divided before the way back, where a sum would overflow float16
            objective = self.optimizer.get_scaled_loss(share) if scaled else share
        gradients = tape.gradient(objective, self.trainable_variables)
        return (
            logits,
            weight,
            self.optimizer.get_unscaled_gradients(gradients) if scaled else gradients,
        )

    def _masked_loss(self) -> MaskedSparseCategoricalCrossentropy:
        if not isinstance(self.loss, MaskedSparseCategoricalCrossentropy):
            raise TypeError(
                f"gradient_accumulation: expected MaskedSparseCategoricalCrossentropy as loss, got {self.loss!r}"
            )
        return self.loss


def split_rows(value: tf.Tensor, parts: int) -> tf.Tensor:
    """[B, T] -> [parts, ceil(B / parts), T]; rows of zeros, without attention and label, fill up the last part."""
    rows = tf.shape(value)[0]
    each = tf.maximum((rows + parts - 1) // parts, 1)  # a replica may have got no row
    missing = tf.stack([[0, each * parts - rows], [0, 0]])
    return tf.reshape(tf.pad(value, missing), [parts, each, -1])
