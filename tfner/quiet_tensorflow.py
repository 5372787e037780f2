"""Load TensorFlow without what it says of itself, in commands and in programs alike."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LEVEL = "TF_CPP_MIN_LOG_LEVEL"


def load_tensorflow() -> None:
    """Import TensorFlow without the lines that its C++ prints before any log level holds.

    TF_CPP_MIN_LOG_LEVEL shows them.
    """
    if LEVEL in os.environ:
        import tensorflow as tf
    else:
        os.environ[LEVEL] = "3"
        with silent_stderr():
            import tensorflow as tf

            tf.config.list_physical_devices()  # looks for GPUs, at length where there are none
    tf.get_logger().setLevel(logging.ERROR)


def load_tensorflow_once() -> None:
    """Import TensorFlow for a program; one that has imported it keeps its log levels."""
    if "tensorflow" not in sys.modules:
        load_tensorflow()


@contextmanager
def silent_stderr() -> Iterator[None]:
    """Discard what is written to file descriptor 2, by C++ too, where there is one."""
    if sys.stderr is not None:
        sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # of a daemon, which has closed it
        yield
        return
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
