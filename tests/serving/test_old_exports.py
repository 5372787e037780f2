"""An export that earlier code wrote loads, and answers as it did."""

from __future__ import annotations

import pytest
from old_files import check_answers, unpack

import tfner
from tfner.serving.export.publish import copy_version


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("old")
    unpack("export", folder)
    return folder / "export"


def test_an_old_export_answers_as_it_did(folder):
    check_answers(tfner.load(folder))


def test_an_old_export_is_published_as_it_is(folder, tmp_path):
    published = copy_version(folder, tmp_path / "server")
    graph = (published / "saved_model.pb").read_bytes()
    assert graph == (folder / "1" / "saved_model.pb").read_bytes()
    check_answers(tfner.load(published))
