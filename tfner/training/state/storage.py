"""What is said when a disk refuses: full, read-only, out of quota. Python and TensorFlow each tell it in their own way."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tensorflow as tf

from tfner.exceptions import StorageError
from tfner.safeio.printable import first_line

REFUSALS = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EFBIG,
    errno.EIO,
    errno.ESTALE,
)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Whatever goes wrong with a file in this block is one kind of error, which names the file or else `path`.

    Raises:
        StorageError: Python or TensorFlow could not write.
    """
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{error.filename or path}: cannot be written: {error.strerror or error}"
        ) from None
    except tf.errors.OpError as error:
        raise StorageError(
            f"{path}: cannot be written: {reason_of(error) or first_line(error)}"
        ) from None


def refusal(error: OSError | tf.errors.OpError, path: Path) -> StorageError | None:
    """The same for an error from anywhere, if it is a disk's."""
    if isinstance(error, OSError):
        reason, where = (
            (error.strerror if error.errno in REFUSALS else None),
            error.filename or path,
        )
    else:
        reason, where = reason_of(error), path
    return StorageError(f"{where}: cannot be written: {reason}") if reason else None


def reason_of(error: tf.errors.OpError) -> str | None:
    """TensorFlow's errors hold the words of the operating system somewhere in their message."""
    return next(
        (os.strerror(number) for number in REFUSALS if os.strerror(number) in str(error)), None
    )


def sync(path: Path) -> None:
    """Have the disk hold what a file, or a folder's list of names, is; a machine that stops would lose it otherwise."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
