"""`predict --server` and `connect` over real sockets of this machine: the same lines as a model
here writes, without TensorFlow."""

from __future__ import annotations

import gc
import json
import subprocess
import sys

import pytest
from fake_server import TOY, FakeServer, listening, make_certificate

import tfner
from tfner.documents import Document
from tfner.exceptions import ServerError

LINES = ["Anna met Bo", "", "e\u0301A\u0301 👩🏽‍🚀 Åse", "nothing"]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "localhost,127.0.0.1")


def call(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "tfner.predict", *arguments],
        capture_output=True,
        text=True,
        timeout=250,
        **options,
    )


def entities(text: str) -> list[dict]:
    return [
        {
            "start": e.start,
            "end": e.end,
            "label": e.label,
            "score": pytest.approx(e.score, abs=1e-6),
            "text": e.text,
        }
        for e in TOY(text)
    ]


@pytest.mark.parametrize("how", ["file", "stdin", "text"])
def test_lines_are_marked_in_their_order_without_tensorflow(tmp_path, how):
    (tmp_path / "in.txt").write_text("\n".join(LINES) + "\n", encoding="utf-8")
    code = (
        "import sys, runpy\n"
        "try: runpy.run_module('tfner.predict', run_name='__main__')\n"
        "finally: print('tensorflow' in sys.modules)"
    )
    with listening(FakeServer()) as place:
        given = {"file": ["in.txt"], "stdin": [], "text": ["--text", LINES[0]]}[how]
        done = subprocess.run(
            [
                sys.executable, "-c", code, "--server", f"http://{place}/v1/models/toy", *given,
                "--format", "jsonl",
            ],
            input="\n".join(LINES) if how == "stdin" else None,
            capture_output=True, text=True, cwd=tmp_path, timeout=250, check=True,
        )  # fmt: skip
    *records, tensorflow = done.stdout.splitlines()
    expected = LINES[:1] if how == "text" else LINES
    assert [json.loads(record)["text"] for record in records] == expected
    assert [json.loads(record)["entities"] for record in records] == [
        entities(text) for text in expected
    ]
    assert tensorflow == "False"


def test_words_are_marked_as_they_stand(tmp_path):
    (tmp_path / "in.conll").write_text("Anna\nBo\nmet\n\nÅse\nAnna\n", encoding="utf-8")
    with listening(FakeServer()) as place:
        done = call(
            "--server",
            f"http://{place}/v1/models/toy",
            "in.conll",
            "--format",
            "columns",
            cwd=tmp_path,
        )
    assert done.stdout == "Anna\tB-PER\nBo\tI-PER\nmet\tO\n\nÅse\tO\nAnna\tB-PER\n\n"


def test_an_interrupted_run_is_resumed_to_the_same_bytes(tmp_path):
    (tmp_path / "in.txt").write_text("\n".join(LINES) + "\n", encoding="utf-8")
    with listening(FakeServer()) as place:
        command = ["--server", f"http://{place}/v1/models/toy", "in.txt", "--output", "out.jsonl"]
        assert call(*command, cwd=tmp_path).stderr == ""
        whole = (tmp_path / "out.jsonl").read_bytes()
        assert whole.count(b"\n") == len(LINES)
        (tmp_path / "out.jsonl").write_bytes(whole[:-5])
        done = call(*command, "--resume", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "written by an earlier run: 3 documents\n")
    assert (tmp_path / "out.jsonl").read_bytes() == whole


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--server", "http://127.0.0.1:9/v1/models/toy", "--text", "x", "--resume"],
            "error: --resume: expected --output FILE, got ",
        ),
        (
            ["--server", "http://127.0.0.1:9/v1/models/toy", "--text", "x"],
            "error: http://127.0.0.1:9/v1/models/toy: cannot be reached: ",
        ),
        (
            ["--server", "http://127.0.0.1:9", "--text", "x"],
            "error: expected http[s]://HOST[:PORT]/v1/models/NAME or grpc",
        ),
        (
            ["saved_models/a", "in.txt", "--server", "http://127.0.0.1:9/v1/models/toy"],
            "error: --server and MODEL exclude each other: ",
        ),
        (
            ["saved_models/a", "--text", "x", "--server", "http://127.0.0.1:9/v1/models/a"],
            "error: --server and MODEL exclude each other: ",
        ),
        (
            ["--text", "x"],
            "error: expected a MODEL, the folder of an exported model or of a run, or --server URL",
        ),
        (["--server", "http://127.0.0.1:9/v1/models/toy", "none.txt"], "error: none.txt: "),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(tmp_path, arguments, message):
    done = call(*arguments, cwd=tmp_path, stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_https_is_trusted_only_with_its_authority(tmp_path):
    certificate = make_certificate(tmp_path)
    with listening(FakeServer(), certificate) as place:
        url = f"https://{place}/v1/models/toy"
        assert tfner.connect(url, ca_file=str(certificate)).batch(LINES) == TOY.batch(LINES)
        with pytest.raises(
            ServerError, match=f"{url}: cannot be reached: .*CERTIFICATE_VERIFY_FAILED"
        ):
            tfner.connect(url, retries=0)("Anna")
        gc.collect()


def test_connections_are_used_again():
    with listening(FakeServer()) as place:
        ner = tfner.connect(f"http://{place}/v1/models/toy", texts_per_request=1)
        assert list(ner.documents(map(Document, LINES * 5))) == TOY.batch(LINES * 5)
        pool = ner._ask_texts.__self__._transport._client._transport._pool
        assert len(pool.connections) == 1
        del ner
        gc.collect()
        assert pool.connections == []


def test_help_imports_nothing_heavy():
    heavy = "{'tensorflow', 'transformers', 'httpx'}"
    code = f"import sys, tfner.predict; print(sorted({heavy} & set(sys.modules)))"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "[]"
    )
