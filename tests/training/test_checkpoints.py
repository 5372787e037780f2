"""Checkpoints when processes are killed, on disks that refuse, and after damage.

The newest whole one is used.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
import tensorflow as tf
from subprocesses import small_disk

from tfner.exceptions import ModelError, StorageError
from tfner.training.state import storage
from tfner.training.state.checkpoints import STATE, Checkpoints
from tfner.training.state.storage import refusal, writing

SIZE = 4096  # float32 values in a checkpoint


def write(folder: Path, number: int, store: Checkpoints | None = None) -> Checkpoints:
    store = store or Checkpoints(folder, "state")
    store.write(
        f"state-{number:06d}",
        tf.train.Checkpoint(value=tf.Variable(tf.fill([SIZE], float(number)))),
        number=number,
    )
    return store


def read(folder: Path) -> int | None:
    """The number of the newest whole checkpoint, which its state and all of its values say."""
    value = tf.Variable(tf.zeros([SIZE]))
    found = Checkpoints(folder, "state").restore(tf.train.Checkpoint(value=value))
    if found is None:
        return None
    assert set(value.numpy()) == {float(found[1]["number"])}
    return found[1]["number"]


class Snapshots:
    """Copies of a folder before and after each file operation: what a killed process leaves."""

    def __init__(self, folder: Path, to: Path):
        self.folder, self.to, self.made = folder, to, []

    def take(self) -> None:
        if self.folder.exists():
            self.made.append(shutil.copytree(self.folder, self.to / str(len(self.made))))

    def around(self, operation):
        def watched(*arguments, **options):
            self.take()
            result = operation(*arguments, **options)
            self.take()
            return result

        return watched


def test_whenever_a_process_is_killed_the_last_checkpoint_that_was_whole_is_there(
    tmp_path, monkeypatch
):
    snapshots = Snapshots(tmp_path / "last", tmp_path / "at")
    remove = shutil.rmtree

    def remove_slowly(path, **options):
        for file in [*path.iterdir()] if path.is_dir() else ():
            snapshots.take()
            file.unlink()
        remove(path, **options)

    with monkeypatch.context() as patch:
        for where, name in (
            (os, "fsync"),
            (Path, "rename"),
            (Path, "write_text"),
            (tempfile, "mkdtemp"),
            (tf.train.Checkpoint, "write"),
        ):
            patch.setattr(where, name, snapshots.around(getattr(where, name)))
        patch.setattr(shutil, "rmtree", remove_slowly)
        store, done = None, []
        for number in (1, 2, 3, 4, 3):  # the last as of a run that went back
            store = write(snapshots.folder, number, store)
            done.append((number, len(snapshots.made)))
    assert len(snapshots.made) > 60
    found = [read(path) for path in snapshots.made]
    for number, before in zip((1, 2, 3, 4), (0, *(end for _, end in done)), strict=False):
        during = found[before : dict(done[:4])[number]]
        assert set(during) <= {number - 1 or None, number}
        assert during == sorted(during, key=lambda value: value or 0)  # never back
    assert found[-1] == 3


@pytest.fixture
def three(tmp_path) -> Path:
    """A folder with the checkpoints 2 and 3 of three."""
    store = None
    for number in (1, 2, 3):
        store = write(tmp_path / "last", number, store)
    assert store.names() == ["state-000002", "state-000003"]
    return tmp_path / "last"


def damages(path: Path):
    """Ways to damage a file, each with its name."""
    content = path.read_bytes()
    for place in sorted({0, len(content) // 3, len(content) // 2, len(content) - 1}):
        yield f"bit {place}", content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :]
        yield f"cut at {place}", content[:place]
    yield "longer", content + b"\0"
    yield "another", b"x" * len(content)


@pytest.mark.parametrize("name", [STATE, "weights.index", "weights.data-00000-of-00001"])
def test_a_damaged_checkpoint_is_said_and_the_one_before_it_is_used(three, name, caplog):
    path = three / "state-000003" / name
    whole = path.read_bytes()
    for what, content in damages(path):
        caplog.clear()
        path.write_bytes(content)
        assert read(three) == 2, what
        assert str(path) in caplog.text, what
        assert "going back to" in caplog.text
    path.write_bytes(whole)
    assert read(three) == 3
    path.unlink()
    assert read(three) == 2


def test_none_that_is_whole_is_an_error_that_names_them_all(three):
    for number in (2, 3):
        path = three / f"state-00000{number}" / "weights.index"
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(
        ModelError,
        match=r"expected a checkpoint that is whole, found none"
        r" .*state-000003/weights.index.*state-000002",
    ):
        read(three)


def test_after_going_back_the_good_one_is_kept_and_the_damaged_one_goes(three):
    (three / "state-000003" / STATE).write_text("{}")
    store = Checkpoints(three, "state")
    store.restore(tf.train.Checkpoint(value=tf.Variable(tf.zeros([SIZE]))))
    write(three, 25 - 22, store)  # the third again
    assert store.names() == ["state-000002", "state-000003"]
    assert read(three) == 3


def test_another_model_is_told_from_damage(three):
    with pytest.raises(ModelError, match="not a checkpoint of this model"):
        Checkpoints(three, "state").restore(tf.train.Checkpoint(value=tf.Variable(tf.zeros([3]))))


def test_what_else_lies_in_the_folder_is_left_alone(three):
    (three / "notes").mkdir()
    (three / ".state-half").mkdir()
    write(three, 4)
    assert {path.name for path in three.iterdir()} == {"notes", "state-000004"}


def test_a_full_disk_is_said_and_the_last_checkpoint_stays(tmp_path):
    with small_disk(tmp_path / "disk", "size=64k"):  # room for two, not for a third beside them
        folder = tmp_path / "disk" / "last"
        store = write(folder, 2, write(folder, 1))
        with pytest.raises(
            StorageError, match=rf"^{folder}.*: cannot be written: No space left on device"
        ):
            write(folder, 3, store)
        assert [path.name for path in sorted(folder.iterdir())] == ["state-000001", "state-000002"]
        assert read(folder) == 2


def test_a_file_system_that_turned_read_only_is_said_and_the_last_checkpoint_stays(tmp_path):
    with small_disk(tmp_path / "disk", "size=1m"):
        folder = tmp_path / "disk" / "last"
        store = write(folder, 1)
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path / "disk")], check=True)
        with pytest.raises(
            StorageError, match=rf"^{folder}.*: cannot be written: Read-only file system"
        ):
            write(folder, 2, store)
        assert read(folder) == 1


def test_files_that_may_not_be_so_large_are_said_and_the_last_checkpoint_stays(tmp_path):
    store = write(tmp_path / "last", 1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SIZE, hard))  # Python has the signal ignored
    try:
        with pytest.raises(
            StorageError, match=rf"^{tmp_path / 'last'}.*: cannot be written: File too large"
        ):
            write(tmp_path / "last", 2, store)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in (tmp_path / "last").iterdir()] == ["state-000001"]
    assert read(tmp_path / "last") == 1


@pytest.mark.parametrize("operation", ["open", "fsync", "rename", "mkdtemp"])
@pytest.mark.parametrize("number", storage.REFUSALS)
def test_every_refusal_at_every_operation_is_said_and_the_last_checkpoint_stays(
    tmp_path, monkeypatch, operation, number
):
    store = write(tmp_path / "last", 1)

    def refuse(*arguments, **options):
        raise OSError(number, os.strerror(number))

    where = {"open": os, "fsync": os, "rename": Path, "mkdtemp": tempfile}[operation]
    with monkeypatch.context() as patch:
        patch.setattr(where, operation, refuse)
        with pytest.raises(StorageError, match=f"cannot be written: {os.strerror(number)}$"):
            write(tmp_path / "last", 2, store)
    assert read(tmp_path / "last") == 1


def test_only_what_a_disk_says_is_taken_for_it():
    full = tf.errors.ResourceExhaustedError(None, None, "/runs/x/events; No space left on device")
    assert (
        str(refusal(full, Path("/runs/x"))) == "/runs/x: cannot be written: No space left on device"
    )
    assert (
        refusal(
            tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor"),
            Path("/runs/x"),
        )
        is None
    )
    assert refusal(FileNotFoundError(2, "No such file or directory", "x"), Path("/runs/x")) is None
    with (
        pytest.raises(StorageError, match=r"^a/b: cannot be written: No such file or directory$"),
        writing(Path("a")),
    ):
        raise FileNotFoundError(2, "No such file or directory", "a/b")
