"""Beam reads what `predict` reads, of many files, and refuses the rest with its place."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import random

import pytest

pytest.importorskip("apache_beam", reason="apache-beam is not installed: pip install 'tfner[beam]'")

from apache_beam.io.filesystem import FileMetadata
from beam_jobs import THREADS, lines_of_all_lengths, predicted, records, run, written
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tfner.documents import Document
from tfner.formats.plain import read_line_file
from tfner.formats.settings import ReadSettings
from tfner.serving.beam import output_files, sources
from tfner.serving.beam.entries import Reading, read_blocks
from tfner.serving.beam.sources import FileGroup, cut_groups

READING = Reading()


def test_records_of_jsonl_are_those_of_predict_and_what_is_none_is_counted(tmp_path, small_blocks):
    good = [
        {
            "id": "a1",
            "text": "Anna met Boris",
            "entities": [{"start": 0, "end": 4, "label": "PER"}],
        },
        {"tokens": ["Acme", "", "founded", "東京"], "tags": ["B-ORG", "O", "O", "I-LOC"]},
        {"text": "one  two", "tokens": ["one", "two"]},
        ["volta in lund", {"entities": []}],
        {"data": {"text": "clara"}, "id": 7},
        {"text": "", "id": "empty"},
    ]
    (tmp_path / "good.jsonl").write_text(
        "\n\n".join(json.dumps(record) for record in good), encoding="utf-8"
    )
    rejected = json.dumps({"text": "no", "answer": "reject"})
    lines = [
        *map(json.dumps, good),
        "",
        "{",
        '{"none": 1}',
        '{"text": "\\ud83d"}',
        rejected,
        "7",
        "[" * 100_000,
    ]
    (tmp_path / "mixed.jsonl").write_bytes("\n".join(lines).encode() + b'\n{"text": "\xff"}\n')
    assert run(tmp_path / "good.jsonl", tmp_path / "out")["blank"] == 5
    assert written(tmp_path / "out") == predicted(
        tmp_path / "good.jsonl", tmp_path / "expected.jsonl"
    )

    summary = run(tmp_path / "mixed.jsonl", tmp_path / "mixed")
    assert [record["text"] for record in records(tmp_path / "mixed")] == [
        record["text"] for record in records(tmp_path / "out")
    ]
    assert [summary[name] for name in ("documents", "refused", "blank", "skipped")] == [6, 6, 1, 1]
    refused = records(tmp_path / "mixed", "refused")
    assert [entry["line"] for entry in refused] == [8, 9, 10, 12, 13, 14]
    assert all(
        entry["error"].startswith(f"{tmp_path}/mixed.jsonl:{entry['line']}") for entry in refused
    )
    assert [entry["text"][:11] for entry in refused] == [
        "{",
        '{"none": 1}',
        '{"text": "\\',
        "7",
        "[" * 11,
        '{"text": "\ufffd',
    ]


def test_many_files_are_read_together_and_written_in_the_order_of_their_paths(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(sources, "CHARACTERS_IN_BLOCK", 400)
    expected = {}
    for number in range(12):
        folder = tmp_path / "in" / f"{number % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{number:02}[x].txt"
        path.write_text(
            "\n".join(lines_of_all_lengths(50)[number : number + number % 4 * 3]), encoding="utf-8"
        )
        expected[str(path)] = predicted(path, tmp_path / "expected.jsonl")
    summary = run(tmp_path / "in" / "*" / "*.txt", tmp_path / "out", THREADS, position=True)
    found = records(tmp_path / "out")
    assert [(record.pop("file"), record.pop("line")) for record in found] == [
        (path, line + 1) for path in sorted(expected) for line in range(expected[path].count(b"\n"))
    ]
    assert found == [
        approximately(json.loads(line))
        for path in sorted(expected)
        for line in expected[path].splitlines()
    ]
    assert summary["files"] == 12
    assert len({path.name.split("-")[1] for path in (tmp_path / "out").glob("part-*")}) > 3


def approximately(record: dict) -> dict:
    """Allow for the last digits of a score, which are others in other company."""
    marks = [
        {**entity, "score": pytest.approx(entity["score"], abs=2e-6)}
        for entity in record["entities"]
    ]
    return {**record, "entities": marks}


def test_a_folder_is_one_of_documents(tmp_path):
    folder = tmp_path / "in [a]"
    folder.mkdir()
    for name, text in [
        ("b.txt", "Anna met\r\nBoris\n"),
        ("a.txt", "\ufeffacme"),
        ("c.md", "no"),
        ("d.txt", ""),
    ]:
        (folder / name).write_bytes(text.encode())
    (folder / "e.txt").write_bytes(b"lund\n\nkiev \xff")
    summary = run(folder, tmp_path / "out", input_format="document")
    (refused,) = records(tmp_path / "out", "refused")
    assert refused["error"] == f"{folder}/e.txt:3: expected text in utf-8, got the byte 0xff"
    (folder / "e.txt").unlink()
    assert records(tmp_path / "out") == [
        approximately(json.loads(line))
        for line in predicted(folder, tmp_path / "x").split(b"\n")[:-1]
    ]
    assert [summary[name] for name in ("files", "documents", "refused")] == [4, 3, 1]


@pytest.mark.parametrize(
    ("suffix", "compress"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".XZ", lzma.compress)]
)
def test_compressed_files_are_read_and_a_damaged_one_is_refused_from_there_on(
    tmp_path, suffix, compress
):
    content = "".join(f"{random.Random(line).random()}\n" for line in range(20_000)).encode()
    path = tmp_path / f"in.txt{suffix}"
    path.write_bytes(compress(content))
    whole = [
        entry
        for block in read_blocks(FileGroup(0, (str(path),)), READING)
        for entry in block.entries
    ]
    assert [entry.text for entry in whole] == content.decode().split("\n")[:-1]
    assert whole[-1].document == Document(whole[-1].text, id="in.txt:20000")
    for damaged in (compress(content)[:100_000], compress(content)[:-1], b"no archive"):
        path.write_bytes(damaged)
        blocks = list(read_blocks(FileGroup(0, (str(path),)), READING))
        read = [entry for block in blocks for entry in block.entries]
        assert [entry.text for entry in read[:-1]] == content.decode().split("\n")[: len(read) - 1]
        assert (read[-1].document, read[-1].line) == (None, 0)
        assert read[-1].error.startswith(f"{path}: cannot be read")
        assert sum(block.tally.get("refused", 0) for block in blocks) == 1


def test_what_is_no_text_is_refused_and_the_rest_is_read(tmp_path):
    (tmp_path / "a.conll").write_text("Anna\n")
    (tmp_path / "b.txt").mkdir()
    (tmp_path / "c.txt").write_bytes(
        b"1\n" + b"2" * 11 + b"\n" + "é".encode() * 10 + b"\r\n\n" + b"5" * 5000 + b"\n\xff6\n7"
    )
    paths = (*(f"{tmp_path}/{name}" for name in ("a.conll", "b.txt", "c.txt", "gone.txt")),)
    (block,) = read_blocks(FileGroup(4, paths), READING._replace(max_line=10))
    assert [entry.document.text for entry in block.entries if entry.document] == [
        "1",
        "é" * 10,
        "",
        "7",
    ]
    assert [
        entry.error.removeprefix(f"{tmp_path}/") for entry in block.entries if not entry.document
    ] == [
        "a.conll: expected one of the formats document, jsonl, lines, got what its name says is "
        "columns",
        "b.txt: cannot be read: Is a directory",
        "c.txt:2: expected a line of at most 10 characters (max_line), got a longer one",
        "c.txt:5: expected a line of at most 10 characters (max_line), got a longer one",
        "c.txt:6: expected text in utf-8, got the byte 0xff",
        "gone.txt: cannot be read: No such file or directory",
    ]
    assert (block.group, block.number, block.tally) == (
        4,
        0,
        {"files": 4, "refused": 6, "documents": 4},
    )
    (block,) = read_blocks(
        FileGroup(0, (f"{tmp_path}/c.txt",)), READING._replace(input_format="document", max_file=10)
    )
    assert [entry.error for entry in block.entries] == [
        f"{tmp_path}/c.txt: expected at most 10 bytes (max_file), got more"
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(
            st.text(alphabet="aé\r\u2028\ufeff\x85 ", max_size=6).map(str.encode),
            st.binary(max_size=4),
        ),
        max_size=40,
    )
)
def test_every_line_is_a_document_or_refused_and_read_as_predict_reads_it(tmp_path_factory, lines):
    path = tmp_path_factory.getbasetemp() / "lines.txt"
    path.write_bytes(b"\n".join(lines))
    blocks = list(read_blocks(FileGroup(0, (str(path),)), READING))
    tally = output_files.add_tallies(block.tally for block in blocks)
    content = path.read_bytes()
    count = content.count(b"\n") + bool(content and not content.endswith(b"\n"))
    assert tally.pop("files") == 1
    assert sum(tally.values()) == count == sum(len(block.entries) for block in blocks)
    if "refused" not in tally:
        assert [entry.document for block in blocks for entry in block.entries] == list(
            read_line_file(path, ReadSettings())
        )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 900), max_size=60))
def test_groups_hold_every_file_once_in_order_and_no_more_than_they_may(sizes):
    files = [FileMetadata(str(place), size) for place, size in enumerate(sizes)]
    whole = sources.CHARACTERS_IN_BLOCK
    try:
        sources.CHARACTERS_IN_BLOCK = 1000
        groups = list(cut_groups(files))
    finally:
        sources.CHARACTERS_IN_BLOCK = whole
    assert [path for group in groups for path in group.paths] == [file.path for file in files]
    assert [group.number for group in groups] == list(range(len(groups)))
    assert all(
        len(group.paths) == 1 or sum(sizes[int(path)] for path in group.paths) <= 1000
        for group in groups
    )


def test_an_existing_file_is_itself_whatever_its_name(tmp_path):
    (tmp_path / "a[1].txt").write_text("x")
    (tmp_path / "a1.txt").write_text("x")
    assert [file.path for file in sources.list_files(f"{tmp_path}/a[1].txt")] == [
        f"{tmp_path}/a[1].txt"
    ]
    assert [file.path for file in sources.list_files(f"{tmp_path}/a[0-9].txt")] == [
        f"{tmp_path}/a1.txt"
    ]
