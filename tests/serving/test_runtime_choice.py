"""Which runtime `auto` takes, and why."""

from __future__ import annotations

import sys

import pytest
import tiny

import tfner
from tfner.exceptions import ConfigError
from tfner.serving.runtime import choice


@pytest.fixture
def alone(monkeypatch):
    """Pretend to be in a process without TensorFlow, on a machine without a GPU."""
    monkeypatch.setattr(sys, "modules", {})
    monkeypatch.setattr(choice, "GPU_DEVICES", ())
    return monkeypatch


def test_the_c_api_is_taken_where_nothing_is_against_it(alone):
    assert choice.why_tensorflow() is None


def test_tensorflow_that_is_imported_is_used():
    assert choice.why_tensorflow() == "TensorFlow is imported already"


def test_platforms_and_versions_are_those_that_are_tested(alone):
    alone.setattr(sys, "platform", "win32")
    assert choice.why_tensorflow() == "the C API is not tested on win32"
    alone.undo()
    alone.setattr(sys, "modules", {})
    alone.setattr(choice, "tensorflow_version", lambda: "3.0.1")
    assert choice.why_tensorflow() == "the C API is tested with TensorFlow 2.21.x, not with 3.0.1"


def test_a_gpu_is_tensorflows(alone, tmp_path):
    alone.setattr(choice, "GPU_DEVICES", (tmp_path,))
    assert choice.why_tensorflow() == "there is a GPU"
    for hidden in ("", "-1"):
        alone.setenv("CUDA_VISIBLE_DEVICES", hidden)
        assert choice.why_tensorflow() is None
    alone.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert choice.why_tensorflow() == "there is a GPU"


def test_the_version_is_that_of_the_wheel_of_any_name(monkeypatch):
    versions = {"tensorflow-cpu": "2.21.0"}

    def version(name):
        if name in versions:
            return versions[name]
        raise choice.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(choice.importlib.metadata, "version", version)
    assert choice.tensorflow_version() == "2.21.0"
    versions.clear()
    assert choice.tensorflow_version() == "none"


def test_another_name_is_refused_with_those_that_there_are():
    with pytest.raises(ConfigError, match=r"^runtime: expected auto or tensorflow or c, got 'C'$"):
        tfner.load(tiny.exported(), runtime="C")
