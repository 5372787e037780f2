"""How many threads an operation has while a model in this process marks much text."""

from __future__ import annotations

import os

import pytest
import tensorflow as tf

from tfner.serving.runtime import threads
from tfner.serving.runtime.choice import Threads
from tfner.serving.runtime.graph_functions import set_threads
from tfner.serving.runtime.threads import CHOSEN, PASSES_AT_ONCE, count_processors, share_processors


@pytest.fixture(autouse=True)
def unchosen(monkeypatch):
    """Nothing is said of threads, and there is no GPU."""
    monkeypatch.setattr(threads, "has_gpu", lambda: False)
    for name in CHOSEN:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("processors", [1, 2, PASSES_AT_ONCE])
def test_an_operation_has_one_where_there_are_passes_for_all_processors(processors):
    assert share_processors(processors) == Threads(intra=1, inter=processors)


def test_more_processors_than_passes_stay_together():
    assert share_processors(PASSES_AT_ONCE + 1) == Threads()


def test_the_environment_and_gpus_go_before(monkeypatch):
    with monkeypatch.context() as changed:
        changed.setattr(threads, "has_gpu", lambda: True)
        assert share_processors(2) == Threads()
    for name in CHOSEN:
        with monkeypatch.context() as changed:
            changed.setenv(name, "2")
            assert share_processors(2) == Threads()


def test_those_that_are_chosen_are_set_in_tensorflow(monkeypatch):
    found: dict[str, int] = {}
    for kind in ("inter", "intra"):
        name = f"set_{kind}_op_parallelism_threads"
        note = lambda count, kind=kind: found.update({kind: count})  # noqa: E731
        monkeypatch.setattr(tf.config.threading, name, note)
    set_threads(Threads(inter=2))
    assert found == {"inter": 2}
    set_threads(Threads(1, 3))
    assert found == {"inter": 3, "intra": 1}
    found.clear()
    set_threads(Threads())
    assert found == {}


def test_where_tensorflow_runs_already_nothing_happens():
    tf.constant(1.0)
    set_threads(Threads(intra=1, inter=PASSES_AT_ONCE + 1))
    assert tf.config.threading.get_inter_op_parallelism_threads() != PASSES_AT_ONCE + 1


def test_processors_are_those_this_process_may_use():
    assert 1 <= count_processors() <= (os.cpu_count() or 1)
