"""Call types by other names when they are read, and leave types out."""

from __future__ import annotations

import pytest

from tfner.commands import validate_reading
from tfner.corpus.ledger import Ledger
from tfner.exceptions import ConfigError
from tfner.formats import read_documents
from tfner.formats.in_memory import read_given
from tfner.formats.settings import ReadSettings
from tfner.formats.split_record import SplitRecord, hash_texts

LINES = "Mara B-person\nLind I-person\nleft O\nOslo B-place\non O\nMonday B-time\n"


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "marked.conll"
    path.write_text(LINES)
    return path


def test_types_are_renamed_merged_and_left_out(source):
    ledger = Ledger()
    settings = ReadSettings(types={"person": "NAME", "place": "NAME", "time": None})
    (document,) = read_documents(source, settings, ledger)
    assert [entity.key for entity in document.entities] == [(0, 9, "NAME"), (15, 19, "NAME")]
    (entry,) = ledger.entries
    assert (entry.reason, entry.detail) == ("left_out", "time 23-29 'Monday'")


def test_types_that_are_not_named_stay(source):
    (document,) = read_documents(source, ReadSettings(types={"person": "PER"}), Ledger())
    assert [entity.label for entity in document.entities] == ["PER", "place", "time"]


def test_data_that_a_program_holds_has_the_names_too():
    records = [{"text": "Mara left", "entities": [[0, 4, "person"]]}]
    settings = ReadSettings(types={"person": "PER"})
    (document,) = read_given(records, "data", settings, Ledger())
    assert [entity.key for entity in document.entities] == [(0, 4, "PER")]


def test_a_recorded_split_is_renamed_once(source, tmp_path):
    settings = ReadSettings(types={"person": "place", "place": "person", "time": None})
    documents = list(read_documents(source, settings, Ledger()))
    texts = hash_texts(documents)
    record = SplitRecord(str(source), settings, 1, {"dev": 1.0}, texts, "", {"dev": [0]})
    record.write(tmp_path, documents)
    ledger = Ledger()
    (document,) = read_documents(f"run:{tmp_path}:dev", settings, ledger)
    assert [entity.label for entity in document.entities] == ["place", "person"]
    assert ledger.counts == {"left_out": 1}


def test_a_command_line_names_them_too():
    settings = validate_reading(types=["person=PER", "time="])
    assert settings.types == {"person": "PER", "time": None}


@pytest.mark.parametrize(
    ("types", "message"),
    [
        (["person"], "types: expected TYPE=NAME, or TYPE= to leave it out, got 'person'"),
        ({"person": 3}, "types: expected names of types, or null to leave one out, got"),
        ({"": "PER"}, "types: expected names of types, or null to leave one out, got {'': 'PER'}"),
        ("person", "types: expected a name for each type to rename, got 'person'"),
    ],
)
def test_what_names_no_types_is_refused(types, message):
    with pytest.raises(ConfigError) as caught:
        validate_reading(types=types)
    assert message in str(caught.value)
