"""TokenClassifier: an encoder and a tag layer, as an ordinary Keras model."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras as keras

from tfner.model.losses import MaskedSparseCategoricalCrossentropy, sum_over_replicas


class TokenClassifier(keras.Model):
    """Logits over tags for every piece; trains with plain `compile` and `fit`.

    Inputs: `{"input_ids", "attention_mask"}`, int32 [B, T], in batches (x, y, label_mask): y int32 [B, T], the mask float32 [B, T]
    passed as Keras's sample_weight. Output: float32 logits [B, T, K].

    `gradient_accumulation` works a batch through in that many parts and updates once: the memory of a part, the update of the whole,
    because the loss is divided by the labelled positions of the whole. It needs MaskedSparseCategoricalCrossentropy as loss.
    """

    def __init__(self, encoder: keras.Model, tag_count: int, *, dropout: float = 0.1, gradient_accumulation: int = 1, **kwargs: Any):
        super().__init__(**kwargs)
        self.encoder = encoder
        self.gradient_accumulation = gradient_accumulation
        self.dropout = keras.layers.Dropout(dropout)
        self.head = keras.layers.Dense(
            tag_count,
            kernel_initializer=keras.initializers.TruncatedNormal(stddev=encoder.config.initializer_range),
            dtype="float32",
            name="head",
        )
        self.unlabelled_batches = self.add_weight("unlabelled_batches", (), tf.int32, "zeros", trainable=False,
                                                  aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)  # fmt: skip

    @tf.autograph.experimental.do_not_convert  # there is nothing to convert, and reading through transformers' layers takes seconds
    def call(self, inputs: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        hidden_BTH = self.encoder(
            input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], training=training
        ).last_hidden_state
        return self.head(tf.cast(self.dropout(hidden_BTH, training=training), tf.float32))

    def build_for_any_shape(self) -> TokenClassifier:
        """Create all variables by one call on a tiny batch."""
        ids = tf.zeros([1, 4], tf.int32)
        self({"input_ids": ids, "attention_mask": tf.ones_like(ids)})
        return self

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        x, y, mask = keras.utils.unpack_x_y_sample_weight(data)
        if mask is not None:
            labelled = sum_over_replicas(tf.reduce_sum(tf.cast(mask > 0, tf.int32)))
            self.unlabelled_batches.assign_add(tf.cast(labelled == 0, tf.int32))
        if self.gradient_accumulation == 1:
            return super().train_step(data)
        return self._train_in_parts(x, y, tf.ones_like(y, tf.float32) if mask is None else mask)

    def _train_in_parts(self, x: dict[str, tf.Tensor], y: tf.Tensor, mask: tf.Tensor) -> dict[str, tf.Tensor]:
        """One update from several forward and backward passes; gradients of sums add up, the division comes once."""
        parts = [split_rows(value, self.gradient_accumulation) for value in (x["input_ids"], x["attention_mask"], y, mask)]
        gradients = [tf.zeros_like(variable) for variable in self.trainable_variables]
        weight = tf.zeros([])
        logits = tf.TensorArray(tf.float32, self.gradient_accumulation)
        for part in tf.range(self.gradient_accumulation):
            ids, attention, part_y, part_mask = (value[part] for value in parts)
            part_logits, part_weight, part_gradients = self._part_gradients(ids, attention, part_y, part_mask)
            gradients = [total + tf.convert_to_tensor(part) for total, part in zip(gradients, part_gradients, strict=True)]
            weight += part_weight
            logits = logits.write(part, part_logits)
        total_weight = sum_over_replicas(weight)
        gradients = [tf.math.divide_no_nan(gradient, tf.cast(total_weight, gradient.dtype)) for gradient in gradients]
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        whole = logits.concat()[: tf.shape(y)[0]]
        self.compute_loss(x, y, whole, mask)
        return self.compute_metrics(x, y, whole, mask)

    def _part_gradients(self, ids: tf.Tensor, attention: tf.Tensor, y: tf.Tensor, mask: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, list]:
        """Logits, sum of weights and gradients of the sum of losses of one part."""
        scaled = isinstance(self.optimizer, keras.mixed_precision.LossScaleOptimizer)
        with tf.GradientTape() as tape:
            logits = self({"input_ids": ids, "attention_mask": attention}, training=True)
            loss_sum, weight = self._masked_loss().sums(y, logits, mask)
            objective = self.optimizer.get_scaled_loss(loss_sum) if scaled else loss_sum
        gradients = tape.gradient(objective, self.trainable_variables)
        return logits, weight, self.optimizer.get_unscaled_gradients(gradients) if scaled else gradients

    def _masked_loss(self) -> MaskedSparseCategoricalCrossentropy:
        if not isinstance(self.loss, MaskedSparseCategoricalCrossentropy):
            raise TypeError(f"gradient_accumulation: expected MaskedSparseCategoricalCrossentropy as loss, got {self.loss!r}")
        return self.loss


def split_rows(value: tf.Tensor, parts: int) -> tf.Tensor:
    """[B, T] -> [parts, ceil(B / parts), T]; rows of zeros, without attention and label, fill up the last part."""
    rows = tf.shape(value)[0]
    each = (rows + parts - 1) // parts
    missing = tf.stack([[0, each * parts - rows], [0, 0]])
    return tf.reshape(tf.pad(value, missing), [parts, each, -1])
