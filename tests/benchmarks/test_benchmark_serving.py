"""The benchmark of the server runs, and its servers answer everything and end well."""

from __future__ import annotations

import re

import pytest
import tiny

from benchmarks.serving import server

# server, clients, requests and texts a second, ratio, three percentiles, processor time, errors
ROW = re.compile(
    r"^(batching|no batching) +(\d+) +([\d.]+) +([\d.]+) +[\d.]+"
    r" +([\d.]+) +([\d.]+) +([\d.]+) +\S+ +(\d+)$",
    re.MULTILINE,
)


@pytest.mark.slow
def test_a_smoke_run_answers_every_request_and_its_servers_end_well(capsys):
    server.main([str(tiny.exported().parent), "--smoke", "--texts", "3"])
    printed = capsys.readouterr().out
    rows = ROW.findall(printed)
    assert [row[:2] for row in rows] == [
        ("batching", "1"),
        ("batching", "4"),
        ("no batching", "1"),
        ("no batching", "4"),
    ], printed
    for row in rows:
        requests, texts, p50, p95, p99, errors = map(float, row[2:])
        assert requests > 0
        assert texts == pytest.approx(3 * requests, abs=0.2)
        assert 0 < p50 <= p95 <= p99
        assert errors == 0
    assert len(re.findall(r"peak memory \d+ MiB, ended with 0$", printed, re.MULTILINE)) == 2


def test_percentiles_are_by_nearest_rank():
    load = server.Load(
        seconds=2.0,
        latencies=[value / 1000 for value in range(100, 0, -1)],
        errors=0,
        texts=3,
        processor_seconds=3.0,
    )
    assert [round(load.milliseconds(percentile)) for percentile in (50, 95, 99, 100)] == [
        50,
        95,
        99,
        100,
    ]
    assert (load.requests_per_second, load.texts_per_second, load.processor_milliseconds) == (
        50,
        150,
        10,
    )
