"""An export in bfloat16 is said to be slow where the processor computes that in other ways."""

from __future__ import annotations

import logging

import tiny

import tfner
from tfner.serving.runtime import saved_model


def test_loading_says_what_the_card_gives_cause_for(monkeypatch, caplog):
    read = saved_model.read_card
    monkeypatch.setattr(saved_model, "processor_features", lambda: ["AVX2"])
    monkeypatch.setattr(saved_model, "has_gpu", lambda: False)
    with caplog.at_level(logging.INFO, "tfner"):
        tfner.load(tiny.exported())
        for export in (None, {}, {"precision": "float32"}, {"precision": "bfloat16"}):
            assert "bfloat16" not in caplog.text
            card = {**read(saved_model.find_version(tiny.exported())), "export": export}
            monkeypatch.setattr(saved_model, "read_card", lambda folder, card=card: card)
            tfner.load(tiny.exported())
    (said,) = (each for each in caplog.messages if "bfloat16" in each)
    assert said.startswith(f"{tiny.exported()}: in bfloat16, for which this processor has no instr")
