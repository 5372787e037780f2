"""Checkpoints that can be trusted: each is a folder with its checksums, there whole or not at all, and the one before it is kept."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfner.exceptions import ModelError
from tfner.safeio.printable import first_line
from tfner.training.state.storage import sync, writing

logger = logging.getLogger(__name__)
STATE = "state.json"
WEIGHTS = "weights"
FORMAT = 1
KEPT = 2
CHUNK = 1 << 20  # bytes


class DamagedError(ModelError):
    """A checkpoint is not as it was written."""


class Checkpoints:
    """A folder of named checkpoints, the last two of which are kept; names in alphabetical order are from old to new.

    Names begin with `kind`; what else is in the folder is left alone. `NAME/` holds TensorFlow's files and `state.json`: facts given to
    `write`, size and SHA-256 of each file, and of itself. A checkpoint is written under another name, brought to the disk and renamed,
    so whatever bears a name is whole, or has been damaged since.
    """

    def __init__(self, folder: Path, kind: str, kept: int = KEPT):
        self.folder = folder
        self.kind = kind
        self.kept = kept
        self.mine = True  # written by this process
        self._good: list[
            str
        ] = []  # from old to new, as far as they have been written or checked here

    def names(self) -> list[str]:
        """All that there are, damaged ones included."""
        if not self.folder.is_dir():
            return []
        return sorted(path.name for path in self.folder.glob(f"{self.kind}-*") if path.is_dir())

    def write(self, name: str, checkpoint: tf.train.Checkpoint, **facts: Any) -> None:
        """Add a checkpoint, then remove those that are no longer needed.

        Raises:
            StorageError: the disk refuses; the checkpoints that were there before still are.
        """
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            building = Path(tempfile.mkdtemp(prefix=f".{self.kind}-", dir=self.folder))
            try:
                building.chmod(0o755)
                checkpoint.write(str(building / WEIGHTS))
                write_state(building, facts)
                self._put(building, name)
            except BaseException:
                shutil.rmtree(building, ignore_errors=True)
                raise
        self._good = [*(other for other in self._good if other < name), name][-self.kept :]
        self._remove_others()

    def _put(self, building: Path, name: str) -> None:
        """Give a complete checkpoint its name."""
        target = self.folder / name
        if target.exists():
            target.rename(building.with_name(f"{building.name}.old"))
        building.rename(target)
        sync(self.folder)

    def _remove_others(self) -> None:
        for path in (*self.folder.glob(f"{self.kind}-*"), *self.folder.glob(f".{self.kind}-*")):
            if path.name not in self._good:
                shutil.rmtree(path, ignore_errors=True)  # what stays is removed next time

    def remove_after(self, name: str) -> None:
        """Remove those that are newer than `name`."""
        for other in self.names():
            if other > name:
                shutil.rmtree(self.folder / other, ignore_errors=True)

    def facts(self, name: str) -> dict[str, Any]:
        """The facts of a checkpoint all of whose bytes have been looked at.

        Raises:
            DamagedError: they are not as they were written.
        """
        folder = self.folder / name
        facts, files = read_state(folder)
        for file, written in files.items():
            try:
                found = fingerprint(folder / file)
            except OSError as error:
                raise DamagedError(
                    f"{folder / file}: cannot be read: {error.strerror or error}"
                ) from None
            if found != written:
                raise DamagedError(
                    f"{folder / file}: expected {show(written)}, got {show(found)}: damaged or cut off"
                )
        return facts

    def restore(
        self, checkpoint: tf.train.Checkpoint, newest: str | None = None
    ) -> tuple[str, dict[str, Any]] | None:
        """Load the newest that is whole and say which are not; -> (name, facts), None where there is none at all.

        Those after `newest`, if it is given, are left out.

        Raises:
            ModelError: there are some, but none is whole, or they are of another model.
        """
        names = [name for name in self.names() if newest is None or name <= newest]
        reasons: list[str] = []
        for name in reversed(names):
            try:
                facts = self.facts(name)
            except DamagedError as error:
                reasons.append(str(error))
                continue
            self._read(checkpoint, name)
            self._good = [other for other in names if other <= name][-self.kept :]
            for reason in reasons:
                logger.warning("%s; going back to %s", reason, self.folder / name)
            return name, facts
        if reasons:
            raise ModelError(
                f"{self.folder}: expected a checkpoint that is whole, found none ({'; '.join(reasons)})"
            )
        return None

    def _read(self, checkpoint: tf.train.Checkpoint, name: str) -> None:
        try:
            checkpoint.read(
                str(self.folder / name / WEIGHTS)
            ).assert_existing_objects_matched().expect_partial()
        except (AssertionError, ValueError, tf.errors.OpError) as error:
            raise ModelError(
                f"{self.folder / name}: not a checkpoint of this model: {first_line(error)}"
            ) from None


def write_state(folder: Path, facts: dict[str, Any]) -> None:
    """Bring all files to the disk, and last the one that says what they are."""
    files = {}
    for path in sorted(folder.iterdir()):
        sync(path)
        files[path.name] = fingerprint(path)
    content = {"format": FORMAT, "facts": facts, "files": files}
    path = folder / STATE
    path.write_text(
        json.dumps({**content, "sha256": digest_of(content)}, indent=1), encoding="utf-8"
    )
    sync(path)
    sync(folder)


def read_state(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """-> (facts, files)."""
    path = folder / STATE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        written = content.pop("sha256")
        facts, files, format = content["facts"], content["files"], content["format"]
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise DamagedError(
            f"{path}: expected the state of a checkpoint: {type(error).__name__}: {error}"
        ) from None
    if written != digest_of(content):
        raise DamagedError(f"{path}: expected content that fits its checksum: damaged")
    if format != FORMAT:
        raise ModelError(
            f"{path}: expected format {FORMAT}, got {format}: another version of tfner wrote it"
        )
    return facts, files


def digest_of(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def fingerprint(path: Path) -> dict[str, Any]:
    """Size and SHA-256 of a file."""
    digest, size = hashlib.sha256(), 0
    for chunk in chunks(path):
        digest.update(chunk)
        size += len(chunk)
    return {"bytes": size, "sha256": digest.hexdigest()}


def chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def show(print_: dict[str, Any]) -> str:
    return f"{print_.get('bytes')} bytes with the checksum {str(print_.get('sha256'))[:12]}"
