"""TFRecord files are read as TensorFlow writes them, and damage is told."""

from __future__ import annotations

import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tfner.serving.export.tf_records import DamagedRecordError, read_records

RECORDS = [b"first", b"", b"third"]
SAME_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def write(path, records):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
    return path


@SAME_FOLDER
@given(st.lists(st.binary(max_size=300), max_size=5))
def test_records_are_those_that_tensorflow_wrote(tmp_path, records):
    assert list(read_records(write(tmp_path / "records", records))) == records


@pytest.fixture
def content(tmp_path):
    """Give the bytes of a file with three records, and a function that reads others."""
    return write(tmp_path / "records", RECORDS).read_bytes()


def read(path, content):
    path.write_bytes(content)
    return list(read_records(path))


def test_a_file_that_ends_within_a_record_says_where(tmp_path, content):
    path = tmp_path / "cut"
    boundaries = {0, 21, 37}  # 16 bytes around each record
    for length in set(range(len(content))) - boundaries:
        with pytest.raises(
            DamagedRecordError, match=rf"^{path}: record \d: expected \d+ bytes more, got \d+$"
        ):
            read(path, content[:length])
    assert [len(read(path, content[:length])) for length in sorted(boundaries)] == [0, 1, 2]


def test_a_byte_that_was_changed_is_noticed(tmp_path, content):
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1
        with pytest.raises(DamagedRecordError, match=r"record \d: expected the checksum [0-9a-f]"):
            read(tmp_path / "changed", bytes(changed))
