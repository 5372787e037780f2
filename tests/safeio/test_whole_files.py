"""A file has its name once all of it is on the disk; whatever fails leaves the old one."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import pytest

from tfner.safeio.whole_files import (
    folder_written_whole,
    sync_tree,
    write_text_whole,
    written_whole,
)


@pytest.fixture
def calls(monkeypatch):
    """Names of the operations in their order."""
    made = []

    def around(where, name):
        operation = getattr(where, name)

        def watched(*arguments, **options):
            made.append(name)
            return operation(*arguments, **options)

        monkeypatch.setattr(where, name, watched)

    around(os, "fsync")
    around(Path, "replace")
    return made


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_bytes_are_brought_to_the_disk_before_the_name(tmp_path, calls):
    write_text_whole(tmp_path / "file", "zoë\n")
    assert calls == ["fsync", "replace"]
    assert (tmp_path / "file").read_bytes() == "zoë\n".encode()
    assert names(tmp_path) == ["file"]


def test_a_lone_surrogate_is_written_as_json_has_it(tmp_path):
    write_text_whole(tmp_path / "file", '"a\udc80"')
    assert (tmp_path / "file").read_text() == '"a\\udc80"'


@pytest.mark.parametrize("operation", ["fsync", "replace"])
def test_what_the_disk_refuses_leaves_the_old_file_and_nothing_else(
    tmp_path, monkeypatch, operation
):
    (tmp_path / "file").write_text("before")

    def refuse(*arguments, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr({"fsync": os, "replace": Path}[operation], operation, refuse)
    with pytest.raises(OSError, match="No space left"):
        write_text_whole(tmp_path / "file", "after")
    assert names(tmp_path) == ["file"]
    assert (tmp_path / "file").read_text() == "before"


def test_two_writers_do_not_write_into_one_another(tmp_path):
    path = tmp_path / "file"
    with written_whole(path) as one, written_whole(path) as other:
        assert one != other
        one.write_text("one")
        other.write_text("other")
    assert path.read_text() == "one"
    assert names(tmp_path) == ["file"]


def test_every_file_and_folder_of_a_tree_is_brought_to_the_disk(tmp_path, monkeypatch):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").write_text("x")
    (tmp_path / "file").write_text("x")
    synced = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    sync_tree(tmp_path)
    assert set(synced) == {path.stat().st_ino for path in (tmp_path, *tmp_path.rglob("*"))}


def test_a_folder_takes_the_name_whole_or_leaves_the_one_that_has_it(tmp_path):
    folder = tmp_path / "more" / "folder"

    def write(name: str, fails: bool = False) -> None:
        with folder_written_whole(folder) as building:
            (building / name).write_text(name)
            if fails:
                raise ValueError("midway")

    write("first")
    assert names(folder) == ["first"]
    with pytest.raises(ValueError, match="midway"):
        write("second", fails=True)
    assert names(folder) == ["first"]
    write("second")
    assert names(folder) == ["second"]
    assert names(folder.parent) == ["folder"]


ALONE = re.compile(r"\.write_text\(|\.write_bytes\(|os\.fsync\(|\.replace\((self\.|path|target)")
ELSEWHERE = (
    "safeio/whole_files.py",  # the one writer
    "formats/",  # many small files of predictions, which --resume writes again
    "quickstart/",  # makers of the package's own data
    "serving/export/",  # within a folder that is synced and named as a whole
    "conversion/transformers_folder.py",  # within a folder that is synced and named as a whole
)


def test_nothing_else_writes_whole_files():
    import tfner

    package = Path(tfner.__file__).parent
    found = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if ALONE.search(line)
    }
    assert [path for path in sorted(found) if not path.startswith(ELSEWHERE)] == []
