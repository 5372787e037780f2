"""The log says how fast each part learns that the model has, and what settings change nothing."""

from __future__ import annotations

import io
import logging

import pytest
from rich.console import Console

import tfner
from tfner.config import load_settings
from tfner.exceptions import BusyError
from tfner.training.fit import compile_model
from tfner.training.run_inputs import load_run_inputs
from tfner.training.schedule import Schedule
from tfner.training.state.run_folder import RunFolder

ONCE = Schedule(epochs=1, passes=1, steps_per_pass=1)
RATES = ("training.learning_rate=1e-4", "training.head_learning_rate=2e-3")


@pytest.mark.parametrize(
    ("head", "rest"), [("crf", ", 0.02 for a CRF's transitions"), ("softmax", "")]
)
def test_the_rates_are_those_of_what_the_model_has(shop, caplog, head, rest):
    shop.checkpoint()
    settings = load_settings(shop.config(), (*RATES, f"model.head={head}"))
    console = Console(file=io.StringIO())
    inputs = load_run_inputs(settings, RunFolder(settings.run_dir), console, writes=False)
    with caplog.at_level(logging.INFO, "tfner"):
        compile_model(inputs, ONCE)
    rates = [message for message in caplog.messages if message.startswith("learning rate")]
    assert rates == [f"learning rate 0.0001 at its peak, 0.002 for the head{rest}"]


UNUSED = [
    (
        ("model.head=softmax", "training.transition_learning_rate=0.05"),
        "training.transition_learning_rate: 0.05 changes nothing with model.head softmax, which "
        "has no transitions",
    ),
    (
        ("training.teacher_weight=0.3",),
        "training.teacher_weight: 0.3 changes nothing without training.teachers",
    ),
]
USED = [
    ("training.transition_learning_rate=0.05",),
    ("model.head=softmax", "training.transition_learning_rate=auto"),
    ("model.head=softmax", "training.transition_learning_rate=null"),
    ("model.head=of_a_stranger", "training.transition_learning_rate=0.05"),
    ("training.teachers=checkpoint", "training.teacher_weight=0.3"),
    ("training.teacher_weight=0.5",),
]


@pytest.mark.parametrize(("overrides", "message"), UNUSED)
def test_what_changes_nothing_is_said(shop, caplog, overrides, message):
    shop.checkpoint()
    load_settings(shop.config(), overrides)
    assert caplog.messages == [message]


@pytest.mark.parametrize("overrides", USED)
def test_of_what_changes_something_nothing_is_said(shop, caplog, overrides):
    shop.checkpoint()
    settings = load_settings(shop.config(), overrides)
    assert caplog.messages == []
    written = shop.file("resolved.yaml", settings.to_yaml())
    load_settings(written)
    assert caplog.messages == []


def test_a_program_is_told_too(shop, caplog, monkeypatch):
    def stop(*arguments, **options):
        raise BusyError("stop here")

    monkeypatch.setattr("tfner.train.carry_out", stop)
    shop.checkpoint()
    overrides, message = UNUSED[1]
    with pytest.raises(BusyError, match="stop here"):
        tfner.train(shop.config(), *overrides)
    assert caplog.messages == [message]
