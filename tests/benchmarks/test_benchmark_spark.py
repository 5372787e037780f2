"""The comparison of Spark with `predict` runs, and measures both."""

from __future__ import annotations

import re
import shutil

import pytest
import tiny

from benchmarks.serving import spark


@pytest.mark.spark
def test_a_smoke_run_measures_both_sides(tmp_path, capsys):
    pytest.importorskip("pyspark", reason="pyspark is not installed: pip install 'tfner[spark]'")
    if shutil.which("java") is None:
        pytest.skip("there is no Java, which Spark needs")
    texts = tmp_path / "texts.txt"
    texts.write_text("Anna met Boris in Oslo\n" * 80)
    spark.main([str(tiny.exported()), str(texts), "--smoke"])
    printed = capsys.readouterr().out
    for side in spark.SIDES:
        assert re.search(rf"^  {side} +\d+\.\d\d \(", printed, re.MULTILINE)
    assert len(re.findall(r"in the same round, \w+: \d", printed)) == 2
