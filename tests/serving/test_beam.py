"""`tfner.beam` on DirectRunner.

The records of `predict`, in the input's order, whatever the runner does; nothing lost without a
count.
"""

from __future__ import annotations

import bz2
import errno
import functools
import gzip
import importlib.util
import json
import lzma
import os
import random
import shutil
from pathlib import Path

import pytest

pytest.importorskip("apache_beam", reason="apache-beam is not installed: pip install 'tfner[beam]'")

import apache_beam
import tiny
import typer
from apache_beam.io.filesystem import BeamIOError, CompressionTypes, FileMetadata
from apache_beam.io.localfilesystem import LocalFileSystem
from apache_beam.options.pipeline_options import PipelineOptions
from fake_server import TOY
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from tfner import beam as command
from tfner.documents import Document
from tfner.exceptions import ConfigError, DataError, MissingExtraError, ModelError, TfnerError
from tfner.formats.plain import read_line_file
from tfner.formats.resume import Nothing
from tfner.formats.settings import ReadSettings
from tfner.formats.writers import open_writer
from tfner.predict import mark, read_input
from tfner.serving.beam import marking, output_files, sources
from tfner.serving.beam.entries import Reading, read_blocks
from tfner.serving.beam.marking import MarkEntities, resolve_model
from tfner.serving.beam.output_files import WriteFiles, read_summary, write_whole
from tfner.serving.beam.pipeline import Job, run_job
from tfner.serving.beam.sources import FileGroup, cut_groups
from tfner.serving.runtime import recognizer as recognizer_module
from tfner.serving.runtime import saved_model
from tfner.serving.runtime.saved_model import load_recognizer

READING = Reading()
DASK = "apache_beam.runners.dask.dask_runner.DaskRunner"
THREADS = ["--direct_num_workers=2", "--direct_running_mode=multi_threading"]


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(recognizer_module, "DOCUMENTS_IN_BLOCK", 12)
    monkeypatch.setattr(recognizer_module, "CHARACTERS_IN_BLOCK", 3000)
    monkeypatch.setattr(marking, "BLOCKS_IN_FILE", 3)


@pytest.fixture(autouse=True)
def model_in_hand(request, monkeypatch, caplog):
    """Loading takes longer than most tests here; those of the loading itself ask for `loads`."""
    caplog.set_level("CRITICAL", logger="apache_beam")
    if "loads" not in request.fixturenames:
        model = tiny.loaded()
        monkeypatch.setattr(saved_model, "load_recognizer", lambda path: model)


@pytest.fixture
def loads(monkeypatch):
    """The folders that models are loaded from; the first is, and serves for all."""
    folders = []
    load = functools.cache(lambda: load_recognizer(folders[0]))
    monkeypatch.setattr(
        saved_model, "load_recognizer", lambda path: folders.append(str(path)) or load()
    )
    return folders


def lines_of_all_lengths(count: int = 90) -> list[str]:
    draw = random.Random(5)
    strange = [
        "",
        " ",
        "\t\u00a0",
        "東京 anna\u2028boris\x0b\x1c",
        "e\u0301A\u0301 👩🏽‍🚀 Åse",
        "[SEP] <b>acme</b>",
        "\x85lund\x00",
    ]
    strange.append("x" * 900)
    texts = [
        " ".join(draw.choices(tiny.WORDS, k=draw.choice([1, 2, 5, 9, 30, 200])))
        for _ in range(count - len(strange))
    ]
    return [*texts[:20], *strange, *texts[20:]]


def run(source: str | Path, folder: Path, flags: list[str] | None = None, **options) -> dict:
    reading = Reading(options.pop("input_format", "auto"))
    return run_job(
        Job(str(tiny.exported()), str(source), str(folder), reading, **options), flags or []
    )


def written(folder: Path, kind: str = "part") -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.glob(f"{kind}-*")))


def records(folder: Path, kind: str = "part") -> list[dict]:
    return [json.loads(line) for line in written(folder, kind).split(b"\n")[:-1]]


def predicted(source: Path, to: Path, format: str = "jsonl") -> bytes:
    """What `predict` writes to a file."""
    with open_writer(format, to) as writer:
        mark(
            tiny.loaded(),
            read_input(str(source), "auto", ReadSettings()),
            writer,
            Nothing(),
        )
    return to.read_bytes()


@pytest.mark.parametrize("flags", [[], THREADS], ids=["one worker", "two workers"])
@pytest.mark.parametrize("format", ["jsonl", "columns", "text"])
def test_the_output_is_that_of_predict_byte_for_byte(tmp_path, small_blocks, flags, format):
    if flags and format != "jsonl":
        pytest.skip("the workers are the same for all formats")
    source = tmp_path / "in.txt"
    source.write_bytes(
        ("\ufeff" + "\n".join(lines_of_all_lengths()).replace("\nanna", "\r\nanna")).encode()
    )
    summary = run(source, tmp_path / "out", flags, format=format)
    assert written(tmp_path / "out") == predicted(source, tmp_path / "expected", format=format)
    assert len(list((tmp_path / "out").glob("part-*"))) > 2
    assert summary["documents"] == summary["marked"] == summary["written"] == 90
    assert summary["entities"] > 300


@pytest.mark.slow
def test_processes_of_their_own_give_the_same(tmp_path, pytestconfig):
    if "slow" not in pytestconfig.getoption("markexpr"):
        pytest.skip("two more processes load TensorFlow: ask for it with -m slow")
    source = tmp_path / "in.txt"
    source.write_text("\n".join(lines_of_all_lengths(3000)), encoding="utf-8")
    run(
        source,
        tmp_path / "out",
        ["--direct_num_workers=2", "--direct_running_mode=multi_processing"],
    )
    assert written(tmp_path / "out") == predicted(source, tmp_path / "expected.jsonl")


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_dask_gives_the_same_in_two_processes(tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed", reason="Dask is not installed")
    tests = f"{Path(__file__).parents[2]}{os.pathsep}{Path(tiny.__file__).parent}"
    monkeypatch.setenv("PYTHONPATH", f"{tests}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    source = tmp_path / "in.txt"
    source.write_text("\n".join(lines_of_all_lengths(3000)), encoding="utf-8")
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(processes=True, **options) as cluster:
        address = f"--dask_client_address={cluster.scheduler_address}"
        summary = run(source, tmp_path / "out", [f"--runner={DASK}", address])
    assert summary["documents"] == summary["written"] == 3000
    assert written(tmp_path / "out") == predicted(source, tmp_path / "expected.jsonl")


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
    """In other company the last digits of a score are others."""
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


def test_an_input_without_a_document_has_a_summary(tmp_path):
    (tmp_path / "in.jsonl").write_text("\n \n")
    summary = run(tmp_path / "in.jsonl", tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["summary.json"]
    assert [summary[name] for name in ("files", "documents", "blank", "written")] == [1, 0, 2, 0]


def test_the_model_is_loaded_once_in_a_process(tmp_path, small_blocks, monkeypatch):
    loads, model = [], tiny.loaded()
    monkeypatch.setattr(
        saved_model, "load_recognizer", lambda path: loads.append(str(path)) or model
    )
    (tmp_path / "in.txt").write_text("\n".join(lines_of_all_lengths()), encoding="utf-8")
    run(tmp_path / "in.txt", tmp_path / "out", THREADS)
    assert loads == [str(tiny.exported())]


def test_keyed_texts_of_any_pipeline_get_their_entities(tmp_path):
    texts = [*lines_of_all_lengths(40), Document.from_words(["Anna", "met"])]
    expected = list(
        tiny.loaded().documents(
            text if isinstance(text, Document) else Document(text) for text in texts
        )
    )
    found = []
    with apache_beam.Pipeline(options=PipelineOptions([], allow_unsafe_triggers=True)) as pipeline:
        marked = (
            pipeline
            | apache_beam.Create(list(enumerate(texts)))
            | MarkEntities(str(tiny.exported()))
        )
        _ = marked | apache_beam.Map(lambda pair: append_json(tmp_path / "found", pair))
    found = sorted(json.loads(line) for line in (tmp_path / "found").read_text().splitlines())
    assert [key for key, _ in found] == list(range(len(texts)))
    assert [marks for _, marks in found] == [
        [list(entity.key) for entity in entities] for entities in expected
    ]


def append_json(path: Path, pair: tuple) -> None:
    with path.open("a") as file:
        file.write(json.dumps([pair[0], [list(entity.key) for entity in pair[1]]]) + "\n")


# Faults -------------------------------------------------------------------------------------------


def test_documents_of_a_collection_which_has_no_order_are_read_each_by_itself():
    asked = []

    def ask_texts(texts):
        asked.extend(texts)
        return TOY._ask_texts(texts)

    card = {"context": "document"}
    keyed = marking.MarkKeyed("unused")
    keyed._recognizer = recognizer_module.Recognizer(ask_texts, TOY._ask_words, card)
    batch = [(name, Document(f"{name} left", group="same")) for name in ("Anna", "Bo")]
    found = dict(keyed.process(batch))
    assert sorted(asked) == [b"Anna left", b"Bo left"]
    assert [found[name][0].text for name in ("Anna", "Bo")] == ["Anna", "Bo"]


def test_a_part_appears_whole_or_not_at_all_and_again_as_the_same(tmp_path, monkeypatch):
    blocks = [marking.Marked(number, b"%d\n" % number, b"", {"marked": 1}) for number in (2, 0, 1)]
    for _ in range(2):
        (tally,) = WriteFiles(str(tmp_path), "jsonl").process(((3, 1), iter(blocks)))
        assert tally == {"marked": 3, "written": 3}
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
            "part-000003-000001.jsonl": b"0\n1\n2\n"
        }

    def full(self, source, target):
        raise BeamIOError("no space left")

    monkeypatch.setattr(LocalFileSystem, "rename", full)
    with pytest.raises(BeamIOError):
        write_whole(str(tmp_path), "part-000003-000001.jsonl", b"other")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "part-000003-000001.jsonl": b"0\n1\n2\n"
    }


def test_a_job_that_fails_says_so_and_has_no_summary(tmp_path, monkeypatch):
    def full(folder, name, content):
        raise OSError(errno.ENOSPC, "No space left on device", f"{folder}/{name}")

    monkeypatch.setattr(output_files, "write_whole", full)
    (tmp_path / "in.txt").write_text("Anna\n")
    with pytest.raises(
        TfnerError,
        match=r"the pipeline did not come to its end: .*No space left on device.*part-000000",
    ):
        run(tmp_path / "in.txt", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_document_that_was_read_and_not_written_is_an_error(tmp_path, monkeypatch):
    whole = marking.MarkBlocks._write
    monkeypatch.setattr(
        marking.MarkBlocks, "_write", lambda self, marked: whole(self, list(marked)[1:])
    )
    (tmp_path / "in.txt").write_text("Anna\nBoris\n")
    with pytest.raises(
        TfnerError,
        match=r"expected every document that was read to be written, got .*'documents': "
        r"2.*'written': 1",
    ):
        run(tmp_path / "in.txt", tmp_path / "out")


# The command --------------------------------------------------------------------------------------


@pytest.fixture
def call():
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(command.beam)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_command_passes_flags_on_and_tells_what_was_refused(tmp_path, call, monkeypatch):
    (tmp_path / "in.txt").write_bytes(b"Anna\n\xff\n")
    done = call(tiny.exported(), tmp_path / "in.txt", tmp_path / "out", "--strict", "--", *THREADS)
    assert isinstance(done.exception, DataError)
    assert str(done.exception) == f"refused: 1, told in {tmp_path}/out/refused-*.jsonl"
    assert read_summary(str(tmp_path / "out"))["written"] == 1
    given = []
    nothing = dict.fromkeys(output_files.COUNTED, 0)
    monkeypatch.setattr(
        "tfner.serving.beam.pipeline.run_job",
        lambda job, flags: given.append((job, flags)) or nothing,
    )
    flags = ["--runner=FlinkRunner", "--flink_master=localhost:8081"]
    assert (
        call(tiny.exported().parent, tmp_path / "in.txt", tmp_path / "new", "--", *flags).exit_code
        == 0
    )
    assert given[0][1] == flags
    assert given[0][0].version == str(tiny.exported())


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["none", "in.txt", "out"], ModelError, "none: no such folder"),
        (["run", "in.txt", "out"], ModelError,
         "run: expected an exported model, got the folder of a run: export it with python -m"),
        (["MODEL", "none.txt", "out"], DataError, "none.txt: no such file"),
        (["MODEL", "*.md", "out"], DataError, "*.md: no such file"),
        (["MODEL", "run", "out"], DataError, "run: expected .txt files in this folder, found none"),
        (["MODEL", "in.conll", "out"], ConfigError,
         "in.conll: expected one of the formats document, jsonl, lines, got what"),
        (["MODEL", "in.txt", "run"], ConfigError,
         "run: expected a new or empty folder for the output, got one with "),
        (["MODEL", "in.txt", "out", "--format", "brat"], ConfigError,
         "--format: expected one of columns, doccano, jsonl, prodigy, text, got 'brat'"),
        (["MODEL", "in.txt", "out", "--input-format", "json"], ConfigError,
         "--input-format: expected one of auto, document, jsonl, lin"),
        (["MODEL", "in.txt", "out", "--place", "--format", "text"], ConfigError,
         "--place: expected --format jsonl"),
        (["MODEL", "in.txt", "out", "--encoding", "utf-16"], ConfigError,
         "encoding: expected one in which a line ends with the byte 0x0A"),
        (["MODEL", "in.txt", "out", "more"], ConfigError,
         "expected flags of Beam's behind OUTPUT and --, got 'more'"),
        (["MODEL", "gs://bucket/*.txt", "out"], ConfigError, "gs://bucket/*.txt: "),
        (["gs://bucket/model", "in.txt", "out"], ConfigError, "gs://bucket/model: "),
        (["MODEL", "in.txt", "gs://bucket/out"], ConfigError, "gs://bucket/out: "),
    ],
)  # fmt: skip
def test_a_mistake_is_told_before_anything_runs(
    tmp_path, monkeypatch, call, arguments, error, message
):
    monkeypatch.chdir(tmp_path)
    Path("in.txt").write_text("Anna\n")
    Path("in.conll").write_text("Anna\n")
    Path("run").mkdir()
    Path("run/config.yaml").write_text("")
    monkeypatch.setattr("tfner.serving.beam.sources.FileSystems.get_filesystem", without_google)
    done = call(
        *(str(tiny.exported()) if argument == "MODEL" else argument for argument in arguments)
    )
    assert type(done.exception) is error
    assert str(done.exception).removeprefix(f"{tmp_path}/").startswith(message)
    assert not Path("out").exists()


def without_google(path):
    if path.startswith("gs://"):
        raise ValueError(f"Unable to get filesystem from specified path {path}")
    return LocalFileSystem(PipelineOptions([]))


def test_the_extra_is_named_where_it_is_missing(monkeypatch, call):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "apache_beam" else find(name)
    )
    done = call("model", "in", "out")
    assert isinstance(done.exception, MissingExtraError)
    assert "pip install 'tfner[beam]'" in str(done.exception)


# Other file systems -------------------------------------------------------------------------------


class FarFileSystem(LocalFileSystem):
    """`far://…` is a folder here, seen only through Beam."""

    root: Path

    @classmethod
    def scheme(cls):
        return "far"

    def here(self, path):
        return str(self.root / path.removeprefix("far://"))

    def join(self, basepath, *paths):
        return "/".join((basepath.rstrip("/"), *paths))

    def split(self, path):
        head, _, tail = path.rpartition("/")
        return head, tail

    def _list(self, dir_or_prefix):
        for file in super()._list(self.here(dir_or_prefix)):
            yield FileMetadata(
                f"far://{Path(file.path).relative_to(self.root)}",
                file.size_in_bytes,
                file.last_updated_in_seconds,
            )

    def exists(self, path):
        return super().exists(path if path.startswith("/") else self.here(path))

    def metadata(self, path):
        return FileMetadata(path, super().metadata(self.here(path)).size_in_bytes)

    def create(self, path, mime_type="", compression_type=CompressionTypes.AUTO):
        return super().create(self.here(path), mime_type, compression_type)

    def open(self, path, mime_type="", compression_type=CompressionTypes.AUTO):
        return super().open(self.here(path), mime_type, compression_type)

    def rename(self, source_file_names, destination_file_names):
        super().rename(
            [*map(self.here, source_file_names)], [*map(self.here, destination_file_names)]
        )


def test_model_input_and_output_may_lie_in_any_file_system_of_beam_s(
    tmp_path, call, monkeypatch, loads
):
    monkeypatch.setattr(FarFileSystem, "root", tmp_path, raising=False)
    for version in ("9", "10"):
        shutil.copytree(tiny.exported(), tmp_path / "models" / "ner" / version)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("\n".join(lines_of_all_lengths(30)), encoding="utf-8")
    assert resolve_model("far://models/ner/") == "far://models/ner/10"
    assert resolve_model("far://models/ner/9") == "far://models/ner/9"
    with pytest.raises(
        ModelError,
        match="far://models: expected a SavedModel or numbered versions of one, found neither",
    ):
        resolve_model("far://models")
    done = call("far://models/ner", "far://in/*.txt", "far://out/new/")
    assert done.exception is None
    (folder,) = loads
    assert not folder.startswith(str(tmp_path))
    assert written(tmp_path / "out" / "new") == predicted(
        tmp_path / "in" / "a.txt", tmp_path / "expected.jsonl"
    )
    done = call("far://models/ner", "far://in/*.txt", "far://out/new")
    assert isinstance(done.exception, ConfigError)


def test_an_existing_file_is_itself_whatever_its_name(tmp_path):
    (tmp_path / "a[1].txt").write_text("x")
    (tmp_path / "a1.txt").write_text("x")
    assert [file.path for file in sources.list_files(f"{tmp_path}/a[1].txt")] == [
        f"{tmp_path}/a[1].txt"
    ]
    assert [file.path for file in sources.list_files(f"{tmp_path}/a[0-9].txt")] == [
        f"{tmp_path}/a1.txt"
    ]
