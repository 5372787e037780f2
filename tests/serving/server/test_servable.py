"""One version of a model, loaded over the C API or in TensorFlow's Python."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pytest
import tensorflow as tf
import tiny
from impostor import edit_graph, write_impostor
from subprocesses import environment

from tfner.exceptions import ModelError
from tfner.quiet_tensorflow import LEVEL
from tfner.serving.export.layout import CARD, WARM_UP
from tfner.serving.runtime.c_api.library import load_c_library
from tfner.serving.server.c_runner import CRunner
from tfner.serving.server.request_error import RequestError
from tfner.serving.server.servable import load_servable

TEXT = "Anna Svensson met Boris in New Oslo."
INPUTS = {"text": np.array([TEXT.encode(), b""], object)}
SECONDS = 100


@pytest.fixture
def alone(monkeypatch):
    """Pretend that nothing is against the C API here, though TensorFlow is imported."""
    monkeypatch.setattr("tfner.serving.runtime.choice.why_tensorflow", lambda: None)


def copy_of_tiny(folder: Path) -> Path:
    return Path(shutil.copytree(tiny.exported(), folder / "1"))


@pytest.mark.skipif(sys.platform != "linux", reason="what a process has loaded is read from /proc")
def test_a_server_has_nothing_of_tensorflows_python():
    command = [sys.executable, "-m", "tfner.serve", str(tiny.exported()), "--port", "0"]
    server = subprocess.Popen(
        [*command, "--grpc-port", "0", "--name", "tiny"],
        env={name: value for name, value in environment().items() if name != LEVEL},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        announced = [line for _, line in zip(range(4), server.stdout, strict=False)]
        url = re.search(r"REST: +(\S+)", "".join(announced))[1]
        answer = httpx.post(f"{url}:predict", json={"instances": [TEXT]}, timeout=SECONDS).json()
        loaded = Path(f"/proc/{server.pid}/maps").read_text()
        server.send_signal(signal.SIGTERM)
        assert server.wait(SECONDS) == 0
        assert server.stderr.read() == "INFO tiny: version 1 is served\n"
    finally:
        server.kill()
        server.stdout.close()
        server.stderr.close()
    expected = [entity.start for entity in tiny.loaded()(TEXT)]
    assert answer["predictions"][0]["entity_start"] == expected
    assert "libtensorflow_cc" in loaded
    assert "_pywrap_tensorflow" not in loaded


@pytest.mark.long
def test_what_is_no_export_is_served_in_tensorflow_and_the_log_says_why(alone, tmp_path, caplog):
    folder = copy_of_tiny(tmp_path)
    (folder / CARD).unlink()
    servable = load_servable(folder, 1)
    expected = load_servable(tiny.exported(), 1, "tensorflow").run("serving_default", INPUTS)
    answer = servable.run("serving_default", INPUTS)
    assert answer["entity_start"].tolist() == expected["entity_start"].tolist()
    (record,) = caplog.records
    assert record.getMessage() == (
        f"not run over the C API, but in TensorFlow: {folder}: not an export of tfner: {CARD} "
        "cannot be read: No such file"
    )
    with pytest.raises(ModelError, match="not an export of tfner"):
        load_servable(folder, 1, "c")


def test_a_graph_that_does_more_than_compute_is_not_run_over_the_c_api(alone, tmp_path, caplog):
    def read_a_file(text):
        return tf.strings.join([text, tf.io.read_file(str(tmp_path / "note"))])

    (tmp_path / "note").write_text("!")
    write_impostor(tmp_path / "1", read_a_file)
    servable = load_servable(tmp_path / "1", 1)
    assert servable.run("serving_default", INPUTS)["entity_count"].tolist() == [0, 0]
    assert "expected a graph of operations that only compute, got ReadFile" in caplog.text


def test_where_the_c_api_fails_tensorflow_serves(alone, tmp_path, caplog):
    graph = write_impostor(tmp_path / "1")
    edit_graph(graph, lambda each: setattr(each.saver_def, "filename_tensor_name", "nowhere:0"))
    with pytest.raises(ModelError, match=r"the graph has no operation 'nowhere'$"):
        load_servable(tmp_path / "1", 1, "c")
    servable = load_servable(tmp_path / "1", 1)
    assert servable.run("serving_default", INPUTS)["entity_count"].tolist() == [0, 0]
    assert "not run over the C API, but in TensorFlow: the graph has no operation" in caplog.text


@pytest.mark.parametrize("runtime", ["c", "tensorflow"])
def test_what_a_graph_says_has_the_codes_of_the_server(tmp_path, runtime):
    def refuse(text):
        short = tf.reduce_all(tf.strings.length(text) < 20)
        with tf.control_dependencies([tf.raw_ops.Assert(condition=short, data=["too long"])]):
            return tf.identity(text)

    write_impostor(tmp_path / "1", refuse)
    run = load_servable(tmp_path / "1", 1, runtime).run
    assert run("serving_default", {"text": np.array([b"short"], object)})["entity_count"] == [0]
    with pytest.raises(RequestError, match=r"^assertion failed: \[too long\]$") as caught:
        run("serving_default", INPUTS)
    assert caught.value.code == "INVALID_ARGUMENT"


def test_a_model_over_the_c_api_is_freed_when_it_is_closed(monkeypatch):
    freed = []
    library = load_c_library()
    delete = library.DeleteSession
    monkeypatch.setattr(
        library, "DeleteSession", lambda *given: freed.append(given) or delete(*given)
    )
    servable = load_servable(tiny.exported(), 1, "c")
    assert isinstance(servable.run.__self__, CRunner)
    assert not freed
    servable.close()
    assert len(freed) == 1


@pytest.mark.parametrize("runtime", ["c", "tensorflow"])
def test_damaged_warm_up_requests_keep_a_version_from_being_served(tmp_path, runtime):
    path = copy_of_tiny(tmp_path) / WARM_UP
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    message = rf"1: cannot be loaded: {path}: record \d+: expected \d+ bytes more, got \d+$"
    with pytest.raises(ModelError, match=message):
        load_servable(tmp_path / "1", 1, runtime)


def test_an_export_without_warm_up_requests_is_warmed_up_by_one_text(tmp_path, monkeypatch):
    (copy_of_tiny(tmp_path) / WARM_UP).unlink()
    asked, ask = [], CRunner.run
    monkeypatch.setattr(
        CRunner, "run", lambda *given: asked.append((given[1], given[2])) or ask(*given)
    )
    load_servable(tmp_path / "1", 1, "c")
    assert asked == [("serving_default", {"text": np.array([b"warm up"], object)})]
