"""The command of `tfner.beam`: flags, mistakes, and file systems that Beam alone knows."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest

pytest.importorskip("apache_beam", reason="apache-beam is not installed: pip install 'tfner[beam]'")

import tiny
import typer
from apache_beam.io.filesystem import CompressionTypes, FileMetadata
from apache_beam.io.localfilesystem import LocalFileSystem
from apache_beam.options.pipeline_options import PipelineOptions
from beam_jobs import THREADS, lines_of_all_lengths, predicted, written
from typer.testing import CliRunner

from tfner import beam as command
from tfner.exceptions import ConfigError, DataError, MissingExtraError, ModelError
from tfner.serving.beam import output_files
from tfner.serving.beam.marking import resolve_model
from tfner.serving.beam.output_files import read_summary


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
