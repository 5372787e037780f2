"""A bfloat16 export on a processor without bfloat16 is said to be slow, and nothing else is."""

from __future__ import annotations

import pytest
import tiny

import tfner
from tfner.serving.runtime import processor, saved_model

OLDER = "processor\t: 0\nflags\t\t: fpu avx2 avx512f\n\nprocessor\t: 1\nflags\t\t: amx_bf16\n"
BFLOAT16 = {"export": {"precision": "bfloat16"}}


@pytest.mark.parametrize(
    ("text", "slow"),
    [(OLDER, True), (OLDER.replace("avx2", "avx512_bf16"), False),
     ("Features\t: fp asimd bf16", False), ("Features\t: fp asimd", True), ("vendor: x", False)],
)  # fmt: skip
def test_flags_decide_where_there_are_some(monkeypatch, tmp_path, text, slow):
    path = tmp_path / "cpuinfo"
    monkeypatch.setattr(processor, "CPU_INFO", path)
    assert not processor.is_slow_here(BFLOAT16)  # the system does not say
    path.write_text(text)
    assert processor.is_slow_here(BFLOAT16) is slow
    for card in ({}, {"export": None}, {"export": {"precision": "float32"}}):
        assert not processor.is_slow_here(card)


def test_loading_says_so_once(monkeypatch, caplog):
    monkeypatch.setattr(processor, "processor_flags", lambda: {"avx2"})
    read = saved_model.read_card
    tiny.loaded()
    tfner.load(tiny.exported())
    assert caplog.messages == []
    monkeypatch.setattr(saved_model, "read_card", lambda folder: read(folder) | BFLOAT16)
    monkeypatch.setattr(saved_model, "has_gpu", lambda: False)
    tfner.load(tiny.exported())
    (said,) = caplog.messages
    assert said.startswith(f"{tiny.exported()}: in bfloat16, for which this processor has no instr")
