"""A format that nobody planned for, in this file alone, is read, trained on and written.

A record is a line `id;text;entities`, quoted as CSV is, with entities as `START-END LABEL` between
bars: `7;Anna met Bo;0-4 PER|9-11 PER`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest
import tiny
import yaml
from command_line import CommandLine
from hypothesis import given
from hypothesis import strategies as st

from tfner.config import load_settings
from tfner.corpus.ledger import Ledger
from tfner.documents import Document, Entity, entity_at
from tfner.exceptions import ConfigError, DataError
from tfner.formats import read_documents, registry
from tfner.formats.counts import count_filled_lines
from tfner.formats.registry import Format, register
from tfner.formats.resume import WrittenFile, one_line
from tfner.formats.settings import ReadSettings
from tfner.formats.text_files import stream_lines
from tfner.formats.writers import StreamWriter, open_writer


def parse(line: str, path: str, number: int) -> Document:
    columns = next(csv.reader([line], delimiter=";"))
    if len(columns) != 3:
        raise DataError(f"{path}:{number}: expected id;text;entities, got {len(columns)} columns")
    id, text, marks = columns
    text = text.encode("ascii").decode("unicode_escape")
    entities = []
    for mark in filter(None, marks.split("|")):
        span, label = mark.split(" ", 1)
        start, end = map(int, span.split("-"))
        entities.append(entity_at(text, start, end, label))
    return Document(text, tuple(entities), id=id)


def read(path: Path, settings: ReadSettings, ledger: Ledger) -> Iterator[Document]:
    for number, line in enumerate(stream_lines(path, settings.encoding), start=1):
        if line.strip():
            yield parse(line, str(path), number)


class Writer(StreamWriter):
    def write(self, document: Document, entities: Sequence[Entity]) -> None:
        text = document.text.encode("unicode_escape").decode("ascii")
        marks = (f"{entity.start}-{entity.end} {entity.label}" for entity in entities)
        line = io.StringIO()
        csv.writer(line, delimiter=";", lineterminator="\n").writerow(
            [document.id, text, "|".join(marks)]
        )
        self._stream.write(line.getvalue())


def belongs(record: bytes, document: Document) -> bool:
    found = parse(record.decode().removesuffix("\n"), "", 0)
    return (found.id, found.text) == (document.id, document.text)


SEMICOLONS = Format(
    name="semicolons",
    suffixes=(".semi",),
    read=read,
    parse=parse,
    count=count_filled_lines,
    open_writer=Writer,
    resume=partial(WrittenFile, ends=one_line, belongs=belongs),
)
SENTENCES = [
    "1;anna met boris in oslo;0-4 PER|9-14 PER|18-22 LOC",
    "2;the old bank;",
    "",
    "3;clara walks to lima ;0-5 PER|15-20 LOC",
]


@pytest.fixture(scope="module", autouse=True)
def known():
    """Importing the module of a format registers it; here only as long as these tests last."""
    register(SEMICOLONS)
    yield
    del registry._FORMATS["semicolons"]


@pytest.fixture
def line(capsys, monkeypatch, tmp_path) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.semi").write_text("\n".join(SENTENCES) + "\n")
    return CommandLine(capsys, monkeypatch)


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=8))
def test_what_is_written_comes_back(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("semi") / "a.semi"
    document = Document(f"x{text}x", (entity_at(f"x{text}x", 0, len(text) + 2, "A"),), id="i")
    with open_writer("semicolons", path) as writer:
        writer.write(document, document.entities)
    assert list(read_documents(path, ReadSettings(), Ledger())) == [document]


def test_inspect_takes_it_by_its_ending_and_by_its_name(line, tmp_path):
    (tmp_path / "other").write_bytes((tmp_path / "in.semi").read_bytes())
    listed = line("inspect", "in.semi", "--list")
    assert listed.code == 0, listed.stderr
    assert "in.semi trimmed_border 3 LOC 15-20" in " ".join(listed.stdout.split())
    assert line("inspect", "other", "--format", "semicolons").stdout.count("\n") > 10
    refused = line("inspect", "other", "--format", "commas")
    assert refused.code == 2
    assert "input should be 'auto', 'arrow', 'brat'" in refused.stderr
    assert "'parquet', 'prodigy', 'semicolons' or 'spacy', got 'commas'" in refused.stderr


@pytest.mark.long
def test_predict_reads_writes_and_resumes_it(line, tmp_path):
    arguments = ("predict", tiny.exported(), "in.semi", "--format", "semicolons", "--output")
    assert line(*arguments, "out.semi").code == 0
    whole = (tmp_path / "out.semi").read_bytes()
    found = list(read_documents("out.semi", ReadSettings(), Ledger()))
    assert [document.id for document in found] == ["1", "2", "3"]
    expected = [tiny.loaded().batch([document.text])[0] for document in found]
    assert [document.entities for document in found] == [
        tuple(entity_at(document.text, *entity.key) for entity in entities)
        for document, entities in zip(found, expected, strict=True)
    ]
    first_line = whole.index(b"\n") + 1
    for end in (3, first_line + 2):
        (tmp_path / "torn.semi").write_bytes(whole[:end])
        assert line(*arguments, "torn.semi", "--resume").code == 0
        assert (tmp_path / "torn.semi").read_bytes() == whole
    (tmp_path / "torn.semi").write_bytes(whole.replace(b"bank", b"tank"))
    resumed = line(*arguments, "torn.semi", "--resume")
    assert "torn.semi: record 2: expected document '2' of this input" in resumed.stderr
    assert resumed.code == 2


@pytest.mark.long
def test_a_configuration_names_it_and_trains_on_it(tmp_path):
    from rich.console import Console

    from tfner.training.run import train

    (tmp_path / "train").write_text("\n".join(SENTENCES * 4))
    (tmp_path / "dev.semi").write_text("\n".join(SENTENCES))
    encoder = tiny.write_one_layer(tmp_path / "encoder")
    values = {
        "name": "semi",
        "data": {
            "train": str(tmp_path / "train"),
            "dev": str(tmp_path / "dev.semi"),
            "format": "semicolons",
        },
        "encoder": {"checkpoint": str(encoder), "max_length": 16, "overlap": 4},
        "model": {"head": "softmax"},
        "training": {"epochs": 1, "batch_size": 4},
        "export": {"enabled": False},
        "runs_dir": str(tmp_path / "runs"),
        "exports_dir": str(tmp_path / "exports"),
    }
    (tmp_path / "semi.yaml").write_text(yaml.safe_dump(values))
    train(load_settings(tmp_path / "semi.yaml"), Console(file=io.StringIO()))
    report = json.loads((tmp_path / "runs" / "semi" / "report.json").read_text())
    assert report["entity"]["micro"]["support"] == 5
    assert report["data_by_split"] == {"train": {"trimmed_border": 4}, "dev": {"trimmed_border": 1}}
    with pytest.raises(ConfigError, match=r"data\.format: input should be 'auto', .* got 'semi'"):
        load_settings(tmp_path / "semi.yaml", ["data.format=semi"])


@pytest.mark.skipif(find_spec("apache_beam") is None, reason="the extra beam is not installed")
def test_beam_reads_and_writes_it(line, tmp_path):
    with (tmp_path / "in.semi").open("a") as file:
        file.write("4;too;many;columns\n")
    done = line("beam", tiny.exported(), "in.semi", "out", "--format", "semicolons")
    assert done.code == 0, done.stderr
    (part,) = (tmp_path / "out").glob("part-*.semi")
    (refused,) = (tmp_path / "out").glob("refused-*")
    assert "in.semi:5: expected id;text;entities, got 4 columns" in refused.read_text()
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (summary["documents"], summary["blank"], summary["refused"]) == (3, 1, 1)
    (tmp_path / "in.semi").write_text("\n".join(SENTENCES) + "\n")
    line("predict", tiny.exported(), "in.semi", "--format", "semicolons", "--output", "one.semi")
    assert part.read_bytes() == (tmp_path / "one.semi").read_bytes()
