"""Damaged files of every format are read or refused, soon, and so is what a program holds."""

from __future__ import annotations

import random
import string
import zlib

import output_targets
import pytest
import reader_targets
from damages import DEEP, GIANT, damage
from hypothesis import given, settings
from hypothesis import strategies as st
from reader_targets import check
from seeds import KEYS
from targets import OUTPUTS, READERS, load

from tfner.corpus.ledger import Ledger
from tfner.exceptions import ConfigError, DataError
from tfner.formats import read_documents
from tfner.formats.in_memory import read_given
from tfner.formats.settings import ReadSettings

DAMAGES = 12  # a target in the default suite
MORE = 150
LIBRARIES = {"parquet": "pyarrow", "arrow": "pyarrow", "docbin": "spacy"}
OTHERS = ("writers", "pieces", "bytes", "checkpoint", "datasets")
FILES = [name for name in READERS if name not in OTHERS]


@pytest.fixture(scope="module", autouse=True)
def _leave_nothing():
    yield
    reader_targets.clean_up()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.timeout(60)
def test_a_damaged_file_is_read_or_refused(name):
    check_damages(name, DAMAGES)


@pytest.mark.long
@pytest.mark.parametrize("name", FILES)
def test_a_file_damaged_in_very_many_ways_is_read_or_refused(name):
    check_damages(name, MORE)


def check_damages(name: str, count: int) -> None:
    if name in LIBRARIES:
        pytest.importorskip(LIBRARIES[name], reason="the extra that reads it is not installed")
    target = load(name)
    draw = random.Random(zlib.crc32(name.encode()))
    for _ in range(count):
        target.check(damage(draw.choice(target.seeds), draw))


COMMAS = ",".ljust(50_000, ",").encode()
FAILED = {
    "a row of 50,000 cells and a quote": (
        "csv", b"\0Word,Tag\nAda,O" + COMMAS + b"\",O\nmet,O\n"),
    "a column with a name of 3,000 quotes": (
        "csv", b"\0tokens|ner_tag" + b'"' * 3001 + b"|x\na|b\n"),
    "a column of tags with a long name": (
        "csv", b"\0Word," + b"T" * 50_000 + b"ag\nAda,B-PER\nmet,O\nso,PER\n"),
    "blank lines before all else": ("columns", b"\n" + b"\n" * 50_000 + b"Ada\tB-PER\n"),
    "blank lines before CoNLL-U": ("conllu", b"\0" + b"\n" * 50_000 + b"1\tAda\tB-PER\n"),
    "a long tag where none may be": ("columns", b"\x18Ada\tB-" + b"{" * 9000 + b"\nmet\tO\n"),
    "a long tag in JSON": (
        "jsonl", b'\1{"tokens": ["a", "b"], "labels": ["I-X", "E-X' + b"e" * 9000 + b'"]}'),
    "a long name in CoNLL-U Plus": (
        "conllu", b"\0# global.columns = ID FORM " + b"(" * 3000 + b"\n1\tAda\tX\n"),
    "a fold's prediction with a giant key": (
        "folds", b'{"text": "a", "predicted": [{"' + b"l" * 9000 + b'": 1}]}'),
    "a fold's prediction that was rejected": (
        "folds", b'{"text": "a", "answer": "reject", "predicted": []}'),
    "a fold's prediction of an infinite number": (
        "folds",
        b'{"text": "a", "predicted": [], "units": [], "probabilities": [], "number": 1e999}'),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILED)
@pytest.mark.timeout(60)
def test_damage_that_once_was_not_refused_is(name):
    target, data = FAILED[name]
    load(target).check(data)


def test_a_prediction_goes_on_behind_giant_cells_and_damaged_labels():
    kinds = output_targets.files()
    giant = "a" * 200_000
    own = (output_targets.documents()[0], reader_targets.Document(giant, (), id="giant"))
    for kind in kinds:
        whole = output_targets.written(kind, own)
        path = reader_targets.put("left", whole)
        output_targets.write(path, kind, own, resume=True)
        assert path.read_bytes() == whole, kind
    damaged = output_targets.written("html").replace(b"PER</bdi>", b"P\xf9R</bdi>")
    load("resumed").check(bytes([kinds.index("html")]) + damaged)


PLAIN = (
    *(st.none(), st.booleans(), st.integers(), st.floats()),
    *(st.text(max_size=4), st.binary(max_size=3)),
)
VALUES = st.recursive(
    st.one_of(PLAIN),
    lambda own: st.lists(own, max_size=3) | st.dictionaries(st.text(max_size=3), own, max_size=2),
    max_leaves=6,
)


@settings(max_examples=100)
@given(st.dictionaries(st.sampled_from(KEYS.split()), VALUES, max_size=4), VALUES)
def test_records_of_wrong_types_that_a_program_holds_are_read_or_refused(record, other):
    for data in ([record], [{"text": "a b", **record}], [other], ("a", record), other):
        try:
            list(read_given(data, "train", ReadSettings(), Ledger()))
        except DataError as error:
            check(str(error).startswith("train"), error)
            check(len(str(error)) < 2000, error)


def test_deep_and_giant_values_that_a_program_holds_are_read_or_refused():
    nested: list = []
    for _ in range(5000):
        nested = [nested]
    for value in (nested, "a" * 200_000, [0] * 100_000, object(), {"a": nested}):
        for key in KEYS.split():
            try:
                list(read_given([{"text": "a b", key: value}], "train", ReadSettings(), Ledger()))
            except DataError as error:
                check(str(error).startswith("train[0]"), error)
                check(len(str(error)) < 2000, error)


@settings(max_examples=100)
@given(st.lists(st.text(st.sampled_from(string.printable + "\0é/*[]?:")), min_size=1, max_size=3))
def test_lists_and_patterns_of_any_characters_name_what_they_do_not_find(names):
    refused_or_read(["nowhere-" + name for name in names])


@pytest.mark.parametrize(
    "name", ["[" * 500, "*" * 9999, "**/" * 500, "a" * 9999, "\0", "hub:", "run:"]
)
def test_hostile_patterns_are_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused_or_read([name])
    refused_or_read(["x" + name, name])


def refused_or_read(sources: list[str]) -> None:
    for source in (tuple(sources), sources[0]):
        try:
            list(read_documents(source, ReadSettings(), Ledger()))
        except (DataError, ConfigError) as error:
            check(len(str(error)) < 12_000, error)


def test_the_damages_hold_what_they_should():
    assert {*OUTPUTS} < {*FILES}
    assert max(map(len, GIANT)) >= 100_000
    assert all(len(deep) > 900 for deep in DEEP)
