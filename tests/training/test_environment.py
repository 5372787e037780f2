"""environment.json: what a run was made with, whatever of it can be found out here."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from importlib import metadata

import pytest
import tensorflow as tf

from tfner.config import RunSettings
from tfner.documents import Document, Entity
from tfner.monitoring.machine import memory_of_machine, processor_name
from tfner.training import environment
from tfner.training.environment import (
    changed_content,
    describe_environment,
    describe_source,
    devices,
    git_state,
)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def git(folder, *arguments):
    who = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
    return subprocess.run(
        ["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def repository(tmp_path, monkeypatch):
    for name in ("GIT_DIR", "GIT_WORK_TREE"):
        monkeypatch.delenv(name, raising=False)
    git(tmp_path, "init", "-q")
    (tmp_path / "config.yaml").write_text("a: 1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    return tmp_path


def test_all_that_the_demand_names_is_there(tmp_path, monkeypatch):
    (tmp_path / "train.conll").write_bytes(b"anna B-PER\n")
    data = {"train": str(tmp_path / "train.conll"), "dev": "hub:x:dev"}
    settings = RunSettings(name="x", seed=7, encoder={"checkpoint": "none"}, data=data)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["tfner.train", "x.yaml"])
    counts = {"train": {"documents": 3, "entities": 5}}
    described = describe_environment(settings, {"dev": [Document("a")]}, counts)
    found = json.loads(json.dumps(described))
    assert found["versions"]["tensorflow"] == metadata.version("tensorflow")
    assert (found["seed"], found["command"], found["git"]) == (7, ["tfner.train", "x.yaml"], None)
    assert [device["type"] for device in found["devices"]] == [
        device.device_type for device in tf.config.list_physical_devices()
    ]
    assert found["data"]["train"] == {
        "source": str(tmp_path / "train.conll"),
        "bytes": 11,
        "sha256": sha256(b"anna B-PER\n"),
        **counts["train"],
    }
    assert (found["data"]["dev"]["documents"], len(found["data"]["dev"]["sha256"])) == (1, 64)
    assert {
        "python",
        "platform",
        "processor",
        "processors",
        "processor_features",
        "memory_mib",
        "started",
    } <= set(found)


def test_a_repository_is_told_with_its_changes(repository):
    revision = git(repository, "rev-parse", "HEAD")
    assert git_state(repository) == {"revision": revision, "changed": False}
    (repository / "other").touch()
    (repository / "sub").mkdir()
    assert git_state(repository / "sub") == {"revision": revision, "changed": False}
    (repository / "config.yaml").write_text("a: 2\n")
    assert git_state(repository) == {"revision": revision, "changed": True}


def test_without_a_revision_there_is_none(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_state(tmp_path) is None
    git(tmp_path, "init", "-q")
    assert git_state(tmp_path) is None
    (tmp_path / ".git" / "HEAD").write_bytes(b"\xff\x00")
    assert git_state(tmp_path) is None


@pytest.mark.parametrize(
    "error", [FileNotFoundError("git"), PermissionError("git"), subprocess.TimeoutExpired("git", 1)]
)
def test_without_git_there_is_none(tmp_path, monkeypatch, error):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(environment.subprocess, "run", fail)
    assert git_state(tmp_path) is None


def test_looking_at_a_repository_runs_nothing_of_it_and_writes_nothing(repository):
    trap = repository / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {repository / 'sprung'}\n")
    trap.chmod(0o755)
    git(repository, "config", "core.fsmonitor", str(trap))
    index = (repository / ".git" / "index").read_bytes()
    (repository / "config.yaml").write_text(
        "a: 1\n"
    )  # the same content at another time, for which git would renew its index
    assert git_state(repository)["changed"] is False
    assert not (repository / "sprung").exists()
    assert (repository / ".git" / "index").read_bytes() == index


@pytest.mark.parametrize("prefix", ["", "prepared:"])
def test_a_folder_has_the_hash_of_its_files_and_their_names(tmp_path, prefix):
    (tmp_path / "sub").mkdir()
    for name, content in (("b.txt", b"2"), ("a.txt", b"1"), ("sub/a.ann", b"")):
        (tmp_path / name).write_bytes(content)
    found = describe_source(f"{prefix}{tmp_path}", ())
    listed = "".join(
        f"{sha256(content)}  {name}\n"
        for name, content in (("a.txt", b"1"), ("b.txt", b"2"), ("sub/a.ann", b""))
    )
    assert found == {
        "source": f"{prefix}{tmp_path}",
        "files": 3,
        "bytes": 2,
        "sha256": sha256(listed.encode()),
    }
    (tmp_path / "b.txt").rename(tmp_path / "c.txt")
    assert describe_source(str(tmp_path), ())["sha256"] != found["sha256"]


def test_what_comes_with_the_package_has_a_hash():
    assert describe_source("embedded:quickstart/dev.jsonl", ())["bytes"] > 0


def test_documents_of_a_hub_have_the_hash_of_all_that_is_in_them():
    one = Document("anna in oslo", entities=(Entity(0, 4, "PER"),), id="1")
    relabelled = Document("anna in oslo", entities=(Entity(0, 4, "LOC"),), id="1")
    others = [Document("anna in oslo", id="1"), relabelled, Document("\ud800", id="1")]
    hashes = [describe_source("hub:x", [document])["sha256"] for document in (one, *others)]
    assert len(set(hashes)) == 4
    assert describe_source("hub:x", [one])["sha256"] == hashes[0]


def test_data_that_have_gone_meanwhile_are_no_reason_to_fail(tmp_path):
    found = describe_source(str(tmp_path / "none"), ())
    assert found["sha256"] is None
    assert found["error"].endswith("No such file or directory")


def test_splits_that_have_changed_are_found(tmp_path):
    path = tmp_path / "environment.json"
    path.write_text(json.dumps({"data": {"train": {"sha256": "a"}, "dev": {"sha256": "b"}}}))
    now = {"data": {"train": {"sha256": "a"}, "dev": {"sha256": "c"}, "test": {"sha256": "d"}}}
    assert changed_content(path, now, "data") == ["dev"]
    assert changed_content(path, now, "teachers") == []
    teachers = {"old": {"sha256": "a"}, "new": {"sha256": "b"}}
    path.write_text(json.dumps({"teachers": {"old": {"sha256": "z"}}}))
    assert changed_content(path, {"teachers": teachers}, "teachers") == ["old"]
    for damaged in ("", "[]", "{}", '{"data": [1]}', '{"data": {"train": 1}}'):
        path.write_text(damaged)
        assert changed_content(path, now, "data") == []
    assert changed_content(tmp_path / "none", now, "data") == []


def test_devices_are_no_reason_to_load_tensorflow(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    assert devices() == []


def test_the_processor_is_what_linux_calls_it(tmp_path):
    (tmp_path / "cpuinfo").write_text(
        "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nmodel name\t: other\n"
    )
    assert processor_name(tmp_path / "cpuinfo") == "Some CPU @ 2 GHz"
    assert processor_name(tmp_path / "none") is None
    assert memory_of_machine() > 100


def test_several_files_are_hashed_in_the_order_in_which_they_are_read(tmp_path):
    for name in ("a.conll", "b.conll"):
        (tmp_path / name).write_text(f"{name} O\n")
    pattern = str(tmp_path / "*.conll")
    both = (str(tmp_path / "a.conll"), str(tmp_path / "b.conll"))
    found = describe_source(both, ())
    assert found["source"] == list(both)
    assert (found["files"], found["bytes"]) == (2, 20)
    assert describe_source(pattern, ()) == {**found, "source": pattern}
    assert describe_source(both[::-1], ())["sha256"] != found["sha256"]
    (tmp_path / "c.conll").write_text("c O\n")
    assert describe_source(both, ()) == found
    assert describe_source(pattern, ())["sha256"] != found["sha256"]
    gone = describe_source(str(tmp_path / "*.iob"), ())
    assert gone["error"].endswith("*.iob: no file or folder matches this pattern")
    assert gone["sha256"] is None
