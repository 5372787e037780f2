"""The benchmark of the pipeline runs, and counts what it says."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace

import pytest

from benchmarks.data import pipeline

PREPARED = re.compile(
    r"^prepare: \d+ s, (\d+) sentences/s, \d+ MiB in 2 shards; "
    r"peak memory of all its processes (\d+) MiB$",
    re.MULTILINE,
)


@pytest.mark.slow
def test_a_smoke_run_prepares_streams_and_trains(capfd, tmp_path):
    pipeline.main(["--smoke", "--keep", str(tmp_path)])
    printed = capfd.readouterr().out
    rate, peak = PREPARED.findall(printed)[0]
    assert int(rate) > 0
    assert 100 < int(peak) < 20_000
    streamed = re.findall(
        r"^(bucketed|padded|packed) +(\d+) +([\d.]+) +(\d+) +(-?\d+)$", printed, re.MULTILINE
    )
    assert [row[0] for row in streamed] == ["bucketed", "padded", "packed"], printed
    assert int(streamed[1][1]) == -(-1500 // 32)
    steps = re.findall(
        r"^(bucketed|packed), (memory|shards) +([\d.]+) +([\d.]+) +(\d+)$", printed, re.MULTILINE
    )
    assert [row[:2] for row in steps] == [
        (batching, name) for batching in ("bucketed", "packed") for name in ("memory", "shards")
    ], printed
    assert all(0 <= float(row[2]) <= 100 and float(row[3]) > 0 for row in steps)


def test_waiting_is_what_passes_before_a_batch_is_there(monkeypatch):
    """A clock that moves by hand.

    The pipeline takes 2 s to build, a batch 3 s and then 1 s to come, a step 5 s.
    """
    now = [0.0]
    monkeypatch.setattr(pipeline.time, "perf_counter", lambda: now[0])

    class Dataset:
        def __iter__(self):
            now[0] += 2
            return iter([3, 1, 1])

    class Watched:
        totals = SimpleNamespace(waited=0)

        def watch(self, dataset):
            return dataset

    def step(iterator):
        waited = next(iterator)
        Watched.totals.waited += waited
        now[0] += waited + 5

    monkeypatch.setattr("tfner.monitoring.input_monitor.InputMonitor", Watched)
    assert pipeline.run_steps(step, Dataset(), 3) == (5, 2, 15)


def test_the_corpus_is_as_long_as_asked_for_and_the_same_each_time(tmp_path):
    for name in ("one", "two"):
        pipeline.write_corpus(tmp_path / name, 1200)
    lines = (tmp_path / "one").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1200
    assert len({json.loads(line)["text"] for line in lines}) > 1100
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
