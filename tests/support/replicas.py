"""Two virtual CPU devices in the test process, so that strategies of several replicas are tested on
any machine.

Import this at the top of a test module: pytest imports every module before it runs the first test,
and devices can be made only before TensorFlow first uses one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import pytest
import tensorflow as tf

CPUS = ("/cpu:0", "/cpu:1")


def _make_devices() -> bool:
    try:
        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0],
            [tf.config.LogicalDeviceConfiguration()] * len(CPUS),
        )
    except RuntimeError:  # TensorFlow has started: right only if the devices are there already
        return len(tf.config.list_logical_devices("CPU")) >= len(CPUS)
    return True


READY = _make_devices()


# A second strategy on the same devices would number its collectives from the start again, and they
# would clash.
@functools.cache
def two_replicas() -> tf.distribute.MirroredStrategy:
    """The strategy of two replicas on two virtual CPU devices."""
    if not READY:
        pytest.fail(
            "some module used TensorFlow while it was imported, before tests/support/replicas.py "
            "could make two devices"
        )
    return tf.distribute.MirroredStrategy(list(CPUS))


def on_replicas(
    strategy: tf.distribute.Strategy, function: Callable
) -> Callable[[Sequence[Sequence]], list[list[tf.Tensor]]]:
    """Trace `function` as `fit` would.

    Call the result with the arguments for each replica, get a list for each replica.
    """

    @tf.function
    def step(*arguments):
        return strategy.run(function, args=arguments)

    def run(batches: Sequence[Sequence]) -> list[list[tf.Tensor]]:
        arguments = [_distribute(strategy, column) for column in zip(*batches, strict=True)]
        columns = [strategy.experimental_local_results(result) for result in step(*arguments)]
        return [list(replica) for replica in zip(*columns, strict=True)]

    return run


def _distribute(
    strategy: tf.distribute.Strategy, values: Sequence
) -> tf.distribute.DistributedValues:
    return strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(values[context.replica_id_in_sync_group])
    )
