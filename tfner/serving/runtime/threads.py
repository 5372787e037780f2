"""TensorFlow's threads for a large input to a model in this process."""

from __future__ import annotations

import os
from contextlib import suppress

import tensorflow as tf

from tfner.model.inference.encoder_batches import PARALLEL_PASSES
from tfner.serving.runtime.saved_model import AT_ONCE

PASSES_AT_ONCE = AT_ONCE * PARALLEL_PASSES
CHOSEN = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def share_processors(processors: int) -> None:
    """Let every operation use one processor, where there are no more of them than passes of the encoder under way at once.

    A pass of its own on each processor is faster than all processors on one, whose parts wait for each other. Nothing is changed where
    the environment says how many threads there are, where there is a GPU, and where TensorFlow runs already.
    """
    if (
        processors > PASSES_AT_ONCE
        or any(map(os.environ.get, CHOSEN))
        or tf.config.list_physical_devices("GPU")
    ):
        return
    with suppress(RuntimeError):  # it runs already
        tf.config.threading.set_inter_op_parallelism_threads(processors)
        tf.config.threading.set_intra_op_parallelism_threads(1)


def count_processors() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
