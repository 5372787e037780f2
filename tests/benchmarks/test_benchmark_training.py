"""The benchmark of training runs on our side, and counts what it says."""

from __future__ import annotations

import re

import pytest
import tiny

from benchmarks.training import compare

# side, F1 thrice, seconds thrice, sentences and pieces a second, padding, peak memory
ROW = re.compile(
    r"^(packed-fused|bucketed-reference)((?: +[\d.]+){8}) +([\d.]+)% +(\d+)$", re.MULTILINE
)
SENTENCES = "anna\tB-PER\nmet\tO\nclara\tB-PER\n\nold\tO\nlund\tB-LOC\n\n" * 30


@pytest.fixture
def config(tmp_path):
    for name in ("train", "dev"):
        (tmp_path / f"{name}.conll").write_text(SENTENCES)
    data = f"data: {{train: {tmp_path}/train.conll, dev: {tmp_path}/dev.conll}}"
    encoder = f"encoder: {{checkpoint: {tiny.checkpoint()}, max_length: 16, overlap: 4}}"
    (tmp_path / "config.yaml").write_text(f"name: tiny\n{data}\n{encoder}\n")
    return tmp_path / "config.yaml"


@pytest.mark.slow
def test_a_smoke_run_trains_each_side_and_counts_padding(config, capsys):
    compare.main([str(config), "--smoke"])
    rows = ROW.findall(printed := capsys.readouterr().out)
    assert [row[0] for row in rows] == ["packed-fused", "bucketed-reference"], printed
    packed, bucketed = (float(row[2]) for row in rows)
    # 40 sentences of 5 and 4 pieces in turn: 180 pieces in two batches of two rows of 64;
    # batches of windows are padded to 5
    assert packed == pytest.approx(100 * (1 - 180 / 256), abs=0.1)
    assert bucketed == pytest.approx(100 * (1 - 4.5 / 5))
