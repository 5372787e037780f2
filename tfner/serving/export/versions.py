"""Add numbered versions to a folder that servers watch: each appears whole or not at all."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tfner.safeio.whole_files import sync, sync_tree
from tfner.serving.export.version_numbers import numbered_folders

BUILDING = ".building-"
YOUNG = 60.0  # seconds in which a builder is sure to have locked what it has made


def add_version(fill: Callable[[Path], object], folder: Path) -> Path:
    """Give `fill` a new folder to write into, then rename it to the next version of `folder`.

    A reader sees no half-written version. If `fill` raises, nothing is left; what a killed process
    has left goes with the next call.

    Returns:
        The version's path.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    remove_abandoned(folder)
    building = Path(tempfile.mkdtemp(prefix=BUILDING, dir=folder))
    lock = os.open(building, os.O_RDONLY)
    try:
        lock_if_free(lock)
        fill(building)
        # mkdtemp makes it the owner's alone, and a server may run as another user.
        building.chmod(0o755)
        sync_tree(building)
        version = claim_version(building, folder)
        sync(folder)
        return version
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        with suppress(OSError):  # not empty: someone else has put something there meanwhile
            for path in made:
                path.rmdir()
        raise
    finally:
        os.close(lock)


def remove_abandoned(folder: Path) -> None:
    """Delete what processes were building that are no more: nobody holds its lock."""
    for path in folder.glob(f"{BUILDING}*"):
        with suppress(OSError):  # its builder has just finished
            descriptor = os.open(path, os.O_RDONLY)
            try:
                age = time.time() - os.fstat(descriptor).st_mtime
                if age > YOUNG and lock_if_free(descriptor):
                    shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(descriptor)


def lock_if_free(descriptor: int) -> bool:
    """Try to lock an open folder; False where another process holds it or there are no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def claim_version(building: Path, folder: Path) -> Path:
    """Rename to the next free number; another exporter may take one at the same moment."""
    while True:
        number = max(numbered_folders(folder), default=0) + 1
        version = folder / str(number)
        try:
            return building.rename(version)
        except OSError:
            if not version.exists():
                raise
