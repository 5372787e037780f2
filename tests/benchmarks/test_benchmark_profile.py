"""The profile of marking lines tells parts apart, and counts what products compute."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from fold_runs import write_run

from benchmarks.prediction import profile

CONFIG = SimpleNamespace(hidden_size=4, intermediate_size=6, num_hidden_layers=3)


def test_products_are_counted_by_row_and_behind_the_last_attention_by_unit():
    shapes = profile.shapes_of_layer(CONFIG)
    assert shapes == [(4, 12), (4, 4), (4, 6), (6, 4)]
    every = profile.floating_point_operations(shapes, CONFIG, pieces=10, units=10)
    assert every == 3 * 10 * 2 * (4 * 12 + 4 * 4 + 4 * 6 + 6 * 4)
    fewer = profile.floating_point_operations(shapes, CONFIG, pieces=10, units=7)
    assert every - fewer == 3 * 2 * (4 * 4 + 4 * 6 + 6 * 4)


def test_nodes_are_summed_up_by_what_they_are_for():
    nodes = {
        ("a", "_MklNativeFusedMatMul"): 1.0,
        ("b", "_MklFusedBatchMatMulV2"): 2.0,
        ("c", "_MklSoftmax"): 4.0,
        ("d", "LogSoftmax"): 8.0,
        ("e", "FastWordpieceTokenizeWithOffsets"): 16.0,
        ("f", "While"): 32.0,
    }
    parts = profile.parts_of(nodes)
    assert sum(parts.values()) == 63.0
    assert parts[profile.PRODUCTS] == 1.0
    assert parts["attention: products, softmax, transposes"] == 6.0
    assert parts["text to pieces"] == 16.0
    assert parts[profile.REST] == 40.0


@pytest.mark.slow
def test_a_smoke_run_counts_pieces_and_says_both_rates(tmp_path, line, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("train.conll").write_text("Anna\tB-PER\nmet\tO\nOslo\tB-LOC\n\n" * 30)
    write_run(tmp_path)
    assert line("train", "run.yaml", "training.epochs=1", "export.enabled=false").code == 0
    profile.main(["runs/mine", "train.conll", "--smoke"])
    printed = capsys.readouterr().out
    assert "20 texts, 100 pieces, 60 units" in printed
    assert re.search(rf"^{profile.PRODUCTS}: .* (\d+) GFLOP/s$", printed, re.MULTILINE)
    assert re.search(r"^plain products by tf.matmul: (\d+) GFLOP/s", printed, re.MULTILINE)
