"""`run:FOLDER:SPLIT` reads what a record says, or says why it cannot."""

from __future__ import annotations

import contextlib
import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tfner.corpus.ledger import Ledger
from tfner.exceptions import ConfigError, DataError, TfnerError
from tfner.formats import read_documents
from tfner.formats.settings import ReadSettings
from tfner.formats.split_record import SplitRecord, hash_texts
from tfner.safeio.sources import check_source

LINES = "Mara B-PER\nleft O\n\nBo I-PER\n\nso O\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.conll").write_text(LINES)
    documents = list(read_documents("a.conll", ReadSettings(scheme="IOB2"), Ledger()))
    splits = {"train": [0, 2], "dev": [1]}
    texts = hash_texts(documents)
    reading = ReadSettings(scheme="IOB2")
    record = SplitRecord("a.conll", reading, 7, {"train": 0.7, "dev": 0.3}, texts, "", splits)
    record.write(tmp_path, documents)
    return tmp_path


def texts_of(source, ledger=None):
    ledger = Ledger() if ledger is None else ledger
    return [each.text for each in read_documents(source, ReadSettings(), ledger)]


def test_a_record_is_read_as_it_was_written(folder):
    record = SplitRecord.read(folder)
    assert (record.source, record.seed, record.splits) == (
        "a.conll",
        7,
        {"train": [0, 2], "dev": [1]},
    )
    assert record.reading == ReadSettings(scheme="IOB2")
    written = json.loads((folder / "splits.json").read_text())
    assert written["splits"]["dev"] == [[1, "a.conll:4"]]


def test_a_split_is_read_with_what_was_dropped_of_its_own_documents(folder):
    train, dev = Ledger(), Ledger()
    assert texts_of(f"run:{folder}:train", train) == ["Mara left", "so"]
    assert texts_of("run:.:dev", dev) == ["Bo"]
    assert texts_of("run:.:without-dev") == ["Mara left", "so"]
    assert (train.counts, dev.counts) == ({}, {"repaired": 1})  # I-PER that nothing begins


def test_other_marks_are_read_and_other_texts_refused(folder):
    (folder / "a.conll").write_text(LINES.replace("Bo I-PER", "Bo B-LOC"))
    (bo,) = read_documents("run:.:dev", ReadSettings(), Ledger())
    assert bo.entities[0].label == "LOC"
    (folder / "a.conll").write_text(LINES.replace("left", "stayed"))
    expected = "expected the 3 documents that were divided, got 3 documents, not these"
    with pytest.raises(DataError, match=rf"^splits\.json: {expected}"):
        texts_of("run:.:dev")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "expected a JSON object"),
        ("{}", "expected the record of splits that a run writes, got \"'source'\""),
        ('{"source": ["a"], "splits": {"dev": [["x", ""]]}}', "got \"the number 'x'\""),
        ('{"source": ["a"], "splits": {"dev": [3]}}', "not subscriptable"),
    ],
)
def test_a_damaged_record_is_named(folder, content, message):
    (folder / "splits.json").write_text(content)
    with pytest.raises(DataError, match=r"^splits\.json: ") as caught:
        texts_of("run:.:dev")
    assert message in str(caught.value)


def test_a_run_whose_splits_are_files_is_told_so(tmp_path):
    message = (
        f"{tmp_path}/splits.json: no such file; expected a run whose splits are shares of its "
        "training data, such as 10%. Others are files: name the file"
    )
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        texts_of(f"run:{tmp_path}:dev")


VALUES = st.one_of(
    st.none(),
    st.integers(-2, 3),
    st.floats(),
    st.text("a1", max_size=2),
    st.lists(st.integers(-1, 3), max_size=2),
    st.dictionaries(st.sampled_from(["dev", "train", "x"]), st.lists(st.integers(0, 3))),
)
KEYS = ("source", "seed", "asked", "reading", "texts", "content", "splits")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(KEYS), VALUES), min_size=1, max_size=3))
def test_whatever_stands_in_a_record_it_is_read_or_refused(folder, changes):
    path = folder / "splits.json"
    whole = path.read_text()
    values = json.loads(whole)
    values.update(changes)
    path.write_text(json.dumps(values))
    found = ["Bo"]
    with contextlib.suppress(TfnerError):
        found = texts_of("run:.:dev")
    path.write_text(whole)
    assert set(found) <= {"Mara left", "Bo", "so"}


def test_an_unknown_split_and_a_folder_without_a_record_are_named(folder):
    with pytest.raises(DataError, match="expected one of the splits train, dev, got 'test'"):
        texts_of("run:.:test")
    check_source("data.dev", "run:.:dev")
    for source in ("run:none:dev", "run:none", "run:dev"):
        expected = (
            f"data.dev: expected run:FOLDER:SPLIT, whose folder has splits.json, got {source}"
        )
        with pytest.raises(ConfigError) as caught:
            check_source("data.dev", source)
        assert str(caught.value) == expected
