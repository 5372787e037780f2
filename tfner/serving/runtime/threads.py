"""Choose TensorFlow's threads for a large input to a model in this process."""

from __future__ import annotations

import os

from tfner.model.inference.parallel import PARALLEL_PASSES
from tfner.serving.runtime.choice import Threads, has_gpu
from tfner.serving.runtime.saved_model import AT_ONCE

PASSES_AT_ONCE = AT_ONCE * PARALLEL_PASSES
CHOSEN = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")  # within an operation, at once


def share_processors(processors: int) -> Threads:
    """Let every operation use one processor, where all are busy with passes of the encoder anyway.

    That is where there are no more processors than passes under way at once: a pass on each is
    faster than all processors on one pass, whose threads wait for each other. TensorFlow's own
    choice stays where the environment says how many threads there are, and where there is a GPU.
    """
    chosen = any(map(os.environ.get, CHOSEN))
    if processors > PASSES_AT_ONCE or chosen or has_gpu():
        return Threads()
    return Threads(intra=1, inter=processors)


def count_processors() -> int:
    """Count the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
