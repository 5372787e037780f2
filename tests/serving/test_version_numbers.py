"""One rule for what is a version: for loading, publishing, the server, a URL and an option."""

from __future__ import annotations

import pytest

from tfner.exceptions import ConfigError
from tfner.serve import read_labels
from tfner.serving.client.address import parse_address
from tfner.serving.export.publish import publish
from tfner.serving.export.version_numbers import complete_versions, version_number
from tfner.serving.export.versions import add_version
from tfner.serving.runtime.saved_model import find_version


@pytest.mark.parametrize(
    ("name", "number"),
    [("1", 1), ("0", 0), ("007", 7), ("9" * 18, 10**18 - 1)]
    + [
        (name, None) for name in ("", "-1", "+1", " 1", "1.0", "1a", "٣", "²", "9" * 19, "9" * 5000)
    ],
)
def test_what_is_a_version(name, number):
    assert version_number(name) == number


@pytest.fixture
def folder(tmp_path):
    for name in ("2", "010", "٣", "9" * 30, "model"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "saved_model.pb").touch()
    (tmp_path / "11").mkdir()  # not complete
    return tmp_path


def test_everybody_finds_the_same_newest_version(folder):
    assert complete_versions(folder) == {2: folder / "2", 10: folder / "010"}
    assert find_version(folder) == folder / "010"
    assert add_version(lambda building: None, folder) == folder / "12"


def test_pruning_keeps_the_newest_by_number(folder):
    publication = publish(lambda target: add_version(fill, target), folder, keep=2)
    assert publication.version == folder / "12"
    assert set(publication.kept) == {2, 10, 12}  # 2 is not ours


def fill(building):
    (building / "saved_model.pb").touch()


def test_a_url_and_an_option_hold_versions_of_the_same_kind():
    assert parse_address("http://here/v1/models/ner/versions/007").version == 7
    assert read_labels(["canary=007"]) == {"canary": 7}
    for number in ("9" * 19, "٣"):
        with pytest.raises(ConfigError):
            parse_address(f"http://here/v1/models/ner/versions/{number}")
        with pytest.raises(ConfigError, match="expected LABEL=VERSION"):
            read_labels([f"canary={number}"])
