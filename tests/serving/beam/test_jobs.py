"""Jobs of Beam: the records of `predict`, in the input's order, nothing lost without a count."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

pytest.importorskip("apache_beam", reason="apache-beam is not installed: pip install 'tfner[beam]'")

import apache_beam
import tiny
from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.localfilesystem import LocalFileSystem
from apache_beam.options.pipeline_options import PipelineOptions
from beam_jobs import THREADS, lines_of_all_lengths, predicted, run, written
from fake_server import TOY

from tfner.documents import Document
from tfner.exceptions import TfnerError
from tfner.serving.beam import marking, output_files
from tfner.serving.beam.marking import MarkEntities
from tfner.serving.beam.output_files import WriteFiles, write_whole
from tfner.serving.runtime import recognizer as recognizer_module
from tfner.serving.runtime import saved_model

DASK = "apache_beam.runners.dask.dask_runner.DaskRunner"


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
    tests = f"{Path(__file__).parents[3]}{os.pathsep}{Path(tiny.__file__).parent}"
    monkeypatch.setenv("PYTHONPATH", f"{tests}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    source = tmp_path / "in.txt"
    source.write_text("\n".join(lines_of_all_lengths(3000)), encoding="utf-8")
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(processes=True, **options) as cluster:
        address = f"--dask_client_address={cluster.scheduler_address}"
        summary = run(source, tmp_path / "out", [f"--runner={DASK}", address])
    assert summary["documents"] == summary["written"] == 3000
    assert written(tmp_path / "out") == predicted(source, tmp_path / "expected.jsonl")


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
