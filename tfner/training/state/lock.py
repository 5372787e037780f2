"""Let one process at a time work on a run: a lock that ends with its holder, however that ends.

`flock` on a file in the run folder. On NFS, Linux makes a lock of the server's of it, which holds
between machines where the server's lock service runs; a mount with `nolock` or `local_lock=flock`
keeps it to one machine. Where a file system has no locks at all, the log says so and the run goes
on without. Why not a library: docs/decisions/lock.md.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import logging
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from tfner.exceptions import BusyError, StorageError

logger = logging.getLogger(__name__)
LOCK = "lock"
NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process; make it if need be, and leave no empty one behind.

    Raises:
        BusyError: another process holds it.
        StorageError: it cannot be written.
    """
    try:
        descriptor = acquire(folder)
    except OSError as error:
        path = error.filename or folder
        raise StorageError(f"{path}: cannot be written: {error.strerror or error}") from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            (folder / LOCK).unlink()
            folder.rmdir()  # only where nothing has been put into it
        os.close(descriptor)


def acquire(folder: Path) -> int:
    """Open and lock the file in `folder`, both made where they are not there.

    A holder that has just ended has removed its file; then the next one is opened and locked.

    Returns:
        The descriptor, which holds the lock until it is closed.
    """
    path = folder / LOCK
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except (FileNotFoundError, FileExistsError):
            if is_in_the_way(folder):
                raise
            continue  # the folder goes with its last holder, if there is nothing else in it
        try:
            lock_at_once(descriptor, path)
            if is_at(descriptor, path):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, describe_holder(), 0)
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def is_in_the_way(folder: Path) -> bool:
    """Tell whether something else than a folder is there, at one look: a folder may be gone."""
    try:
        mode = folder.stat().st_mode
    except FileNotFoundError:
        return False
    return not stat.S_ISDIR(mode)


def lock_at_once(descriptor: int, path: Path) -> None:
    """Lock without waiting.

    Raises:
        BusyError: another process holds the lock.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        busy = f"another process works on this run{read_holder(path)}"
        raise BusyError(f"{path.parent}: {busy}; two at once would spoil it") from None
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        advice = "see to it that only one process works on this run"
        logger.warning("%s: this file system has no locks (%s): %s", path, error.strerror, advice)


def is_at(descriptor: int, path: Path) -> bool:
    """Check that an open file is still the one at its path."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def describe_holder() -> bytes:
    """Write what others may know of this process, as a line of JSON."""
    since = datetime.now(timezone.utc).isoformat(timespec="seconds")
    holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
    return json.dumps(holder).encode() + b"\n"


def read_holder(path: Path) -> str:
    """Put into words who holds a lock; nothing where that is just being written."""
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
        return f": process {holder['pid']} on {holder['host']}, since {holder['since']}"
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return ""
