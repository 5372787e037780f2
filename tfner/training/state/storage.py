"""Turn the ways in which Python and TensorFlow say that a disk refuses into one error."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EACCES, EDQUOT, EFBIG, EIO, ENOSPC, EPERM, EROFS, ESTALE
from pathlib import Path

import tensorflow as tf

from tfner.exceptions import StorageError
from tfner.safeio.printable import first_line

REFUSALS = (ENOSPC, EDQUOT, EROFS, EACCES, EPERM, EFBIG, EIO, ESTALE)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Re-raise whatever goes wrong with a file in this block as a StorageError.

    Raises:
        StorageError: Python or TensorFlow could not write; it names the file, or else `path`.
    """
    try:
        yield
    except OSError as error:
        raise storage_error(error.filename or path, error.strerror or str(error)) from None
    except tf.errors.OpError as error:
        raise storage_error(path, find_refusal(error) or first_line(error)) from None


def refusal(error: OSError | tf.errors.OpError, path: Path) -> StorageError | None:
    """Translate an error from anywhere if it is a disk's; None if it is another."""
    if isinstance(error, OSError):
        reason = error.strerror if error.errno in REFUSALS else None
        path = error.filename or path
    else:
        reason = find_refusal(error)
    return storage_error(path, reason) if reason else None


def storage_error(path: Path | str, reason: str) -> StorageError:
    """Make the error for a path that cannot be written."""
    return StorageError(f"{path}: cannot be written: {reason}")


def find_refusal(error: tf.errors.OpError) -> str | None:
    """Find the operating system's words for a refusal in TensorFlow's message."""
    for number in REFUSALS:
        words = os.strerror(number)
        if words in str(error):
            return words
    return None
