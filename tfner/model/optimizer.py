"""Update weights by AdamW for fine-tuning.

It has groups by variable name, exact clipping of embedding gradients, fused updates, warm-up and
decay.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras as keras

from tfner.exceptions import ConfigError
from tfner.model.keras_internals import AdamWSteps

# Biases, and the scale and shift of normalization layers.
NO_DECAY = (r"(^|/)(\w*bias|gamma|beta)(_\d+)?(:|$)",)
HEAD = (r"(^|/|_)(head|classifier|crf)(_\d+)?(/|:|$)",)
TRANSITIONS = (r"(^|/)transitions(_\d+)?(:|$)",)  # of a CRF
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
            names = ", ".join(SCHEDULES)
            raise ConfigError(f"schedule: expected one of {names}, got {schedule!r}")
        if not 0 <= warmup_steps <= total_steps:
            expected = f"expected 0 to total_steps = {total_steps}"
            raise ConfigError(f"warmup_steps: {expected}, got {warmup_steps}")
        self.peak = peak
        self.total_steps = total_steps
        self.warmup_steps = warmup_steps
        self.schedule = schedule

    def __call__(self, step) -> tf.Tensor:
        """Compute the learning rate of update number `step`, float32."""
        step = tf.cast(step, tf.float32)
        warmup = (step + 1.0) / (self.warmup_steps + 1)
        decay_steps = max(1, self.total_steps - self.warmup_steps)
        steps_left = self.total_steps - step
        decay = steps_left / decay_steps
        decay = tf.maximum(0.0, decay)
        if self.schedule == "cosine":
            angle = math.pi * decay
            cosine = tf.cos(angle)
            decay = 0.5 * (1.0 - cosine)
        elif self.schedule == "constant":
            decay = tf.ones_like(step)
        return self.peak * tf.where(step < self.warmup_steps, warmup, decay)

    def get_config(self) -> dict:
        """Return what `from_config` needs."""
        names = ("peak", "total_steps", "warmup_steps", "schedule")
        return {name: getattr(self, name) for name in names}


@keras.saving.register_keras_serializable("tfner")
class FusedAdamW(AdamWSteps):
    """Run tf_keras' AdamW with a fused kernel and learning rates of their own for the head.

    The numbers are those of `keras.optimizers.AdamW` given dense gradients. An IndexedSlices
    gradient is summed over its repeated rows before its norm is taken, and updates all rows, as a
    dense one does. `gradient_norm` is the norm of all gradients of the last update together, before
    they are clipped; float32. An update where it is not finite is none: variables and moments stay
    as they are, bit for bit; only the number of the update, and with it the learning rate's
    schedule, goes on.

    Args:
        learning_rate: float or schedule.
        weight_decay: decoupled decay: each update first multiplies a variable by `1 - learning_rate
            * weight_decay`.
        global_clipnorm: gradients are scaled down so that the norm of all of them together is at
            most this; None = never.
        head_scale: factor on the learning rate of variables whose name matches one of `head_names`.
        transition_scale: factor on that of a CRF's transitions; None = `head_scale`.
        head_names, no_decay_names: regular expressions searched in variable names such as
            `tagger/head/kernel:0`.
    """

    def __init__(
        self,
        learning_rate=1e-3,
        weight_decay: float = 0.01,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        *,
        head_scale: float = 1.0,
        transition_scale: float | None = None,
        head_names: Sequence[str] = HEAD,
        no_decay_names: Sequence[str] = NO_DECAY,
        name: str = "FusedAdamW",
        **options: Any,
    ):
        options["jit_compile"] = False  # one kernel a variable needs no compiler
        super().__init__(learning_rate, weight_decay, beta_1, beta_2, epsilon, name=name, **options)
        self.head_scale = head_scale
        self.transition_scale = transition_scale
        self.head_names = tuple(head_names)
        self.no_decay_names = tuple(no_decay_names)
        self.exclude_from_weight_decay(var_names=list(no_decay_names))
        on_read = tf.VariableSynchronization.ON_READ
        first = tf.VariableAggregation.ONLY_FIRST_REPLICA
        of_replicas = {"synchronization": on_read, "aggregation": first}
        with tf.init_scope():
            zero = tf.zeros([])
            self.gradient_norm = tf.Variable(zero, False, name="gradient_norm", **of_replicas)

    def build(self, var_list) -> None:
        """Create the moments, and group the variables while their names are still their own."""
        if not self.is_built():
            self._scales = self._scales_of(var_list)
            self._decays = [self._decay_of(variable) for variable in var_list]
        super().build(var_list)

    def _scales_of(self, variables: Sequence) -> list[float]:
        """Find the factor on the learning rate of each variable."""
        is_head = [is_named(variable, self.head_names) for variable in variables]
        if self.head_scale != 1.0 and not any(is_head):
            names = " or ".join(self.head_names)
            raise ConfigError(f"head_learning_rate: no variable has a name that matches {names}")
        return list(map(self._scale_of, variables, is_head))

    def _scale_of(self, variable, is_head: bool) -> float:
        if self.transition_scale is not None and is_named(variable, TRANSITIONS):
            return self.transition_scale
        return self.head_scale if is_head else 1.0

    def _decay_of(self, variable) -> float:
        return self.weight_decay if self.decays(variable) else 0.0

    def begin_update(self) -> None:
        """Compute rates, decays and their powers once an update, not once a variable."""
        step = tf.cast(self.iterations + 1, tf.float32)
        beta1 = tf.cast(self.beta_1, tf.float32)
        beta2 = tf.cast(self.beta_2, tf.float32)
        beta1_power = beta1**step
        beta2_power = beta2**step
        beta1 = self._unless_skipped(beta1, 1)
        beta2 = self._unless_skipped(beta2, 1)
        shared = {"beta1": beta1, "beta2": beta2}
        shared |= {"beta1_power": beta1_power, "beta2_power": beta2_power}
        rate = tf.cast(self.learning_rate, tf.float32)
        rate = self._unless_skipped(rate, 0)
        rates = {scale: {"lr": rate * scale, **shared} for scale in set(self._scales)}
        # A dict as an attribute would be taken for something of the optimizer that is to be saved.
        self._rates = rates.__getitem__

    def update_step(self, gradient, variable) -> None:
        """Decay and update one variable in place."""
        index = self.index_of(variable)
        first, second = self.moments(variable)
        scale = self._scales[index]
        rates = self._rates(scale)
        rates = {name: tf.cast(value, variable.dtype) for name, value in rates.items()}
        decay = self._decays[index]
        if decay:
            factor = 1.0 - rates["lr"] * decay
            decayed = variable * factor
            variable.assign(decayed)
        handles = {"var": variable.handle, "m": first.handle, "v": second.handle}
        epsilon = tf.cast(self.epsilon, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(**handles, epsilon=epsilon, grad=gradient, **rates)

    def clip(self, gradients: Sequence) -> list:
        """Scale gradients, and note their norm and whether it is finite."""
        sums = [_row_sums(gradient) for gradient in gradients]
        norm = tf.linalg.global_norm(sums)
        self.gradient_norm.assign(tf.cast(norm, tf.float32))
        self._finite = tf.math.is_finite(norm)
        if self.global_clipnorm:
            factor = self.global_clipnorm / tf.maximum(norm, self.global_clipnorm)
        else:
            gradients = super().clip(gradients)
            factor = tf.ones_like(norm)
        factor = self._unless_skipped(factor, 0)
        return [_multiply(gradient, factor) for gradient in gradients]

    def to_dense(self, gradients: Sequence) -> list[tf.Tensor]:
        """Fill up the gradients of embeddings with rows of zeros."""
        return list(map(_to_dense, gradients))

    def _unless_skipped(self, value: tf.Tensor, otherwise: int) -> tf.Tensor:
        """Select `value`, or in an update that is skipped what makes Adam change nothing.

        That is a rate of 0, decays of 1 and a gradient of 0: no branch of the graph is needed.
        """
        return tf.where(self._finite, value, otherwise)

    def get_config(self) -> dict:
        """Return what `from_config` needs."""
        config = super().get_config()
        names = {"head_names": list(self.head_names), "no_decay_names": list(self.no_decay_names)}
        scales = {"head_scale": self.head_scale, "transition_scale": self.transition_scale}
        return {**config, **scales, **names}


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
    transition_learning_rate: float | None = None,
    **options: Any,
) -> FusedAdamW:
    """Build the optimizer of a run of `total_steps` updates.

    Args:
        learning_rate: peak for all variables but the head's.
        warmup_steps: number of updates with a rising learning rate; None = `warmup_ratio` of all,
            rounded up.
        schedule: "linear", "cosine" or "constant" after the warm-up; see WarmupDecay.
        clip_norm: largest global norm of the gradient; None = no clipping.
        head_learning_rate: peak for variables whose name matches `head_names`; None = as the
            others. Same schedule.
        transition_learning_rate: peak for the transitions of a CRF; None = as the head.
        options: other arguments of FusedAdamW.

    Raises:
        ConfigError: a value is out of range; or, at the first update, no variable is of the head.
    """
    if learning_rate <= 0.0:
        raise ConfigError(f"learning_rate: expected more than 0, got {learning_rate}")
    if warmup_steps is None:
        exact_steps = warmup_ratio * total_steps
        warmup_steps = math.ceil(exact_steps)
    if head_learning_rate is not None:
        head_scale = head_learning_rate / learning_rate
        options["head_scale"] = head_scale
    if transition_learning_rate is not None:
        transition_scale = transition_learning_rate / learning_rate
        options["transition_scale"] = transition_scale
    rate = WarmupDecay(learning_rate, total_steps, warmup_steps, schedule)
    return FusedAdamW(rate, weight_decay, global_clipnorm=clip_norm, **options)


def is_named(variable: tf.Variable, patterns: Sequence[str]) -> bool:
    """Tell whether one of the regular expressions occurs in a variable's name."""
    return any(re.search(pattern, variable.name) for pattern in patterns)


def _multiply(gradient, factor: tf.Tensor):
    """Multiply a gradient by a scalar; 0 times NaN is 0."""
    if not isinstance(gradient, tf.IndexedSlices):
        return tf.math.multiply_no_nan(gradient, factor)
    values = tf.math.multiply_no_nan(gradient.values, factor)
    return tf.IndexedSlices(values, gradient.indices, gradient.dense_shape)


def _row_sums(gradient) -> tf.Tensor:
    """Sum up the rows of IndexedSlices that are repeated; a dense gradient stays as it is.

    Rows are found by sorting, because `tf.unique` has no static shape. What is left of N slices
    are N + 1 rows, most of zeros: [N + 1, ...]. Only their norm is asked for.

        >>> repeated = tf.IndexedSlices(tf.constant([[1.0], [2.0], [4.0]]), tf.constant([7, 3, 7]))
        >>> _row_sums(repeated).numpy().tolist()
        [[0.0], [2.0], [5.0], [0.0]]
    """
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    indices_N = gradient.indices
    order_N = tf.argsort(indices_N)
    sorted_N = tf.gather(indices_N, order_N)
    is_new_N = sorted_N != tf.roll(sorted_N, 1, axis=0)
    row_N = tf.cumsum(tf.cast(is_new_N, tf.int32))
    values_N = tf.gather(gradient.values, order_N)
    return tf.math.unsorted_segment_sum(values_N, row_N, tf.size(order_N) + 1)


def _to_dense(gradient) -> tf.Tensor:
    """Sum up repeated rows into all rows; `tf.convert_to_tensor` does too, and warns of it."""
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    shape: Any = gradient.dense_shape
    return tf.math.unsorted_segment_sum(gradient.values, gradient.indices, shape[0])
