"""Have one model in a process that a cluster gives work to, with the threads that it was lent."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING

from tfner.serving.runtime.threads import CHOSEN, PASSES_AT_ONCE

if TYPE_CHECKING:
    from tfner.serving.runtime.recognizer import Recognizer

MODELS_IN_PROCESS = 2


@lru_cache(maxsize=MODELS_IN_PROCESS)
def open_model(folder: str) -> Recognizer:
    """Load a model, once for all batches that this process is given."""
    from tfner.serving.runtime.saved_model import load_recognizer

    return load_recognizer(folder)


def limit_threads(processors: int) -> None:
    """Let TensorFlow have as many threads as there are processors for a task.

    It reads them when it starts. What the environment says stays.
    """
    within = processors if processors > PASSES_AT_ONCE else 1
    for name, count in zip(CHOSEN, (within, processors), strict=True):
        os.environ.setdefault(name, str(count))
