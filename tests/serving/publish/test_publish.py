"""A version appears whole or not at all, under a number of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import sys
import threading
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from published import contents, make_version, names, run_all

from tfner.exceptions import ConfigError, ModelError
from tfner.export import check_options, export
from tfner.serving.export.publish import copy_version, publish
from tfner.serving.export.versions import add_version
from tfner.serving.runtime.saved_model import CARD


def test_what_is_published_is_what_was_exported_byte_for_byte(source, tmp_path):
    before = contents(source)
    version = copy_version(source, tmp_path / "models" / "model")
    assert version == tmp_path / "models" / "model" / "1"
    assert contents(version) == before == contents(source)


def test_the_newest_version_of_an_export_is_published(source, tmp_path):
    make_version(source.with_name("10"), "newest")
    version = copy_version(source.parent, tmp_path / "model")
    assert (version / "saved_model.pb").read_text() == "newest"


def test_an_old_version_published_again_is_the_newest(folder):
    assert copy_version(folder / "1", folder) == folder / "4"
    assert contents(folder / "4") == contents(folder / "1")


def test_others_may_read_it(source, tmp_path):
    source.chmod(0o700)
    assert stat.S_IMODE(copy_version(source, tmp_path / "model").stat().st_mode) == 0o755


@pytest.mark.parametrize("damage", ["saved_model.pb", str(CARD)])
def test_what_is_no_export_is_refused_before_anything_is_made(source, tmp_path, damage):
    (source / damage).unlink()
    with pytest.raises(
        ModelError, match=str(source.parent if damage == "saved_model.pb" else source)
    ):
        copy_version(source.parent if damage == "saved_model.pb" else source, tmp_path / "model")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_a_failed_copy_leaves_nothing(source, folder, tmp_path, monkeypatch, error):
    def fail(version, building, **options):
        (building / "variables").mkdir()
        (building / "variables" / "half").write_bytes(b"...")
        raise error

    monkeypatch.setattr(shutil, "copytree", fail)
    for target in (folder, tmp_path / "new" / "model"):
        with pytest.raises(type(error)):
            copy_version(source, target)
    assert names(folder) == ["1", "2", "3"]
    assert not (tmp_path / "new").exists()


def test_publishers_at_the_same_moment_get_versions_of_their_own(source, tmp_path):
    folder, found, expected = tmp_path / "model", [], contents(source)
    threads = [
        threading.Thread(target=lambda: found.append(copy_version(source, folder)))
        for _ in range(8)
    ]
    run_all(threads)
    assert sorted(int(path.name) for path in found) == list(range(1, 9))
    assert names(folder) == sorted(str(number) for number in range(1, 9))
    assert all(contents(folder / name) == expected for name in names(folder))


def test_publishers_that_prune_at_the_same_moment_do_not_disturb_each_other(add, tmp_path):
    folder, found = tmp_path / "model", []
    threads = [
        threading.Thread(target=lambda: found.append(publish(add, folder, keep=2)))
        for _ in range(8)
    ]
    run_all(threads)
    last = publish(add, folder, keep=2)
    assert len({publication.version for publication in [*found, last]}) == 9
    assert last.version == folder / "9"
    assert names(folder) == ["8", "9"]
    gone = [number for publication in [*found, last] for number in publication.removed]
    assert sorted(gone) == list(range(1, 8))


def test_a_reader_that_polls_sees_whole_versions_alone(tmp_path):
    """Sixty versions of forty files come and go, every fourth fails; two readers look on."""
    folder, seen, broken, over = tmp_path / "model", set(), [], threading.Event()
    folder.mkdir()

    def fill(number: int, building: Path) -> None:
        make_version(building, str(number))
        for part in range(40):
            if number % 4 == 0 and part == 20:
                raise OSError(28, "No space left on device")
            (building / f"part-{part}").write_bytes(b"x" * part)

    def read() -> None:
        while not over.is_set():
            for version in folder.glob("[0-9]*"):
                try:
                    found = {path.name for path in version.iterdir()}
                except FileNotFoundError:
                    continue
                whole = {
                    "saved_model.pb",
                    "variables",
                    CARD.parts[0],
                    *(f"part-{part}" for part in range(40)),
                }
                if found != whole and version.exists():  # one that is removed is first renamed
                    broken.append((version.name, whole - found))
                seen.add(version.name)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(60):
        with contextlib.suppress(OSError):
            publish(
                lambda path, number=number: add_version(partial(fill, number), path), folder, keep=2
            )
    over.set()
    for reader in readers:
        reader.join()
    assert broken == []
    assert len(seen) > 5
    assert names(folder) == ["44", "45"]


def test_what_a_killed_process_was_building_goes_but_not_what_one_is_building(tmp_path, source):
    folder = tmp_path / "model"
    left = folder / ".building-left"
    left.mkdir(parents=True)
    young = folder / ".building-young"
    young.mkdir()
    os.utime(left, (1, 1))

    def fill(building: Path) -> None:
        os.utime(building, (1, 1))
        copy_version(source, folder)  # another publisher meanwhile
        assert building.exists()

    add_version(fill, folder)
    assert names(folder) == [".building-young", "1", "2"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"to": Path("a"), "publish": Path("b")}, "one of --to and --publish"),
        ({"keep": 2}, "--keep: expected together with --publish"),
        (
            {"publish": Path("b"), "models_config": Path("c")},
            "--models-config: expected together with --keep",
        ),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        check_options(
            **{"to": None, "publish": None, "keep": None, "models_config": None, **options}
        )


def test_the_command_publishes_an_export_and_says_so(source, folder, capsys):
    export(source.parent, publish=folder, keep=1)
    assert capsys.readouterr().out.splitlines() == [
        f"published: {folder / '4'}", "removed: 1", "removed: 2", "removed: 3", "kept: 4 (newest)",
    ]  # fmt: skip


def test_an_export_is_published_as_it_is_so_settings_are_refused(source, folder):
    with pytest.raises(ConfigError, match="precision=bfloat16: settings are for a run"):
        export(source.parent, ["precision=bfloat16"], publish=folder)


def test_the_command_exports_a_run_anew(tmp_path, folder, monkeypatch, capsys):
    run = tmp_path / "runs" / "model"
    run.mkdir(parents=True)
    (run / "config.yaml").touch()
    asked = []

    def export_run(path, to, overrides, **options):
        asked.append((path, overrides))
        return make_version(to / "4")

    monkeypatch.setitem(
        sys.modules, "tfner.training.restore", SimpleNamespace(export_run=export_run)
    )
    export(run, ["precision=bfloat16"], publish=folder)
    assert asked == [(run, ["precision=bfloat16"])]
    assert capsys.readouterr().out == f"published: {folder / '4'}\n"
