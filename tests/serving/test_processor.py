"""An export in bfloat16 is said to be slow where the processor computes that in other ways."""

from __future__ import annotations

import pytest
import tiny

import tfner
from tfner.serving.runtime import saved_model


@pytest.mark.parametrize(
    ("card", "precision"),
    [({}, None), ({"export": None}, None), ({"export": {"precision": "bfloat16"}}, "bfloat16")],
)
def test_the_precision_is_what_a_card_says_if_it_says_one(card, precision):
    assert saved_model.precision_of(card) == precision


def test_loading_says_it(monkeypatch, caplog):
    card = saved_model.read_card(saved_model.find_version(tiny.exported()))
    half = {**card, "export": {"precision": "bfloat16"}}
    monkeypatch.setattr(saved_model, "read_card", lambda folder: half)
    monkeypatch.setattr(saved_model, "processor_features", lambda: ["AVX2"])
    monkeypatch.setattr(saved_model, "has_gpu", lambda: False)
    tfner.load(tiny.exported())
    (said,) = (each for each in caplog.messages if "bfloat16" in each)
    assert said.startswith(f"{tiny.exported()}: in bfloat16, for which this processor has no instr")
