"""Old versions go, but none that is in use or not ours."""

from __future__ import annotations

import shutil
import tempfile
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from published import contents, make_version, models_config, names

from tfner.exceptions import ConfigError, ModelError
from tfner.serving.export import publish as publish_module
from tfner.serving.export.models_config import versions_in_use
from tfner.serving.export.publish import copy_version, publish


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
