"""Hold back what no input may bring about.

A connection, code of its own, an output that is lost, memory without bound.
"""

from __future__ import annotations

import ast
import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import tiny
from command_line import refused

import tfner

PACKAGE = Path(tfner.__file__).parent
RUN_CODE = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "jsonpickle"}
BUILT_IN = {"eval", "exec", "compile", "__import__", "execfile"}
METHODS = {
    "unsafe_load",
    "full_load",
    "load_module",
    "system",
    "popen",
    "enable_unsafe_deserialization",
}


def test_no_module_reads_pickles_or_runs_text():
    """By the syntax of every file of the package."""
    found = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found += [(path.name, name) for name in names if name.partition(".")[0] in RUN_CODE]
            if isinstance(node, ast.Call):
                called = node.func.id if isinstance(node.func, ast.Name) else ""
                method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
                switches = {
                    word.arg
                    for word in node.keywords
                    if not (isinstance(word.value, ast.Constant) and word.value.value is False)
                }
                if (
                    called in BUILT_IN
                    or method in METHODS
                    or switches & {"trust_remote_code", "allow_pickle", "shell"}
                ):
                    found.append((path.name, node.lineno))
    assert found == []


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError(f"a connection was asked for: {arguments}")

    for name in ("connect", "connect_ex", "sendto", "bind", "listen"):
        monkeypatch.setattr(socket.socket, name, refuse, raising=True)
    for name in ("getaddrinfo", "gethostbyname", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)


@pytest.mark.usefixtures("no_network")
def test_local_folders_ask_for_no_connection(shop, line):
    shop.checkpoint()
    shop.export()
    shop.file("in.txt", "anna met boris\n")
    assert line("inspect", "dev.conll", "--encoder", "checkpoint").code == 0
    assert line("predict", "model", "in.txt", "-o", "out.jsonl").code == 0
    assert line("evaluate", "model", "dev.conll", "--html", "report.html").code == 0
    refused(
        line("train", "run.yaml", "encoder.checkpoint=./none"),
        "encoder.checkpoint: no such folder: ./none",
    )


@pytest.mark.usefixtures("no_network")
def test_weights_of_either_kind_ask_for_no_connection(tmp_path):
    from tfner.model.encoders.bert import build_bert
    from tfner.model.encoders.bert_checkpoint import build_tf_bert

    encoder = build_tf_bert(tiny.checkpoint(), pretrained=True)
    tiny.write_checkpoint(
        tmp_path,
        None,
        auto_map={"AutoModel": "someone/evil--modeling.Model"},
        _name_or_path="someone/evil",
    )
    encoder.save_weights(tmp_path / "tf_model.h5")
    assert build_bert(tmp_path, pretrained=True).bert.count_params() == encoder.count_params()


def test_a_bad_line_costs_nothing_before_it_and_the_rest_is_resumed(shop, line):
    shop.export()
    texts = [f"anna met boris {number}" for number in range(1500)]
    good = [json.dumps({"text": text}) for text in texts]
    shop.file("in.jsonl", "\n".join([*good[:1400], '{"text": ' + "[" * 100_000, *good[1400:]]))
    result = line("predict", "model", "in.jsonl", "-o", "out.jsonl")
    said = result.stderr.splitlines()[-1]  # behind the progress of a slow machine
    assert said == "error: in.jsonl:1401:509: not valid JSON: nested more than 500 deep"
    assert result.code == 2
    written = Path("out.jsonl").read_text().splitlines()
    assert [json.loads(record)["text"] for record in written] == texts[: len(written)]
    assert len(written) == 1024  # whole blocks of documents
    shop.file("in.jsonl", "\n".join(good))
    assert line("predict", "model", "in.jsonl", "-o", "out.jsonl", "--resume").code == 0
    assert [
        json.loads(record)["text"] for record in Path("out.jsonl").read_text().splitlines()
    ] == texts


EARLIER = [
    ("a model that is none", ["none", "in.txt"], "none: no such folder"),
    ("an input that is none", ["model", "none.txt"],
     "none.txt: cannot be read: No such file or directory"),
    ("an input that cannot be read", ["model", "bad.jsonl"],
     "bad.jsonl:1:2: not valid JSON: expecting property name enclosed in double quotes"),
    ("a line that is too long", ["model", "in.txt", "--max-line", "3"],
     "in.txt:1: expected a line of at most 3 characters (max_line), got a longer one: 'anna '"),
    ("a document that is too large",
     ["model", "in.txt", "--input-format", "document", "--max-file", "3"],
     "in.txt: cannot be read: expected at most 3 bytes, got 15 (max_file)"),
    ("a limit that is none", ["model", "in.txt", "--max-line", "0"],
     "command line: max_line: input should be greater than or equal to 1, got 0"),
    ("a format that is none", ["model", "in.txt", "--format", "pdf"],
     "output format: expected one of brat, columns, conlleval, csv, doccano, html, jsonl, "
     "label-studio, prodigy, spacy, text, got 'pdf'"),
    ("another input", ["model", "in.txt", "--resume"],
     "out.jsonl: record 1: expected document 'in.txt:1' of this input, got another; --resume goes "
     "on only with the same input and format"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"), [row[1:] for row in EARLIER], ids=[row[0] for row in EARLIER]
)
def test_an_earlier_output_survives_a_mistake(shop, line, arguments, message):
    shop.export()
    shop.file("in.txt", "anna met boris\n")
    shop.file("bad.jsonl", "{")
    shop.file("out.jsonl", '{"id": "earlier", "text": "x", "entities": []}\n')
    before = shop.content()
    refused(line("predict", *arguments, "-o", "out.jsonl"), message)
    assert shop.content() == before


def in_a_process(*arguments: str, megabytes: int, **options) -> subprocess.CompletedProcess:
    """Run a command in a process of its own, with so much memory and twenty seconds of a CPU.

    A shell sets the limits: what Python runs between fork and exec has gRPC's handlers write to the
    standard error of the child.
    """
    limits = f'ulimit -v {megabytes << 10}; ulimit -t 20; exec "$@"'
    command = ["sh", "-c", limits, "sh", sys.executable, "-m", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


PROCESSES = [
    ("aliases", "tfner.train", "run.yaml", "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
     + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 30)),
     "run.yaml:4:5: not valid YAML: with its aliases more than 10,000 values"),
    ("a line of 100 MB", "tfner.inspect", "long.conll", "x" * 100_000_000,
     f"long.conll:1: expected a line of at most 16,777,216 characters (max_line), got a longer "
     f"one: '{'x' * 76}..."),
    ("JSON nested a million deep", "tfner.inspect", "deep.jsonl", "[" * 1_000_000,
     "deep.jsonl:1:501: not valid JSON: nested more than 500 deep"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("command", "name", "content", "message"),
    [row[1:] for row in PROCESSES],
    ids=[row[0] for row in PROCESSES],
)
def test_memory_is_bounded(shop, command, name, content, message):
    shop.file(name, content)
    environment = {"PYTHONPATH": str(PACKAGE.parent), "OPENBLAS_NUM_THREADS": "1"}
    result = in_a_process(command, name, megabytes=800, cwd=shop.folder, env=environment)
    assert (result.returncode, result.stdout, result.stderr) == (2, "", f"error: {message}\n")


@pytest.mark.parametrize(
    "name", ["train.conll", "checkpoint/vocab.txt", "checkpoint/model.safetensors"]
)
def test_an_earlier_run_survives_a_mistake_in_what_is_to_replace_it(shop, line, name):
    shop.checkpoint()
    for earlier in (
        "config.yaml",
        "labels.json",
        "report.json",
        "checkpoints/best/best-1/weights.index",
    ):
        shop.file(f"runs/run/{earlier}", "of the earlier run")
    shop.file(name, "The quick fox.\nThe quick fox.\n")
    before = shop.content()
    assert line("train", "run.yaml", "--overwrite").code == 2
    assert shop.content() == before
