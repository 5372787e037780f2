"""Find the devices that a run trains on, and let its processes agree.

A run has one device, all GPUs of a machine, several machines, or a TPU.
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import tensorflow as tf

from tfner.data.batching.replica_range import ONE_REPLICA, ReplicaRange
from tfner.exceptions import ConfigError, WorkerLostError
from tfner.monitoring.machine import has_accelerator
from tfner.training.devices.cluster import VARIABLE, Cluster, read_cluster, several_workers

logger = logging.getLogger(__name__)
Kind = Literal["auto", "cpu", "gpu", "mirrored", "multi_worker", "tpu"]
TPU_NAME = "TPU_NAME"
ABORTED = "Collective ops is aborted"  # in TensorFlow's message where another process is missed


@dataclass(frozen=True)
class Devices:
    """Hold what a run trains on.

    Attributes:
        kind: a setting other than `auto`.
        worker: the number of this process, of `workers` in all.
    """

    kind: Kind
    strategy: tf.distribute.Strategy
    worker: int = 0
    workers: int = 1

    @property
    def chief(self) -> bool:
        """Tell whether this process writes checkpoints, logs, report and export; one alone does."""
        return self.worker == 0

    @property
    def replicas(self) -> int:
        """Count the copies of the model that share the rows of one batch."""
        return self.strategy.num_replicas_in_sync

    def distribute(self, dataset_of: Callable[[ReplicaRange], tf.data.Dataset]) -> tf.data.Dataset:
        """Make batches for `fit`.

        `dataset_of` makes the dataset of a process: of each batch the rows of its replicas, one
        replica after the other.
        """
        if self.kind in ("cpu", "gpu"):
            return dataset_of(ONE_REPLICA)

        def dataset_of_process(context: tf.distribute.InputContext) -> tf.data.Dataset:
            replicas = context.num_replicas_in_sync
            each = replicas // context.num_input_pipelines
            first = context.input_pipeline_id * each
            dataset = dataset_of(ReplicaRange(first, first + each, replicas))
            # All processes have as many steps. If TensorFlow had to find out who still has data,
            # processes would ask at each step.
            endless = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
            return dataset.apply(endless)

        return self.strategy.distribute_datasets_from_function(dataset_of_process)

    def broadcast_from_chief(self, values: np.ndarray) -> np.ndarray:
        """Give all processes the chief's values; all of them must call this.

        The others pass values of the same shape and dtype.
        """
        if self.workers == 1:
            return values
        # TensorFlow keeps int32 in a GPU's host memory.
        wide = values.astype(np.int64) if values.dtype.kind in "iu" else values

        def value_of(context: tf.distribute.ValueContext) -> tf.Tensor:
            is_chief = context.replica_id_in_sync_group == 0
            return tf.constant(wide if is_chief else np.zeros_like(wide))

        by_replica = self.strategy.experimental_distribute_values_from_function(value_of)
        total = self.strategy.reduce(tf.distribute.ReduceOp.SUM, by_replica, axis=None)
        return total.numpy().astype(values.dtype)

    def wait_for_chief(self) -> None:
        """Wait until the chief is here.

        If it dies before that, all start again: it would wait in vain for those that are done.
        """
        try:
            self.broadcast_from_chief(np.array(0, np.int32))
        except tf.errors.OpError:
            if not self.chief:  # which has done its work, and needs nobody any more
                raise

    def lost(self, error: BaseException) -> WorkerLostError | None:
        """Recognize an error that arises where another process is missed; None for others."""
        missed = isinstance(error, tf.errors.UnavailableError) or ABORTED in str(error)
        if self.workers == 1 or not missed:
            return None
        ended = f"another one has ended or cannot be reached ({cause_of(error)})"
        advice = "start all of them again, they go on from the last checkpoint"
        reason = f"{ended}; what it printed last says why; {advice}"
        return WorkerLostError(f"worker {self.worker} of {self.workers}: {reason}")


def cause_of(error: BaseException) -> str:
    """Find the one line of TensorFlow's message that tells what happened."""
    lines = [line.strip() for line in str(error).splitlines()]
    for line in lines:
        if ABORTED in line:
            return line.partition(ABORTED)[2].removeprefix(" by: ")
    return lines[0] if lines else "no answer"


def open_devices(kind: Kind = "auto") -> Devices:
    """Open the devices that a setting means.

    To be called before anything else of TensorFlow is used, if there may be several processes.

    Raises:
        ConfigError: what is asked for is not there, or TF_CONFIG is not right.
    """
    chosen = choose() if kind == "auto" else kind
    machine = {"cpu": on_cpu, "gpu": on_gpu, "mirrored": on_all}
    openers = {**machine, "multi_worker": on_workers, "tpu": on_tpu}
    devices = openers[chosen]()
    if devices.replicas > 1:
        message = "devices: %s; replicas: %d; processes: %d"
        logger.info(message, devices.kind, devices.replicas, devices.workers)
    return devices


def choose() -> Kind:
    """Choose the best of what there is."""
    if tf.config.list_physical_devices("TPU") or os.environ.get(TPU_NAME):
        return "tpu"
    if several_workers(os.environ.get(VARIABLE, "")):
        return "multi_worker"
    gpus = len(tf.config.get_visible_devices("GPU"))
    return "mirrored" if gpus > 1 else "gpu" if gpus else "cpu"


def on_cpu() -> Devices:
    """Open one replica that leaves the accelerators of the machine alone."""
    if has_accelerator():
        try:
            tf.config.set_visible_devices([], "GPU")
        except RuntimeError:
            used = "this process has used a GPU already"
            advice = "set CUDA_VISIBLE_DEVICES=-1 before it starts"
            raise ConfigError(f"devices: cpu: {used}; {advice}") from None
    return Devices("cpu", tf.distribute.get_strategy())


def on_gpu() -> Devices:
    if not tf.config.get_visible_devices("GPU"):
        hint = "pip install 'tfner[gpu]'; nvidia-smi shows the driver's"
        raise ConfigError(f"devices: gpu: expected a GPU, TensorFlow finds none ({hint})")
    return Devices("gpu", tf.distribute.get_strategy())


def on_all() -> Devices:
    """Open a replica on each GPU of the machine, or on each of several logical CPUs without any."""
    kind = "GPU" if tf.config.get_visible_devices("GPU") else "CPU"
    names = tuple(device.name for device in tf.config.list_logical_devices(kind))
    if len(names) < 2:
        gpus = len(names) if kind == "GPU" else 0
        expected = f"expected several GPUs, got {gpus}"
        raise ConfigError(f"devices: mirrored: {expected}; devices=auto takes what there is")
    return Devices("mirrored", mirrored(names))


# A second strategy on the same devices would number its collectives from the start again, and they
# clash.
@functools.cache
def mirrored(names: tuple[str, ...]) -> tf.distribute.Strategy:
    return tf.distribute.MirroredStrategy(names)


def on_workers() -> Devices:
    """Open a replica on each GPU of each machine of TF_CONFIG, or one a machine without; waits."""
    text = os.environ.get(VARIABLE)
    if not text:
        expected = f"expected the environment variable {VARIABLE}, which is not set"
        raise ConfigError(f"devices: multi_worker: {expected}; see docs/devices.md")
    cluster = read_cluster(text)
    worker = cluster.worker
    workers = len(cluster.addresses)
    others = ", ".join(cluster.addresses[:worker] + cluster.addresses[worker + 1 :])
    logger.info("worker %d of %d: waiting for %s", worker, workers, others)
    return Devices("multi_worker", multi_worker(cluster), worker, workers)


@functools.cache  # a process has one
def multi_worker(cluster: Cluster) -> tf.distribute.Strategy:
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except (RuntimeError, ValueError, tf.errors.OpError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"devices: multi_worker: {reason}") from None


def on_tpu() -> Devices:
    """Open all cores of the TPU of this machine, or of the one that TPU_NAME names."""
    return Devices("tpu", tpu(os.environ.get(TPU_NAME, "local")))


@functools.cache  # to start a TPU again would end what is on it
def tpu(name: str) -> tf.distribute.Strategy:
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(name)
        if name != "local":
            tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        strategy = tf.distribute.TPUStrategy(resolver)
    except (RuntimeError, ValueError, OSError, tf.errors.OpError) as error:
        reason = " ".join(str(error).split())[:300]
        none = f"no TPU can be used ({TPU_NAME}={name})"
        raise ConfigError(f"devices: tpu: {none}: {reason}") from None
    hosts = strategy.extended.num_hosts
    if hosts > 1:
        expected = f"expected a TPU of one machine, got one of {hosts}"
        raise ConfigError(f"devices: tpu: {expected}: batches are made here")
    return strategy
