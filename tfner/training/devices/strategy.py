"""Which devices a run trains on: one, all GPUs of a machine, several machines, or a TPU; and what several processes must agree about."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import tensorflow as tf

from tfner.data.batching.replica_range import WHOLE, Share
from tfner.exceptions import ConfigError, WorkerLostError
from tfner.monitoring.machine import has_accelerator
from tfner.training.devices.cluster import VARIABLE, Cluster, read_cluster, several_workers

logger = logging.getLogger(__name__)
Kind = Literal["auto", "cpu", "gpu", "mirrored", "multi_worker", "tpu"]
TPU_NAME = "TPU_NAME"
ABORTED = "Collective ops is aborted"  # in TensorFlow's message where another process is missed


@dataclass(frozen=True)
class Devices:
    """What a run trains on. `kind` is a setting other than `auto`; `worker` is the number of this process, of `workers` in all."""

    kind: Kind
    strategy: tf.distribute.Strategy
    worker: int = 0
    workers: int = 1

    @property
    def chief(self) -> bool:
        """Whether this process writes: checkpoints, logs, report and export are one process' business."""
        return self.worker == 0

    @property
    def replicas(self) -> int:
        """How many copies of the model work on parts of one batch."""
        return self.strategy.num_replicas_in_sync

    def distribute(self, parts: Callable[[Share], tf.data.Dataset]) -> tf.data.Dataset:
        """Batches for `fit`: `parts` makes the dataset of a process, with the parts of its replicas one by one."""
        if self.kind in ("cpu", "gpu"):
            return parts(WHOLE)

        def of_process(context: tf.distribute.InputContext) -> tf.data.Dataset:
            each = context.num_replicas_in_sync // context.num_input_pipelines
            own = Share(
                context.input_pipeline_id * each,
                (context.input_pipeline_id + 1) * each,
                context.num_replicas_in_sync,
            )
            # All processes have as many steps. If TensorFlow had to find out who still has data, processes would ask at each step.
            return parts(own).apply(
                tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
            )

        return self.strategy.distribute_datasets_from_function(of_process)

    def broadcast_from_chief(self, values: np.ndarray) -> np.ndarray:
        """The chief's values in all processes; the others give some of the same shape and dtype. All of them must call it."""
        if self.workers == 1:
            return values
        wide = (
            values.astype(np.int64) if values.dtype.kind in "iu" else values
        )  # TensorFlow keeps int32 in a GPU's host memory

        def value_of(context: tf.distribute.ValueContext) -> tf.Tensor:
            return tf.constant(
                wide if context.replica_id_in_sync_group == 0 else np.zeros_like(wide)
            )

        spread = self.strategy.experimental_distribute_values_from_function(value_of)
        return (
            self.strategy.reduce(tf.distribute.ReduceOp.SUM, spread, axis=None)
            .numpy()
            .astype(values.dtype)
        )

    def wait_for_chief(self) -> None:
        """Go on once the chief is here. If it dies before that, all start again: it would wait in vain for those that are done."""
        try:
            self.broadcast_from_chief(np.array(0, np.int32))
        except tf.errors.OpError:
            if not self.chief:  # which has done its work, and needs nobody any more
                raise

    def lost(self, error: BaseException) -> WorkerLostError | None:
        """What an error means that arises where another process is missed."""
        if self.workers == 1 or not (
            isinstance(error, tf.errors.UnavailableError) or ABORTED in str(error)
        ):
            return None
        return WorkerLostError(
            f"worker {self.worker} of {self.workers}: another one has ended or cannot be reached ({reason_of(error)}); "
            "what it printed last says why; start all of them again, they go on from the last checkpoint"
        )


def reason_of(error: BaseException) -> str:
    """The one line of TensorFlow's message that tells what happened."""
    lines = [line.strip() for line in str(error).splitlines()]
    return next(
        (line.partition(ABORTED)[2].removeprefix(" by: ") for line in lines if ABORTED in line),
        lines[0] if lines else "no answer",
    )


def open_devices(kind: Kind = "auto") -> Devices:
    """The devices that a setting means. Before anything else of TensorFlow is used, if there may be several processes.

    Raises:
        ConfigError: what is asked for is not there, or TF_CONFIG is not right.
    """
    chosen = choose() if kind == "auto" else kind
    devices = {
        "cpu": on_cpu,
        "gpu": on_gpu,
        "mirrored": on_all,
        "multi_worker": on_workers,
        "tpu": on_tpu,
    }[chosen]()
    if devices.replicas > 1:
        logger.info(
            "devices: %s; replicas: %d; processes: %d",
            devices.kind,
            devices.replicas,
            devices.workers,
        )
    return devices


def choose() -> Kind:
    """The best of what there is."""
    if tf.config.list_physical_devices("TPU") or os.environ.get(TPU_NAME):
        return "tpu"
    if several_workers(os.environ.get(VARIABLE, "")):
        return "multi_worker"
    gpus = len(tf.config.get_visible_devices("GPU"))
    return "mirrored" if gpus > 1 else "gpu" if gpus else "cpu"


def on_cpu() -> Devices:
    """One replica, the accelerators of the machine left alone."""
    if has_accelerator():
        try:
            tf.config.set_visible_devices([], "GPU")
        except RuntimeError:
            raise ConfigError(
                "devices: cpu: this process has used a GPU already; set CUDA_VISIBLE_DEVICES=-1 before it starts"
            ) from None
    return Devices("cpu", tf.distribute.get_strategy())


def on_gpu() -> Devices:
    if not tf.config.get_visible_devices("GPU"):
        raise ConfigError(
            "devices: gpu: expected a GPU, TensorFlow finds none (pip install 'tfner[gpu]'; nvidia-smi shows the driver's)"
        )
    return Devices("gpu", tf.distribute.get_strategy())


def on_all() -> Devices:
    """A replica on each GPU of the machine; without any on each of TensorFlow's logical CPUs, if it has been given several."""
    kind = "GPU" if tf.config.get_visible_devices("GPU") else "CPU"
    names = tuple(device.name for device in tf.config.list_logical_devices(kind))
    if len(names) < 2:
        found = len(names) if kind == "GPU" else 0
        raise ConfigError(
            f"devices: mirrored: expected several GPUs, got {found}; devices=auto takes what there is"
        )
    return Devices("mirrored", mirrored(names))


@functools.cache  # a second strategy on the same devices would number its collectives from the start again, and they clash
def mirrored(names: tuple[str, ...]) -> tf.distribute.Strategy:
    return tf.distribute.MirroredStrategy(names)


def on_workers() -> Devices:
    """A replica on each GPU of each machine of TF_CONFIG, or one a machine without; waits for all of them."""
    text = os.environ.get(VARIABLE)
    if not text:
        raise ConfigError(
            f"devices: multi_worker: expected the environment variable {VARIABLE}, which is not set; see docs/devices.md"
        )
    cluster = read_cluster(text)
    others = [
        address for number, address in enumerate(cluster.addresses) if number != cluster.worker
    ]
    logger.info(
        "worker %d of %d: waiting for %s", cluster.worker, len(cluster.addresses), ", ".join(others)
    )
    return Devices("multi_worker", multi_worker(cluster), cluster.worker, len(cluster.addresses))


@functools.cache  # a process has one
def multi_worker(cluster: Cluster) -> tf.distribute.Strategy:
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except (RuntimeError, ValueError, tf.errors.OpError) as error:
        raise ConfigError(f"devices: multi_worker: {' '.join(str(error).split())}") from None


def on_tpu() -> Devices:
    """All cores of the TPU of this machine, or of the one that TPU_NAME names."""
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
        raise ConfigError(
            f"devices: tpu: no TPU can be used ({TPU_NAME}={name}): {' '.join(str(error).split())[:300]}"
        ) from None
    if strategy.extended.num_hosts > 1:
        raise ConfigError(
            f"devices: tpu: expected a TPU of one machine, got one of {strategy.extended.num_hosts}: batches are made here"
        )
    return strategy
