"""TensorFlow's messages are TensorFlow's own, whether or not its Python is there."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest
import tensorflow as tf
from subprocesses import environment

from tfner.serving import messages


def test_messages_come_without_tensorflow_which_has_the_same_later():
    code = """
        import sys
        from tfner.serving.messages import predict_pb2, saved_model_pb2, tensor_pb2
        assert "tensorflow" not in sys.modules
        assert not any("pywrap" in name for name in sys.modules)
        request = predict_pb2.PredictRequest()
        import tensorflow as tf
        from tensorflow.core.protobuf import saved_model_pb2 as theirs
        request.inputs["text"].CopyFrom(tf.make_tensor_proto(["a"]))
        assert isinstance(request.inputs["text"], tensor_pb2.TensorProto)
        assert saved_model_pb2.SavedModel is theirs.SavedModel
        assert tf.make_ndarray(request.inputs["text"]).tolist() == [b"a"]
        assert tf.function(lambda: tf.constant(1) + 1)().numpy() == 2
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment(), check=False, timeout=250
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_tensorflow_that_is_imported_stays():
    with messages.without_tensorflow():
        assert sys.modules["tensorflow"] is tf
    assert sys.modules["tensorflow"] is tf


def test_an_import_that_fails_leaves_nothing_behind(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "tensorflow"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ModuleNotFoundError, match="none_pb2"), messages.without_tensorflow():
        import tensorflow.core.none_pb2  # noqa: F401
    assert "tensorflow" not in sys.modules


def test_without_the_wheel_an_import_says_what_is_missing(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "tensorflow"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(messages.importlib.util, "find_spec", lambda name: None)
    with messages.without_tensorflow():
        assert "tensorflow" not in sys.modules
