"""Keep the last two checkpoints, each a folder with checksums that is whole or absent.

A killed process, a full disk or damage costs the newest one at most; the one before it is used.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import tempfile
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfner.exceptions import ModelError
from tfner.safeio.printable import first_line
from tfner.safeio.whole_files import sync, sync_tree, write_text_whole
from tfner.training.state.storage import writing

logger = logging.getLogger(__name__)
STATE = "state.json"
WEIGHTS = "weights"
FORMAT = 1
KEPT = 2
BLOCK = 1 << 20  # bytes


class DamagedError(ModelError):
    """Say that a checkpoint is not as it was written."""


class Checkpoints:
    """Keep named checkpoints in a folder, the last `kept` of them.

    Names begin with `kind`, and their alphabetical order is from old to new; what else is in the
    folder is left alone. `NAME/` holds TensorFlow's files and `state.json`: the values given to
    `write`, size and SHA-256 of each file, and a SHA-256 of all that. A checkpoint is written under
    another name, brought to the disk and renamed, so whatever bears a name is whole, or has been
    damaged since.
    """

    def __init__(self, folder: Path, kind: str, kept: int = KEPT):
        self.folder = folder
        self.kind = kind
        self.kept = kept
        self.mine = True  # written by this process
        self._good: list[str] = []  # from old to new, those that were written or checked here

    def names(self) -> list[str]:
        """List all checkpoints from old to new, damaged ones included."""
        if not self.folder.is_dir():
            return []
        return sorted(path.name for path in self.folder.glob(f"{self.kind}-*") if path.is_dir())

    def write(self, name: str, checkpoint: tf.train.Checkpoint, **values: Any) -> None:
        """Add a checkpoint and what `restore` is to give with it, then remove old ones.

        Raises:
            StorageError: the disk refuses; the checkpoints that were there before still are.
        """
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            building = Path(tempfile.mkdtemp(prefix=f".{self.kind}-", dir=self.folder))
            try:
                building.chmod(0o755)
                checkpoint.write(str(building / WEIGHTS))
                write_state(building, values)
                sync_tree(building)
                self._put(building, name)
            except BaseException:
                shutil.rmtree(building, ignore_errors=True)
                raise
        older = [other for other in self._good if other < name]
        self._good = [*older, name][-self.kept :]
        self._remove_others()

    def _put(self, building: Path, name: str) -> None:
        """Give a complete checkpoint its name."""
        target = self.folder / name
        if target.exists():
            target.rename(building.with_name(f"{building.name}.old"))
        building.rename(target)
        sync(self.folder)

    def _remove_others(self) -> None:
        """Remove checkpoints that are no longer needed, and what killed processes left."""
        for path in (*self.folder.glob(f"{self.kind}-*"), *self.folder.glob(f".{self.kind}-*")):
            if path.name not in self._good:
                shutil.rmtree(path, ignore_errors=True)  # what stays is removed next time

    def remove_after(self, name: str) -> None:
        """Remove those that are newer than `name`."""
        for other in self.names():
            if other > name:
                shutil.rmtree(self.folder / other, ignore_errors=True)

    def restore(
        self, checkpoint: tf.train.Checkpoint, newest: str | None = None
    ) -> tuple[str, dict[str, Any]] | None:
        """Load the newest checkpoint that is whole, and log which are not.

        Those after `newest`, if it is given, are left out.

        Returns:
            Its name and the values given to `write`; None where there is no checkpoint at all.

        Raises:
            ModelError: there are some, but none is whole, or they are of another model.
        """
        names = [name for name in self.names() if newest is None or name <= newest]
        reasons: list[str] = []
        for name in reversed(names):
            try:
                values = read_checked_state(self.folder / name)
            except DamagedError as error:
                reasons.append(str(error))
                continue
            self._read(checkpoint, name)
            self._good = [other for other in names if other <= name][-self.kept :]
            for reason in reasons:
                logger.warning("%s; going back to %s", reason, self.folder / name)
            return name, values
        if reasons:
            expected = "expected a checkpoint that is whole, found none"
            raise ModelError(f"{self.folder}: {expected} ({'; '.join(reasons)})")
        return None

    def _read(self, checkpoint: tf.train.Checkpoint, name: str) -> None:
        """Load TensorFlow's files of a checkpoint."""
        try:
            status = checkpoint.read(str(self.folder / name / WEIGHTS))
            status.assert_existing_objects_matched().expect_partial()
        except (AssertionError, ValueError, tf.errors.OpError) as error:
            other = f"not a checkpoint of this model: {first_line(error)}"
            raise ModelError(f"{self.folder / name}: {other}") from None


def write_state(folder: Path, values: dict[str, Any]) -> None:
    """Write the file that says what the other files of a checkpoint are."""
    files = {path.name: fingerprint(path) for path in sorted(folder.iterdir())}
    content = {"format": FORMAT, "facts": values, "files": files}
    signed = {**content, "sha256": digest_of(content)}
    write_text_whole(folder / STATE, json.dumps(signed, indent=1))


def read_checked_state(folder: Path) -> dict[str, Any]:
    """Read the values of a checkpoint after comparing every byte of it with its checksums.

    Raises:
        DamagedError: the checkpoint is not as it was written.
    """
    values, files = read_state(folder)
    for name, written in files.items():
        path = folder / name
        try:
            found = fingerprint(path)
        except OSError as error:
            raise DamagedError(f"{path}: cannot be read: {error.strerror or error}") from None
        if found != written:
            expected = f"expected {describe_file(written)}, got {describe_file(found)}"
            raise DamagedError(f"{path}: {expected}: damaged or cut off")
    return values


def read_state(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read a checkpoint's values, and what `fingerprint` gave of each of its files."""
    path = folder / STATE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        written = content.pop("sha256")
        values, files, format = content["facts"], content["files"], content["format"]
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise DamagedError(f"{path}: expected the state of a checkpoint: {reason}") from None
    if written != digest_of(content):
        raise DamagedError(f"{path}: expected content that fits its checksum: damaged")
    if format != FORMAT:
        expected = f"expected format {FORMAT}, got {format}"
        raise ModelError(f"{path}: {expected}: another version of tfner wrote it")
    return values, files


def digest_of(content: dict[str, Any]) -> str:
    """Hash plain values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def fingerprint(path: Path) -> dict[str, Any]:
    """Measure a file: `{"bytes": its size, "sha256": its hash in hexadecimal digits}`."""
    digest = hashlib.sha256()
    size = 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
            size += len(block)
    return {"bytes": size, "sha256": digest.hexdigest()}


def describe_file(measured: dict[str, Any]) -> str:
    """Put what `fingerprint` gave into words."""
    checksum = str(measured.get("sha256"))
    return f"{measured.get('bytes')} bytes with the checksum {checksum[:12]}"
