"""Text without marks for training: whatever prediction reads; marks are taken off."""

from __future__ import annotations

import json

import pytest

from tfner.exceptions import DataError
from tfner.formats.reading import read_unlabelled
from tfner.formats.settings import ReadSettings

MARKED = json.dumps({"text": "Mara left", "entities": [[0, 4, "PER"]]})


@pytest.mark.parametrize(
    ("name", "content", "has_words"),
    [
        ("news.txt", "Mara left\n", False),
        ("news.jsonl", MARKED + "\n", False),
        ("news.json", f"[{MARKED}]", False),
        ("news.conll", "Mara B-PER\nleft O\n", True),
    ],
)
def test_marks_are_taken_off_whatever_the_format(tmp_path, name, content, has_words):
    (tmp_path / name).write_text(content)
    # the format that is set is that of the splits with marks
    settings = ReadSettings(format="columns")
    (document,) = read_unlabelled(str(tmp_path / name), settings)
    assert (document.text, document.entities) == ("Mara left", ())
    assert (document.words is not None) == has_words


def test_a_file_of_this_package_is_read():
    documents = list(read_unlabelled("embedded:quickstart/train.jsonl", ReadSettings()))
    assert len(documents) > 10
    assert not any(document.entities for document in documents)


def test_a_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"nothing.txt: "):
        list(read_unlabelled(str(tmp_path / "nothing.txt"), ReadSettings()))
