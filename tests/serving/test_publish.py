"""A version appears whole or not at all; old ones go, but none that is in use or not ours."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import sys
import tempfile
import threading
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfner.exceptions import ConfigError, ModelError
from tfner.export import check_options, export
from tfner.serving.export import publish as publish_module
from tfner.serving.export.models_config import versions_in_use
from tfner.serving.export.publish import copy_version, publish
from tfner.serving.export.versions import add_version
from tfner.serving.runtime.saved_model import CARD


def make_version(path: Path, content: str = "graph") -> Path:
    """What an export of tfner's looks like from outside."""
    (path / "variables").mkdir(parents=True)
    (path / "variables" / "variables.index").write_bytes(os.urandom(64))
    (path / "saved_model.pb").write_text(content)
    (path / CARD).parent.mkdir()
    (path / CARD).write_text('{"tag_scheme": "IOB2"}')
    return path


def models_config(path: Path, entry: str, name: str = "model") -> Path:
    model = f'name: "{name}" base_path: "/models/{name}" model_platform: "tensorflow" {entry}'
    path.write_text(f"model_config_list {{ config {{ {model} }} }}")
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def source(tmp_path) -> Path:
    return make_version(tmp_path / "saved_models" / "model" / "4")


@pytest.fixture
def folder(tmp_path) -> Path:
    """A model's folder with the versions 1, 2, 3."""
    path = tmp_path / "models" / "model"
    for number in (1, 2, 3):
        make_version(path / str(number))
    return path


@pytest.fixture
def add(source):
    return partial(copy_version, source)


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


def run_all(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_without_keep_nothing_is_removed_and_no_configuration_is_read(add, folder):
    (folder.parent / "models.config").write_text("not a configuration")
    publication = publish(add, folder)
    assert (publication.version, publication.removed, publication.kept) == (folder / "4", [], {})
    assert names(folder) == ["1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("keep", "left"),
    [(1, ["4"]), (2, ["3", "4"]), (4, ["1", "2", "3", "4"]), (9, ["1", "2", "3", "4"])],
)
def test_the_newest_stay(add, folder, keep, left):
    publication = publish(add, folder, keep=keep)
    assert names(folder) == left
    assert sorted(map(str, publication.kept)) == left
    assert not publication.problems


@pytest.mark.parametrize(
    ("entry", "left"),
    [
        ("", ["4"]),
        ("model_version_policy { latest { num_versions: 2 } }", ["3", "4"]),
        ("model_version_policy { latest { } }", ["4"]),
        ("model_version_policy { all { } }", ["1", "2", "3", "4"]),
        ("model_version_policy { specific { versions: 1 versions: 3 } }", ["1", "3", "4"]),
        (
            "model_version_policy { specific { versions: 1 } } version_labels { key: 'canary'"
            " value: 2 }",
            ["1", "2", "4"],
        ),
        (
            "version_labels { key: 'stable' value: 2 } version_labels { key: 'canary' value: 2 }",
            ["2", "4"],
        ),
        ("model_version_policy { specific { versions: 77 } }", ["4"]),
    ],
)
def test_what_the_server_uses_stays(add, folder, entry, left):
    models_config(folder.parent / "models.config", entry)
    publish(add, folder, keep=1)
    assert names(folder) == left


def test_the_account_says_why(add, folder):
    labels = "version_labels { key: 'stable' value: 2 } version_labels { key: 'old' value: 2 }"
    path = models_config(folder.parent / "models.config", labels)
    assert list(publish(add, folder, keep=1).lines()) == [
        f"published: {folder / '4'}",
        "removed: 1",
        "removed: 3",
        f"kept: 2 (label old, label stable in {path})",
        f"kept: 4 (policy latest 1 in {path})",
    ]


def test_a_named_configuration_is_read_instead_of_the_one_beside(add, folder, tmp_path):
    models_config(folder.parent / "models.config", "model_version_policy { all { } }")
    other = models_config(tmp_path / "other.config", "version_labels { key: 'stable' value: 1 }")
    publish(add, folder, keep=1, models_config=other)
    assert names(folder) == ["1", "4"]


@pytest.mark.parametrize(
    "entry", [("model", "/elsewhere/x"), ("x", "/elsewhere/model"), ("x", "gs://bucket/model/")]
)
def test_a_model_is_known_by_its_name_or_the_end_of_its_base_path(tmp_path, entry):
    name, base_path = entry
    path = tmp_path / "models.config"
    label = 'version_labels { key: "a" value: 2 }'
    model = f'name: "{name}" base_path: "{base_path}" {label}'
    path.write_text(f"model_config_list {{ config {{ {model} }} }}")
    assert versions_in_use(path, tmp_path / "model", [1, 2, 3]) == {
        2: "label a",
        3: "policy latest 1",
    }
    assert versions_in_use(path, tmp_path / "other", [1, 2, 3]) is None


def test_a_configuration_without_the_model_keeps_everything(add, folder):
    models_config(folder.parent / "models.config", "", name="another")
    publication = publish(add, folder, keep=1)
    assert names(folder) == ["1", "2", "3", "4"]
    assert all("does not name model" in reason for reason in publication.kept.values())


def test_a_configuration_that_cannot_be_read_is_refused_before_anything_is_published(
    add, folder, tmp_path
):
    broken = tmp_path / "broken.config"
    cases = [
        ("model_config_list { config { nam: 'x' } }", "ModelServerConfig.*nam"),
        ("\udcff", "cannot be read"),
        (None, "No such file"),
    ]
    for content, message in cases:
        broken.unlink(missing_ok=True)
        if content is not None:
            broken.write_bytes(content.encode("utf-8", "surrogateescape"))
        with pytest.raises(ConfigError, match=f"{broken}.*{message}"):
            publish(add, folder, keep=1, models_config=broken)
    assert names(folder) == ["1", "2", "3"]


def test_what_is_not_ours_is_left_alone(add, folder, tmp_path):
    elsewhere = make_version(tmp_path / "elsewhere")
    (folder / "0").symlink_to(elsewhere)
    (folder / "007").mkdir()
    make_version(folder / "٣")  # a digit to Python, no version to a server
    (folder / "5").write_text("a file")
    (folder / "6").mkdir()
    (folder / "7").mkdir()
    (folder / "7" / "saved_model.pb").write_text("another exporter's")
    (folder / ".building-x").mkdir()
    (folder / "README.md").touch()
    foreign = {"0", "007", "٣", "5", "6", "7", ".building-x", "README.md"}
    publication = publish(add, folder, keep=1)
    assert publication.version == folder / "8"
    assert publication.removed == [1, 2, 3]
    assert set(names(folder)) == foreign | {"8"}
    assert publication.kept == {
        0: "not an export of tfner",
        7: "not an export of tfner",
        8: "newest",
    }
    assert contents(elsewhere)


def test_what_an_interrupted_removal_left_is_deleted(add, folder):
    make_version(folder / ".removing-0-abc")
    publish(add, folder, keep=9)
    assert names(folder) == ["1", "2", "3", "4"]


def test_a_version_leaves_the_numbers_before_its_files_go(add, folder, monkeypatch):
    seen = []
    delete = shutil.rmtree

    def watch(path, **options):
        seen.append((path.name.rsplit("-", 1)[0], names(folder), sorted(contents(path))))
        delete(path, **options)

    monkeypatch.setattr(publish_module.shutil, "rmtree", watch)
    files = sorted(contents(folder / "1"))
    publish(add, folder, keep=3)
    ((name, visible, left),) = seen
    assert name == ".removing-1"
    assert "1" not in visible
    assert left == files


def test_a_removal_that_fails_does_not_hurt_the_publication(add, folder, monkeypatch):
    rename = Path.rename

    def refuse(self, target):
        if self.name == "1":
            raise PermissionError(13, "not allowed", str(self))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    publication = publish(add, folder, keep=2)
    assert names(folder) == ["1", "3", "4"]
    assert publication.removed == [2]
    (problem,) = publication.problems
    assert str(folder / "1") in problem
    assert "not allowed" in problem


def test_files_that_cannot_be_deleted_are_said_and_are_no_version(add, folder, monkeypatch):
    monkeypatch.setattr(publish_module.shutil, "rmtree", lambda path, **options: None)
    publication = publish(add, folder, keep=3)
    left = [name for name in names(folder) if name.startswith(".removing-1-")]
    assert len(left) == 1
    assert publication.problems == [f"{folder / left[0]}: some files could not be deleted"]
    assert [name for name in names(folder) if name.isdecimal()] == ["2", "3", "4"]


def test_a_configuration_that_breaks_meanwhile_stops_the_pruning_only(add, folder):
    path = models_config(folder.parent / "models.config", "")

    def slow_export(target):
        path.write_text("half a conf")
        return add(target)

    publication = publish(slow_export, folder, keep=1)
    assert publication.version == folder / "4"
    assert names(folder) == ["1", "2", "3", "4"]
    assert "expected a ModelServerConfig" in publication.problems[0]


def test_a_failed_export_prunes_nothing(folder):
    def fail(target):
        raise ModelError("no weights yet")

    with pytest.raises(ModelError):
        publish(fail, folder, keep=1)
    assert names(folder) == ["1", "2", "3"]


numbers = st.sets(st.integers(1, 12), max_size=8)
policies = st.one_of(
    st.just(("none", ())),
    st.just(("all", ())),
    st.tuples(st.just("latest"), st.integers(0, 4)),
    st.tuples(st.just("specific"), numbers),
)


def policy_text(kind: str, value) -> str:
    inner = {
        "latest": lambda: f"num_versions: {value}",
        "specific": lambda: " ".join(f"versions: {number}" for number in sorted(value)),
    }
    return (
        ""
        if kind == "none"
        else f"model_version_policy {{ {kind} {{ {inner.get(kind, str)()} }} }}"
    )


def expected_left(versions: list[int], keep: int, kind: str, value, labels: set[int]) -> set[int]:
    """Slow and obvious: a version stays if any rule names it."""
    left = set()
    for position, version in enumerate(sorted(versions, reverse=True)):
        served = {
            "none": lambda position=position: position < 1,
            "all": lambda: True,
            "latest": lambda position=position: position < max(value or 0, 1),
            "specific": lambda version=version: version in value,
        }[kind]()
        if position < keep or served or version in labels:
            left.add(version)
    return left


@settings(max_examples=60)
@given(versions=numbers, keep=st.integers(1, 5), policy=policies, labels=numbers)
def test_exactly_what_no_rule_names_is_removed(versions, keep, policy, labels):
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "model"
        for number in versions:
            make_version(folder / str(number))
        source = make_version(Path(home) / "source")
        text = " ".join(
            f"version_labels {{ key: 'l{number}' value: {number} }}" for number in labels
        )
        models_config(Path(home) / "models.config", f"{policy_text(*policy)} {text}")
        publication = publish(partial(copy_version, source), folder, keep=keep)
        everything = [*versions, max(versions, default=0) + 1]
        left = expected_left(everything, keep, *policy, labels)
        assert {int(name) for name in names(folder)} == left == set(publication.kept)
        assert sorted(publication.removed) == sorted(set(everything) - left)
        assert not publication.problems


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
