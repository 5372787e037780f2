"""AdamW for fine-tuning: groups by variable name, exact clipping of embedding gradients, fused updates, warm-up and decay."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import tensorflow as tf
import tf_keras as keras

from tfner.exceptions import ConfigError

__all__ = ["FusedAdamW", "WarmupDecay", "build_optimizer"]

NO_DECAY = (
    r"(^|/)(\w*bias|gamma|beta)(_\d+)?(:|$)",
)  # biases and the scale and shift of normalisation layers
HEAD = (r"(^|/|_)(head|classifier|crf)(_\d+)?(/|:|$)",)
SCHEDULES = ("linear", "cosine", "constant")


@keras.saving.register_keras_serializable("tfner")
class WarmupDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Raise the learning rate to `peak`, then keep it or let it fall to 0 on a line or a cosine.

    For update number s = 0, 1, ... and what remains, r = (total_steps - s) / max(1, total_steps -
    warmup_steps), at least 0:

        s < warmup_steps    peak * (s + 1) / (warmup_steps + 1)
        linear              peak * r
        cosine              peak * (1 - cos(pi * r)) / 2
        constant            peak

    After the warm-up these are transformers' `get_{linear,cosine,constant}_schedule_with_warmup`.
    Its warm-up is s / warmup_steps, which spends the first update on a rate of 0; ours moves the
    weights in every update, the last one included.

    >>> schedule = WarmupDecay(1.0, total_steps=5, warmup_steps=1)
    >>> [float(schedule(step)) for step in range(5)]
    [0.5, 1.0, 0.75, 0.5, 0.25]

    Args:
        peak: the learning rate at the end of the warm-up.
        total_steps: number of updates in the whole run.
        warmup_steps: number of updates before the peak.
        schedule: "linear", "cosine" or "constant".
    """

    def __init__(
        self, peak: float, total_steps: int, warmup_steps: int = 0, schedule: str = "linear"
    ):
        if schedule not in SCHEDULES:
            raise ConfigError(f"schedule: expected one of {', '.join(SCHEDULES)}, got {schedule!r}")
        if not 0 <= warmup_steps <= total_steps:
            raise ConfigError(
                f"warmup_steps: expected 0 to total_steps = {total_steps}, got {warmup_steps}"
            )
        self.peak, self.total_steps, self.warmup_steps, self.schedule = (
            peak,
            total_steps,
            warmup_steps,
            schedule,
        )

    def __call__(self, step) -> tf.Tensor:
        """The learning rate of update number `step`, float32."""
        step = tf.cast(step, tf.float32)
        warmup = (step + 1.0) / (self.warmup_steps + 1)
        rest = tf.maximum(
            0.0, (self.total_steps - step) / max(1, self.total_steps - self.warmup_steps)
        )
        decay = {
            "linear": rest,
            "cosine": 0.5 * (1.0 - tf.cos(math.pi * rest)),
            "constant": tf.ones_like(step),
        }
        return self.peak * tf.where(step < self.warmup_steps, warmup, decay[self.schedule])

    def get_config(self) -> dict:
        """What `from_config` needs."""
        return {
            "peak": self.peak,
            "total_steps": self.total_steps,
            "warmup_steps": self.warmup_steps,
            "schedule": self.schedule,
        }


@keras.saving.register_keras_serializable("tfner")
class FusedAdamW(keras.optimizers.AdamW):
    """tf_keras' AdamW with a fused kernel, right clipping of embedding gradients, and a learning rate of its own for the head.

    The numbers are those of `keras.optimizers.AdamW` given dense gradients. An IndexedSlices gradient is summed over
    its repeated rows before its norm is taken, and updates all rows, as a dense one does. `gradient_norm` is the norm of all
    gradients of the last update together, before they are clipped; float32. An update where it is not finite is none: variables and
    moments stay as they are, bit for bit; only the number of the update, and with it the learning rate's schedule, goes on.

    Args:
        learning_rate: float or schedule.
        weight_decay: decoupled decay: each update first multiplies a variable by `1 - learning_rate * weight_decay`.
        global_clipnorm: gradients are scaled down so that the norm of all of them together is at most this; None = never.
        head_scale: factor on the learning rate of variables whose name matches one of `head_names`.
        head_names, no_decay_names: regular expressions searched in variable names such as `tagger/head/kernel:0`.
    """

    def __init__(
        self,
        learning_rate=1e-3,
        weight_decay: float = 0.01,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        global_clipnorm: float | None = None,
        head_scale: float = 1.0,
        head_names: Sequence[str] = HEAD,
        no_decay_names: Sequence[str] = NO_DECAY,
        name: str = "FusedAdamW",
        **kwargs,
    ):
        kwargs["jit_compile"] = False  # one kernel a variable needs no compiler
        super().__init__(
            learning_rate,
            weight_decay,
            beta_1,
            beta_2,
            epsilon,
            global_clipnorm=global_clipnorm,
            name=name,
            **kwargs,
        )
        self.head_scale, self.head_names, self.no_decay_names = (
            head_scale,
            tuple(head_names),
            tuple(no_decay_names),
        )
        self.exclude_from_weight_decay(var_names=list(no_decay_names))
        with tf.init_scope():
            self.gradient_norm = tf.Variable(
                tf.zeros([]),
                trainable=False,
                name="gradient_norm",
                synchronization=tf.VariableSynchronization.ON_READ,
                aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
            )

    def build(self, var_list) -> None:
        """Create the moments, and sort the variables into groups while their names are still their own."""
        if not getattr(self, "_built", False):
            is_head = [
                any(re.search(name, variable.name) for name in self.head_names)
                for variable in var_list
            ]
            if self.head_scale != 1.0 and not any(is_head):
                raise ConfigError(
                    f"head_learning_rate: no variable has a name that matches {' or '.join(self.head_names)}"
                )
            self._scales = [self.head_scale if head else 1.0 for head in is_head]
            self._decays = [
                self.weight_decay if self._use_weight_decay(variable) else 0.0
                for variable in var_list
            ]
        super().build(var_list)

    def update_step(self, gradient, variable) -> None:
        """Decay and update one variable in place."""
        index = self._index_dict[self._var_key(variable)]
        rates = {
            name: tf.cast(value, variable.dtype)
            for name, value in self._rates(self._scales[index]).items()
        }
        if self._decays[index]:
            variable.assign(variable * (1.0 - rates["lr"] * self._decays[index]))
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].handle,
            v=self._velocities[index].handle,
            epsilon=tf.cast(self.epsilon, variable.dtype),
            grad=gradient,
            **rates,
        )

    def _internal_apply_gradients(self, grads_and_vars):
        step = tf.cast(self.iterations + 1, tf.float32)
        betas = {
            "beta1": tf.cast(self.beta_1, tf.float32),
            "beta2": tf.cast(self.beta_2, tf.float32),
        }
        powers = {f"{name}_power": tf.pow(beta, step) for name, beta in betas.items()}
        shared = {name: self._unless_skipped(beta, 1) for name, beta in betas.items()}
        rate = self._unless_skipped(tf.cast(self.learning_rate, tf.float32), 0)
        rates = {scale: {"lr": rate * scale, **powers, **shared} for scale in set(self._scales)}
        self._rates = (
            rates.__getitem__
        )  # a dict would be taken for a part of the optimizer that is to be saved
        return super()._internal_apply_gradients(grads_and_vars)

    def get_config(self) -> dict:
        """What `from_config` needs."""
        config = {
            "head_scale": self.head_scale,
            "head_names": list(self.head_names),
            "no_decay_names": list(self.no_decay_names),
        }
        return {**super().get_config(), **config}

    def _apply_weight_decay(self, variables) -> None:
        """Nothing: `update_step` does it with the learning rate of the variable's group."""

    def _clip_gradients(self, grads):
        norm = tf.linalg.global_norm(
            [
                _row_sums(gradient) if isinstance(gradient, tf.IndexedSlices) else gradient
                for gradient in grads
            ]
        )
        self.gradient_norm.assign(tf.cast(norm, tf.float32))
        self._finite = tf.math.is_finite(norm)
        if not self.global_clipnorm:
            grads = super()._clip_gradients(grads)
        factor = (
            self.global_clipnorm / tf.maximum(norm, self.global_clipnorm)
            if self.global_clipnorm
            else tf.ones_like(norm)
        )
        factor = self._unless_skipped(factor, 0)
        return [_multiply(gradient, factor) for gradient in grads]

    def _unless_skipped(self, value: tf.Tensor, otherwise: int) -> tf.Tensor:
        """Adam with a rate of 0, decays of 1 and a gradient of 0 changes nothing: no branch of the graph is needed to skip an update."""
        return tf.where(self._finite, value, tf.constant(otherwise, value.dtype))

    def _deduplicate_sparse_grad(self, grads):
        return [
            _to_dense(gradient) if isinstance(gradient, tf.IndexedSlices) else gradient
            for gradient in grads
        ]


def build_optimizer(
    learning_rate: float,
    total_steps: int,
    *,
    warmup_steps: int | None = None,
    warmup_ratio: float = 0.0,
    schedule: str = "linear",
    weight_decay: float = 0.01,
    clip_norm: float | None = 1.0,
    head_learning_rate: float | None = None,
    head_names: Sequence[str] = HEAD,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-8,
) -> FusedAdamW:
    """The optimizer of a run of `total_steps` updates.

    Args:
        learning_rate: peak for all variables but the head's.
        warmup_steps: number of updates with a rising learning rate; None = `warmup_ratio` of all, rounded up.
        schedule: "linear", "cosine" or "constant" after the warm-up; see WarmupDecay.
        clip_norm: largest global norm of the gradient; None = no clipping.
        head_learning_rate: peak for variables whose name matches `head_names`; None = as the others. Same schedule.

    Raises:
        ConfigError: a value is out of range; or, at the first update, no variable is of the head.
    """
    if learning_rate <= 0.0:
        raise ConfigError(f"learning_rate: expected more than 0, got {learning_rate}")
    if warmup_steps is None:
        warmup_steps = math.ceil(warmup_ratio * total_steps)
    return FusedAdamW(
        WarmupDecay(learning_rate, total_steps, warmup_steps, schedule),
        weight_decay,
        beta_1,
        beta_2,
        epsilon,
        global_clipnorm=clip_norm,
        head_scale=1.0 if head_learning_rate is None else head_learning_rate / learning_rate,
        head_names=head_names,
    )


def _multiply(gradient, factor: tf.Tensor):
    """A gradient times a scalar; 0 times NaN is 0."""
    if isinstance(gradient, tf.IndexedSlices):
        return tf.IndexedSlices(
            tf.math.multiply_no_nan(gradient.values, factor), gradient.indices, gradient.dense_shape
        )
    return tf.math.multiply_no_nan(gradient, factor)


def _row_sums(gradient: tf.IndexedSlices) -> tf.Tensor:
    """The sum of each row that occurs, and rows of zeros: [N + 1, ...] for N slices.

    By sorting, because `tf.unique` has no static shape.
    """
    order_N = tf.argsort(gradient.indices)
    sorted_N = tf.gather(gradient.indices, order_N)
    row_N = tf.cumsum(tf.cast(sorted_N != tf.roll(sorted_N, 1, axis=0), tf.int32))
    return tf.math.unsorted_segment_sum(
        tf.gather(gradient.values, order_N), row_N, tf.size(order_N) + 1
    )


def _to_dense(gradient) -> tf.Tensor:
    """All rows of IndexedSlices, repeated ones summed; `tf.convert_to_tensor` does the same and warns about the size."""
    return tf.math.unsorted_segment_sum(gradient.values, gradient.indices, gradient.dense_shape[0])
