"""`tfner.serving.spark.mark` on a cluster of processes: what `predict` finds, whatever happens."""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor

import many_texts
import pytest
import tiny
from many_texts import SENTENCES, predicted
from subprocesses import call

from tfner.exceptions import ConfigError, DataError, ModelError, TfnerError
from tfner.formats.resume import Nothing
from tfner.formats.settings import ReadSettings
from tfner.formats.writers import open_writer
from tfner.predict import mark as predict
from tfner.predict import read_input

pytestmark = [
    pytest.mark.spark,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
STRING = "key long, text string"


@pytest.fixture(scope="module")
def spark():
    pytest.importorskip("pyspark", reason="pyspark is not installed: pip install 'tfner[spark]'")
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("there is no Java, which Spark needs: apt-get install openjdk-17-jre-headless")
    from spark_cluster import session

    tiny.exported()  # before the workers take the processors
    with session() as opened:
        yield opened


@pytest.fixture(scope="module")
def sentences():
    return many_texts.sentences()


@pytest.fixture(scope="module")
def found(sentences):
    """Find in them what `predict` finds."""
    return dict(enumerate(predicted(sentences)))


def marked(df, model=None, **options):
    from tfner.serving.spark import mark

    return mark(df, str(model or tiny.exported()), **options)


def rows_of(texts):
    return list(enumerate(texts))


def assert_equal(rows, expected):
    many_texts.assert_equal([row.asDict(recursive=True) for row in rows], expected)


def test_all_sentences_have_the_entities_of_predict_and_keep_their_columns(spark, sentences, found):
    from pyspark.sql import functions

    from tfner.serving.spark import Counts

    counts = Counts.of(spark)
    df = spark.createDataFrame(rows_of(sentences), STRING).repartition(6)
    df = df.withColumn("list", functions.array("key", "key"))
    df = df.withColumn("pair", functions.struct("text", "key"))
    df = df.withColumn("when", functions.timestamp_seconds("key"))
    df = df.withColumn("fixed", functions.lit(7))
    answer = marked(df, counts=counts)
    assert answer.columns == [*df.columns, "entities", "error"]
    assert dict(answer.dtypes)["entities"] == (
        "array<struct<start:int,end:int,label:string,score:double,text:string>>"
    )
    rows = answer.collect()
    assert_equal(rows, found)
    assert all(row.error is None and row.fixed == 7 for row in rows)
    assert all(row.list == [row.key] * 2 for row in rows)
    assert all(row.pair.text == row.text == sentences[row.key] for row in rows)
    assert all(row.when.timestamp() == row.key for row in rows)
    total = sum(map(len, found.values()))
    assert total > SENTENCES
    assert [counter.value for counter in counts] == [SENTENCES, 0, total]


def test_a_process_loads_the_model_once_and_has_the_threads_of_its_task(spark, sentences):
    def ask(batches):
        import pyarrow

        from tfner.serving.spark import worker

        for _ in batches:
            pass
        info = worker.open_model.cache_info()
        values = [[info.misses], [info.hits], [worker.task_processors()]]
        yield pyarrow.RecordBatch.from_arrays(values, ["misses", "hits", "processors"])

    df = spark.createDataFrame(rows_of(sentences[:60]), STRING).repartition(8)
    marked(df).collect()
    asked = spark.range(0, 4, 1, 4).mapInArrow(ask, "misses long, hits long, processors long")
    workers = asked.collect()
    assert all(row.misses <= 1 for row in workers)
    assert max(row.hits for row in workers) >= 2
    assert {row.processors for row in workers} == {1}


@pytest.mark.parametrize("kind", ["CoarseGrainedExecutorBackend", "pyspark.daemon"])
def test_a_process_is_killed_half_way_and_nothing_is_lost_or_there_twice(
    spark, sentences, found, tmp_path, kind
):
    from spark_cluster import kill_one, wait_for_tasks

    from tfner.serving.spark import Counts

    counts = Counts.of(spark)
    df = spark.createDataFrame(rows_of(sentences), STRING).repartition(24)
    writer = marked(df, counts=counts).write
    with ThreadPoolExecutor(1) as thread:
        writing = thread.submit(writer.parquet, str(tmp_path / "out"))
        wait_for_tasks(spark, 6)
        kill_one(kind)
        writing.result()
    assert_equal(spark.read.parquet(str(tmp_path / "out")).collect(), found)
    total = sum(map(len, found.values()))
    assert [counter.value for counter in counts] == [SENTENCES, 0, total]


def test_partitions_of_any_size_and_texts_of_any_length(spark, sentences, found):
    draw = random.Random(4)
    texts = [" ".join(draw.choices(tiny.WORDS, k=200_000))[: 1 << 20] for _ in range(2)]
    long = [(SENTENCES + number, text) for number, text in enumerate(texts)]
    rows = rows_of(sentences[:900])
    large = spark.createDataFrame(rows[:-3], STRING).coalesce(1)
    small = spark.createDataFrame(rows[-3:], STRING).coalesce(1)
    empty = spark.createDataFrame([], STRING).repartition(2)
    df = large.union(small).union(empty).union(spark.createDataFrame(long, STRING).coalesce(1))
    expected = {key: found[key] for key, _ in rows}
    expected |= {key: predicted([text])[0] for key, text in long}
    assert_equal(marked(df).collect(), expected)
    assert marked(empty).collect() == []


def test_what_is_no_document_has_a_reason_and_is_counted(spark):
    from tfner.serving.spark import Counts

    df = spark.sql(
        "select * from values (1, 'Anna met Boris'), (2, null), (3, cast(x'41ff' as string)), "
        "(4, repeat('a', 40)), (5, '') as t(key, text)"
    )
    counts = Counts.of(spark)
    answer = marked(df, counts=counts, max_characters=30, error="reason").collect()
    errors = {row.key: row.reason for row in answer}
    assert errors == {
        1: None,
        2: "expected a text, got null",
        3: "expected text in utf-8, got the byte 0xff",
        4: "expected a text of at most 30 characters (max_line), got 40",
        5: None,
    }
    assert [row.key for row in answer if row.entities is None] == [2, 3, 4]
    assert [counts.documents.value, counts.refused.value] == [2, 3]


def test_a_shipped_model_need_not_lie_where_the_workers_are(spark, sentences, found, tmp_path):
    shutil.copytree(tiny.exported(), tmp_path / "model" / "3")
    df = spark.createDataFrame(rows_of(sentences[:40]), STRING)
    answer = marked(df, tmp_path / "model", ship=True)
    shutil.rmtree(tmp_path / "model")
    assert_equal(answer.collect(), {key: found[key] for key in range(40)})


def test_mistakes_are_told_before_the_job_begins(spark, tmp_path, monkeypatch):
    from tfner.serving.spark.environment import require_workers
    from tfner.serving.spark.worker import Columns, Task

    df = spark.range(3).selectExpr("id", "'Anna' as text", "1 as entities")
    cases = [
        ({"text": "body"}, "expected a column body of texts, got the columns id, text, entities"),
        ({"text": "id"}, r"column id: expected texts \(string\), got bigint"),
        ({}, "column entities: the input has it already"),
    ]
    for options, message in cases:
        with pytest.raises(ConfigError, match=message):
            marked(df, **options)
    fine = df.drop("entities")
    interval = fine.selectExpr("*", "make_interval(1) as span")
    with pytest.raises(
        ConfigError, match=r"column span: expected a type that passes through Arrow, got interval"
    ):
        marked(interval)
    with pytest.raises(ModelError, match="no such folder"):
        marked(fine, tmp_path / "none")
    with pytest.raises(ConfigError, match=r"a worker lacks .*: the model /none: pip install"):
        require_workers(spark, Task("/none", Columns()), 1)
    (tmp_path / "tfner.py").write_text("raise ModuleNotFoundError(\"No module named 'tfner'\")")
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\nPYTHONPATH="{tmp_path}:$PYTHONPATH" exec {sys.executable} "$@"\n'
    )
    python.chmod(0o755)
    monkeypatch.setattr(spark.sparkContext, "pythonExec", str(python))
    with pytest.raises(ConfigError, match=r"No module named 'tfner': pip install 'tfner\[spark\]'"):
        marked(fine)
    monkeypatch.setattr(spark.sparkContext, "pythonExec", str(tmp_path / "none"))
    with pytest.raises(ConfigError, match=r"the workers' Python cannot mark: .*none"):
        marked(fine)


@pytest.fixture
def run(spark, tmp_path):
    from tfner.serving.spark.job import Job, run_job

    def run_in_session(source, output="out", **options):
        output = output if options.get("format") == "table" else str(tmp_path / output)
        return run_job(spark, Job(str(tiny.exported()), str(source), output, **options))

    return run_in_session


def test_inputs_and_outputs_of_a_job(spark, tmp_path, run):
    lines = [
        '{"key": 1, "text": "Anna met Boris"}',
        "{",
        '{"key": 2}',
        '{"key": 3, "text": "lund"}',
    ]
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    first = run(tmp_path / "in.jsonl", input_format="jsonl", format="jsonl")
    assert [first["documents"], first["refused"]] == [2, 2]
    (part,) = (tmp_path / "out").glob("part-*.json")
    records = [json.loads(line) for line in part.read_text().splitlines()]
    entities = predicted(["Anna met Boris", "lund"])
    good = [record for record in records if "error" not in record]
    assert [record["key"] for record in good] == [1, 3]
    assert [record["entities"] for record in good] == entities
    assert [record["error"] for record in records if "error" in record] == [
        "expected an object of JSON, got '{'",
        "expected a text, got null",
    ]
    with pytest.raises(DataError, match=r"in\.jsonl: row .*: expected an object of JSON, got '\{'"):
        run(tmp_path / "in.jsonl", "strict", input_format="jsonl", strict=True)
    assert not (tmp_path / "strict" / "_SUCCESS").exists()

    found = spark.createDataFrame([(1, "Anna met Boris"), (2, "lund")], "key int, body string")
    found.write.parquet(str(tmp_path / "in.parquet"))
    found.createOrReplaceTempView("texts")
    for source, input_format in ((tmp_path / "in.parquet", "parquet"), ("texts", "table")):
        counted = run(source, input_format, input_format=input_format, text="body", partitions=3)
        assert counted["documents"] == 2
        written = spark.read.parquet(str(tmp_path / input_format)).orderBy("key").collect()
        assert [[e.asDict() for e in row.entities] for row in written] == entities
    with pytest.raises(ConfigError, match="already exists"):
        run("texts", "table", input_format="table", text="body")
    with pytest.raises(DataError, match=r"none: .*Path does not exist"):
        run(tmp_path / "none", input_format="parquet")
    with pytest.raises(DataError, match=r"no_table: .*cannot be found"):
        run("no_table", input_format="table")

    (tmp_path / "a.txt").write_text("Anna met\r\nBoris\r\n", newline="")
    run(tmp_path / "a.txt", "whole", input_format="document")
    (whole,) = spark.read.parquet(str(tmp_path / "whole")).collect()
    assert whole.text == "Anna met\r\nBoris\r\n"
    assert whole.file.endswith("/a.txt")


def test_a_job_that_fails_says_why(tmp_path, run, monkeypatch):
    from tfner.serving.spark import job

    def broken(df, *arguments, **options):
        return df.selectExpr("raise_error('the disk is full') as text")

    monkeypatch.setattr(job, "mark", broken)
    (tmp_path / "in.txt").write_text("Anna\n")
    with pytest.raises(TfnerError, match=r"did not come to its end: .*the disk is full.*complete"):
        run(tmp_path / "in.txt", input_format="lines")


def test_the_command_writes_what_predict_writes(spark, sentences, tmp_path):
    """One partition is read in the order of its file, so even the last digits are the same."""
    lines = [*sentences[:1500], "", " x\r", "東京 anna\u2028boris\x0b"]
    source = tmp_path / "in.txt"
    source.write_bytes("\n".join(lines).encode())
    with open_writer("jsonl", tmp_path / "expected.jsonl") as writer:
        documents = read_input(str(source), "auto", ReadSettings())
        predict(tiny.loaded(), documents, writer, Nothing())
    expected = (tmp_path / "expected.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
    arguments = [str(tiny.exported()), str(source), str(tmp_path / "out"), "--format", "jsonl"]
    settings = ["--master", "local[1]", "--conf", "spark.ui.enabled=false"]
    done = call("tfner.spark", *arguments, *settings)
    assert done.returncode == 0, done.stderr
    assert f"documents: {len(lines):,}, entities: " in done.stderr
    (part,) = (tmp_path / "out").glob("part-*.json")
    written = part.read_text(encoding="utf-8").split("\n")[:-1]
    kept = ("text", "entities")
    assert [[json.loads(line)[name] for name in kept] for line in written] == [
        [json.loads(line)[name] for name in kept] for line in expected
    ]
