"""The benchmark of start-up runs, and times what it says."""

from __future__ import annotations

import re
import sys

import pytest
import tiny

from benchmarks import processes
from benchmarks.serving import start_up

ROW = re.compile(r"^  (\S.*?)  +([\d.]+) \([\d.]+ to [\d.]+\)  ([\d.]+)$", re.MULTILINE)


@pytest.mark.slow
def test_a_smoke_run_times_python_the_package_and_an_answer(capsys):
    start_up.main([str(tiny.exported()), "--smoke"])
    rows = ROW.findall(capsys.readouterr().out)
    times = {name: float(seconds) for name, seconds, _ in rows}
    assert all(float(mib) > 1 for _, _, mib in rows)
    assert list(times) == ["python alone", "import tfner", "tfner.load and the first answer"]
    assert times["python alone"] > 0
    assert times["tfner.load and the first answer"] > times["import tfner"]


def test_a_peer_without_a_model_is_refused():
    with pytest.raises(SystemExit):
        start_up.parse(["model", "--peer-python", sys.executable])


def test_processes_run_in_turn_and_the_first_round_does_not_count(tmp_path):
    log = tmp_path / "log"
    code = "import sys; open(sys.argv[1], 'a').write(sys.argv[2])"
    times = processes.starts_in_turn(
        {name: [sys.executable, code, str(log), name] for name in "ab"}, 2
    )
    assert log.read_text() == "ababab"
    assert [len(values) for values in times.values()] == [2, 2]


def test_only_what_comes_before_the_end_of_the_code_counts():
    at_the_end = "import atexit, time; atexit.register(time.sleep, 1)"
    assert 0 < processes.start_and_run(sys.executable, at_the_end, []).seconds < 1


def test_a_process_that_fails_says_why():
    with pytest.raises(SystemExit, match="no such thing"):
        processes.start_and_run(sys.executable, "raise ValueError('no such thing')", [])
