"""Following a folder: a new version is loaded whole before it answers.

The old one stays until its requests are done.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest
import server_fakes as fakes

from tfner.exceptions import ModelError
from tfner.serving.export.version_numbers import complete_versions
from tfner.serving.server import model_versions as module
from tfner.serving.server.model_versions import ModelSpec, ModelVersions
from tfner.serving.server.request_error import RequestError

ANY = ModelSpec("tagger")


@pytest.fixture(autouse=True)
def collect_never(monkeypatch):
    monkeypatch.setattr(module, "COLLECT_AFTER", 1e6)


class Folder:
    """Hold versions: `broken` ones fail to load, `loaded` were tried, `closed` are freed."""

    def __init__(self, path: Path, *versions: int):
        self.path = path
        self.broken: set[int] = set()
        self.loaded: list[int] = []
        self.closed: list[int] = []
        self.during_load = lambda: None
        for version in versions:
            self.add(version)

    def add(self, version: int) -> Path:
        folder = self.path / str(version)
        folder.mkdir()
        (folder / "saved_model.pb").write_bytes(b"x")
        return folder

    def remove(self, version: int) -> None:
        (self.path / str(version) / "saved_model.pb").unlink()

    def load(self, folder: Path, version: int):
        self.loaded.append(version)
        self.during_load()
        if version in self.broken:
            raise ModelError(f"{folder}: cannot be loaded: half of it is missing")
        servable = fakes.servable(fakes.FakeModel(), version)
        servable.close = lambda: self.closed.append(version)
        return servable

    def models(self, **labels: int) -> ModelVersions:
        return ModelVersions("tagger", lambda: complete_versions(self.path), self.load, labels)


def states(models):
    return {status.version: status.state for status in models.status(ANY)}


def answering(models, spec=ANY):
    with models.hold(spec) as servable:
        return servable.version


def in_loop(scenario):
    return asyncio.run(scenario())


def test_the_newest_version_is_served_by_number_not_by_name(tmp_path):
    folder = Folder(tmp_path, 2, 10)
    (tmp_path / "11").mkdir()  # nothing in it yet
    (tmp_path / ".building-x").mkdir()
    models = folder.models()

    async def scenario():
        await models.start()
        assert answering(models) == 10

    in_loop(scenario)
    assert folder.loaded == [10]


def test_a_new_version_takes_over_once_it_is_whole(tmp_path):
    folder = Folder(tmp_path, 1)
    models = folder.models()
    seen = []

    async def scenario():
        await models.start()
        await models.poll()
        assert folder.loaded == [1]
        folder.add(2)
        folder.during_load = lambda: seen.append((models.served, states(models)))
        await models.poll()
        assert answering(models) == 2
        assert states(models) == {2: "AVAILABLE", 1: "END"}

    in_loop(scenario)
    assert seen == [([1], {2: "LOADING", 1: "AVAILABLE"})]


def test_the_old_version_stays_until_its_requests_are_done(tmp_path):
    folder = Folder(tmp_path, 1)
    models = folder.models()

    async def scenario():
        await models.start()
        folder.add(2)
        with models.hold(ANY) as first, models.hold(ANY):
            await models.poll()
            assert not folder.closed
            assert first.version == 1
            assert answering(models) == 2
            assert states(models) == {2: "AVAILABLE", 1: "UNLOADING"}
            with pytest.raises(
                RequestError, match=r"Servable not found for request: Specific\(tagger, 1\)"
            ):
                answering(models, ModelSpec("tagger", 1))
        assert states(models) == {2: "AVAILABLE", 1: "END"}
        assert not models._retired
        assert folder.closed == [1]

    in_loop(scenario)


def test_a_version_that_cannot_be_loaded_changes_nothing_and_is_tried_again_when_its_files_change(
    tmp_path, caplog
):
    folder = Folder(tmp_path, 1)
    models = folder.models()

    async def scenario():
        await models.start()
        new = folder.add(2)
        folder.broken = {2}
        for _ in range(3):
            await models.poll()
        assert folder.loaded == [1, 2]
        assert answering(models) == 1
        assert states(models) == {2: "END", 1: "AVAILABLE"}
        assert "half of it is missing" in models.status(ModelSpec("tagger", 2))[0].error
        folder.broken = set()
        (new / "variables").write_bytes(b"the other half")
        await models.poll()
        assert answering(models) == 2

    with caplog.at_level(logging.INFO):
        in_loop(scenario)
    assert caplog.text.count("half of it is missing") == 1


def test_no_fault_of_a_version_ends_the_following(tmp_path, caplog):
    folder = Folder(tmp_path, 1)
    models = folder.models()

    async def scenario():
        await models.start()
        folder.add(2)
        folder.during_load = lambda: 1 / 0
        await models.poll()
        assert answering(models) == 1
        assert models.status(ModelSpec("tagger", 2))[0].error == "division by zero"

    in_loop(scenario)
    assert "ZeroDivisionError" in caplog.text


def test_labelled_versions_are_kept(tmp_path):
    folder = Folder(tmp_path, 1, 2, 3)
    models = folder.models(stable=1, canary=3)

    async def scenario():
        await models.start()
        assert models.served == [1, 3]
        folder.add(4)
        await models.poll()
        assert models.served == [1, 3, 4]
        assert answering(models, ModelSpec("tagger", label="stable")) == 1
        assert answering(models, ModelSpec("tagger", 3)) == 3
        with pytest.raises(RequestError, match="Unrecognized servable version label: none"):
            answering(models, ModelSpec("tagger", label="none"))

    in_loop(scenario)


def test_going_back_to_an_older_version(tmp_path):
    folder = Folder(tmp_path, 1, 2)
    models = folder.models()

    async def scenario():
        await models.start()
        folder.remove(2)
        await models.poll()
        assert answering(models) == 1
        assert states(models) == {2: "END", 1: "AVAILABLE"}

    in_loop(scenario)


def test_an_empty_folder_takes_nothing_away(tmp_path):
    folder = Folder(tmp_path, 1)
    models = folder.models()

    async def scenario():
        await models.start()
        folder.remove(1)
        await models.poll()
        assert answering(models) == 1

    in_loop(scenario)


@pytest.mark.parametrize(
    ("versions", "broken", "labels", "message"),
    [
        ([], set(), {}, "tagger: expected numbered versions of a SavedModel, found none"),
        ([1], {1}, {}, "1: cannot be loaded: half of it is missing"),
        ([1, 2], set(), {"canary": 7}, "label canary=7: there is no version 7 of tagger"),
        ([1, 2], {1}, {"canary": 1}, "1: cannot be loaded: half of it is missing"),
    ],
)
def test_a_server_does_not_start_without_its_versions(tmp_path, versions, broken, labels, message):
    folder = Folder(tmp_path, *versions)
    folder.broken = broken
    with pytest.raises(ModelError, match=message):
        in_loop(folder.models(**labels).start)
