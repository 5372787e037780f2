"""`tfner.spark` without Spark: what would not work is said before anything starts."""

from __future__ import annotations

import importlib.util
import os
import sys
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'tfner[spark]'")

from tfner import spark as command
from tfner.exceptions import ConfigError, MissingExtraError
from tfner.serving.runtime import worker_process
from tfner.serving.spark import environment, worker
from tfner.serving.spark.environment import require_java, require_packages
from tfner.serving.spark.errors import reason_of


@pytest.fixture
def call(monkeypatch):
    monkeypatch.setattr(command, "require_packages", lambda: None)
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(command.spark)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def java(tmp_path, monkeypatch):
    """Let a script say that it is a Java of some version."""

    def install(says):
        (tmp_path / "bin").mkdir()
        program = tmp_path / "bin" / "java"
        program.write_text(f"#!/bin/sh\necho '{says}' >&2\n")
        program.chmod(0o755)
        monkeypatch.setenv("JAVA_HOME", str(tmp_path))

    return install


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["texts"], "texts: expected a name that ends with .txt, .jsonl or .parquet, or --input-"),
        (["in.txt", "--format", "csv"], "--format: expected one of parquet, jsonl, table, got 'c"),
        (["in.txt", "--input-format", "csv"], "--input-format: expected one of auto, lines, doc"),
        (["in.txt", "--conf", "spark.master"], "--conf: expected KEY=VALUE, got 'spark.master'"),
    ],
)
def test_a_mistake_is_told_before_spark_starts(call, arguments, message):
    done = call("model", arguments[0], "out", *arguments[1:])
    assert type(done.exception) is ConfigError
    assert str(done.exception).startswith(message)


@pytest.mark.parametrize("package", ["pyspark", "pyarrow", "pandas"])
def test_the_extra_is_named_where_a_package_is_missing(monkeypatch, package):
    there = SimpleNamespace(__version__="99.0")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else 1)
    monkeypatch.setattr(environment.importlib, "import_module", lambda name: there)
    with pytest.raises(MissingExtraError, match=rf"{package}.*pip install 'tfner\[spark\]'"):
        require_packages()


def test_an_old_package_is_refused(monkeypatch):
    old = SimpleNamespace(__version__="3.5.1")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: 1)
    monkeypatch.setattr(environment.importlib, "import_module", lambda name: old)
    with pytest.raises(
        ConfigError, match=r"expected pyspark 4 or later for Spark, got 3\.5\.1: pip"
    ):
        require_packages()


@pytest.mark.parametrize(
    ("says", "version"), [('openjdk version "11.0.2" 2019', 11), ('java version "1.8.0_292"', 8)]
)
def test_an_old_java_is_refused(java, says, version):
    java(says)
    with pytest.raises(ConfigError, match=rf"expected Java 17 or later .*, got {version} \(.*apt-"):
        require_java()


def test_a_newer_java_will_do(java):
    java('openjdk version "21.0.1" 2023-10-17')
    require_java()


def test_a_missing_java_is_told_with_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(
        ConfigError, match=r"found none in JAVA_HOME \(.*apt-get install openjdk-17"
    ):
        require_java()
    monkeypatch.delenv("JAVA_HOME")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="found none: apt-get install openjdk-17-jre-headless"):
        require_java()


def test_tensorflow_has_the_threads_of_its_task(monkeypatch):
    names = ("TF_NUM_INTEROP_THREADS", "TF_NUM_INTRAOP_THREADS")
    for processors, expected in [(1, ["1", "1"]), (4, ["4", "1"]), (8, ["8", "8"])]:
        for name in names:
            monkeypatch.delenv(name, raising=False)
        worker_process.limit_threads(processors)
        assert [os.environ[name] for name in names] == expected
    worker_process.limit_threads(2)
    assert [os.environ[name] for name in names] == ["8", "8"]


def test_no_model_is_loaded_for_an_empty_partition(monkeypatch):
    monkeypatch.setattr(worker, "open_model", lambda folder: sys.exit(folder))
    task = worker.Task("model", worker.Columns())
    assert list(worker.mark_partition(task, [])) == []


def test_reasons_are_found_in_stack_traces():
    trace = (
        "Job aborted due to stage failure\n  Traceback (most recent call last):\n"
        '  File "x.py", line 1\ntfner.exceptions.DataError: row {}: expected a text\n\tat org.x\n'
    )
    assert reason_of(RuntimeError(trace)) == "row {}: expected a text"
    caused = (
        "o1.save\n: a.B: Aborted\n\tat x\nCaused by: java.io.IOException: No space left\n\tat y"
    )
    assert reason_of(RuntimeError(caused)) == "No space left"
    assert reason_of(ValueError()) == "ValueError"
