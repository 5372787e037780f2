"""One process at a time works on a run: a lock of the operating system, which ends with its holder however that ends.

`flock` on a file in the run folder. On NFS Linux makes a lock of the server's of it, which holds between machines where the server's lock
service runs; a mount with `nolock` or `local_lock=flock` keeps it to one machine. Where a file system has no locks at all, that is said
and the run goes on without.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import logging
import os
import socket
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
    """Hold `folder` for this process; makes it if need be, and leaves no empty one behind.

    Raises:
        BusyError: another process holds it.
        StorageError: it cannot be written.
    """
    try:
        descriptor = acquire(folder)
    except OSError as error:
        raise StorageError(
            f"{error.filename or folder}: cannot be written: {error.strerror or error}"
        ) from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            (folder / LOCK).unlink()
            folder.rmdir()  # only where nothing has been put into it
        os.close(descriptor)


def acquire(folder: Path) -> int:
    """The descriptor that holds the lock; a holder that has just ended has removed the file, and then there is a new one to lock."""
    path = folder / LOCK
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except (FileNotFoundError, FileExistsError):
            if folder.exists() and not folder.is_dir():
                raise
            continue  # the folder goes with its last holder, if there is nothing else in it
        try:
            take(descriptor, path)
            if is_at(descriptor, path):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, describe_holder().encode(), 0)
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def take(descriptor: int, path: Path) -> None:
    """Lock without waiting."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BusyError(
            f"{path.parent}: another process works on this run{holder_of(path)}; two at once would spoil it"
        ) from None
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        logger.warning(
            "%s: this file system has no locks (%s): see to it that only one process works on this run",
            path,
            error.strerror,
        )


def is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def describe_holder() -> str:
    facts = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    return json.dumps(facts) + "\n"


def holder_of(path: Path) -> str:
    """What the lock says of its holder, in words; nothing where it is just being written."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        return f": process {facts['pid']} on {facts['host']}, since {facts['since']}"
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return ""
