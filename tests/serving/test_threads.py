"""How many threads an operation has while a model in this process marks much text."""

from __future__ import annotations

import os

import pytest
import tensorflow as tf

from tfner.serving.runtime.threads import CHOSEN, PASSES_AT_ONCE, count_processors, share_processors


@pytest.fixture
def threads(monkeypatch):
    """What was set: {"inter" | "intra": threads}; as in a process where TensorFlow does not run
    yet."""
    found: dict[str, int] = {}
    for kind in ("inter", "intra"):
        monkeypatch.setattr(
            tf.config.threading,
            f"set_{kind}_op_parallelism_threads",
            lambda count, kind=kind: found.update({kind: count}),
        )
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    for name in CHOSEN:
        monkeypatch.delenv(name, raising=False)
    return found


@pytest.mark.parametrize("processors", [1, 2, PASSES_AT_ONCE])
def test_an_operation_has_one_where_there_are_passes_for_all_processors(threads, processors):
    share_processors(processors)
    assert threads == {"inter": processors, "intra": 1}


def test_more_processors_than_passes_stay_together(threads):
    share_processors(PASSES_AT_ONCE + 1)
    assert threads == {}


def test_the_environment_and_gpus_go_before(threads, monkeypatch):
    with monkeypatch.context() as changed:
        changed.setattr(tf.config, "list_physical_devices", lambda kind: ["a GPU"])
        share_processors(2)
    for name in CHOSEN:
        with monkeypatch.context() as changed:
            changed.setenv(name, "2")
            share_processors(2)
    assert threads == {}


def test_where_tensorflow_runs_already_nothing_happens():
    tf.constant(1.0)
    share_processors(PASSES_AT_ONCE)


def test_processors_are_those_this_process_may_use():
    assert 1 <= count_processors() <= (os.cpu_count() or 1)
