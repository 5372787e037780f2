"""Gather what leans on private members of tf_keras 2.21; no other module does.

`tests/model/test_keras_internals.py` says what each of them is expected to do, so that a new
release of tf_keras that changes one fails there, by name, and not in the middle of somebody's
training.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras as keras


class SeedSource(keras.__internal__.layers.BaseRandomLayer):
    """Draw seeds for dropouts that no Keras layer computes.

    It is a layer as Keras's dropouts are, so that a resumed training restores its state with
    theirs.
    """

    def __init__(self, **kwargs: Any):
        super().__init__(force_generator=True, **kwargs)
        self.build(())  # the state exists before a checkpoint is restored

    def draw(self, count: int) -> tf.Tensor:
        """Draw new seeds, int64 [count, 2]."""
        seed = self._random_generator.make_seed_for_stateless_op()
        return tf.random.experimental.stateless_split(seed, count)


def random_generators(model: keras.Model) -> list[Any]:
    """List the generators that dropout draws from, in the order of the model's layers.

    Keras leaves them out of a model's checkpoints; a training that resumes needs their state.
    """
    kind = keras.__internal__.layers.BaseRandomLayer
    layers = [layer for layer in model.submodules if isinstance(layer, kind)]
    return [layer._random_generator for layer in layers]


def leave_logs_on_device(callback: keras.callbacks.Callback) -> None:
    """Let a callback have its logs as tensors, which are fetched where somebody looks at them.

    Where a callback asks for numbers after each step, each step waits for its device.
    """
    callback._supports_tf_logs = True


class AdamWSteps(keras.optimizers.AdamW):
    """Give the private steps of an update of tf_keras' AdamW public names.

    `apply_gradients` calls, in this order: `clip` with all gradients, `to_dense` with what it gave,
    `begin_update` and, for each variable, `update_step`.
    """

    def clip(self, gradients: Sequence) -> list:
        """Scale gradients as the options of the optimizer say."""
        return super()._clip_gradients(gradients)

    def to_dense(self, gradients: Sequence) -> list[tf.Tensor]:
        """Turn what is sparse among the gradients into what `update_step` takes."""
        return super()._deduplicate_sparse_grad(gradients)

    def begin_update(self) -> None:
        """Compute what all variables of one update share."""

    def moments(self, variable: tf.Variable) -> tuple[tf.Variable, tf.Variable]:
        """Find the first and the second moment of a variable."""
        index = self.index_of(variable)
        return self._momentums[index], self._velocities[index]

    def index_of(self, variable: tf.Variable) -> int:
        """Find the index of a variable in the list that the optimizer was built with."""
        return self._index_dict[self._var_key(variable)]

    def decays(self, variable: tf.Variable) -> bool:
        """Tell whether weight decay applies, by what `exclude_from_weight_decay` was told."""
        return self._use_weight_decay(variable)

    def is_built(self) -> bool:
        """Tell whether `build` has created the moments."""
        return getattr(self, "_built", False)

    def _deduplicate_sparse_grad(self, grads: Sequence) -> list[tf.Tensor]:
        return self.to_dense(grads)

    def _clip_gradients(self, grads: Sequence) -> list:
        return self.clip(grads)

    def _internal_apply_gradients(self, grads_and_vars: Any) -> Any:
        self.begin_update()
        return super()._internal_apply_gradients(grads_and_vars)

    def _apply_weight_decay(self, variables: Sequence) -> None:
        """Do nothing: `update_step` decays each variable with the learning rate of its group."""
