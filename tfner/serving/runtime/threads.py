"""Choose TensorFlow's threads for a large input to a model in this process."""

from __future__ import annotations

import os
from contextlib import suppress

import tensorflow as tf

from tfner.model.inference.encoder_batches import PARALLEL_PASSES
from tfner.serving.runtime.saved_model import AT_ONCE

PASSES_AT_ONCE = AT_ONCE * PARALLEL_PASSES
CHOSEN = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def share_processors(processors: int) -> None:
    """Let every operation use one processor, where all are busy with passes of the encoder anyway.

    That is where there are no more processors than passes under way at once: a pass on each is
    faster than all processors on one pass, whose threads wait for each other. Nothing is changed
    where the environment says how many threads there are, where there is a GPU, and where
    TensorFlow runs already.
    """
    chosen = any(map(os.environ.get, CHOSEN))
    if processors > PASSES_AT_ONCE or chosen or tf.config.list_physical_devices("GPU"):
        return
    threading = tf.config.threading
    with suppress(RuntimeError):  # it runs already
        threading.set_inter_op_parallelism_threads(processors)
        threading.set_intra_op_parallelism_threads(1)


def count_processors() -> int:
    """Count the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
