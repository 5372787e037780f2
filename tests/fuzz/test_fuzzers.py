"""The coverage-guided fuzzers.

For a while over each target, and over a planted fault, which they must find.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from run import campaign, is_well, read_log, show
from targets import READERS, TEXT

HERE = Path(__file__).parent
STARTS_WITH_CSV = """
import sys
sys.path[:0] = {path!r}
import run, targets, atheris

@atheris.instrument_func
def check(data):
    if data[:1] == b"c":
        if data[1:2] == b"s":
            if data[2:3] == b"v":
                raise ValueError("planted")

targets.load = lambda name, instrument: targets.Target(check, [b"begin"], ["x"])
run.fuzz("planted", run.Path({folder!r}), 60)
"""


@pytest.fixture
def seconds(pytestconfig) -> int:
    pytest.importorskip("atheris", reason="the extra fuzz is not installed")
    if not pytestconfig.getoption("--fuzz-seconds"):
        pytest.skip("--fuzz-seconds is not given: it says how long to look")
    return int(pytestconfig.getoption("--fuzz-seconds"))


@pytest.mark.fuzz
@pytest.mark.parametrize("name", [*READERS, *TEXT])
def test_no_input_fails_and_memory_does_not_grow(tmp_path, name, seconds):
    result = campaign(name, tmp_path, seconds)
    assert is_well(result, growth=100), (
        f"{show(result)}\n{(tmp_path / 'log.txt').read_text(errors='replace')[-2000:]}"
    )


@pytest.mark.fuzz
def test_a_planted_fault_is_found_and_kept(tmp_path, seconds):
    for part in ("corpus", "failed"):
        (tmp_path / part).mkdir()
    code = STARTS_WITH_CSV.format(
        path=[str(HERE), str(HERE.parent / "support")], folder=str(tmp_path)
    ).replace(", 60)", f", {seconds})")
    subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, timeout=seconds + 60
    )
    (kept,) = (path for path in (tmp_path / "failed").iterdir() if path.suffix != ".txt")
    assert kept.read_bytes()[:3] == b"csv"
    assert kept.name.startswith("ValueError-")
    assert json.loads((tmp_path / "notes.json").read_text())["failed"] == 1


def test_the_log_of_the_fuzzer_is_read(tmp_path):
    log = tmp_path / "log.txt"
    log.write_text(
        "INFO: seed corpus: files: 3\n"
        "#4\tINITED cov: 20 ft: 21 corp: 3/12b exec/s: 0 rss: 70Mb\n"
        "#9\tREDUCE cov: 25 ft: 26 corp: 4/20b lim: 4 exec/s: 0 rss: 71Mb L: 4/4 MS: 1 "
        "EraseBytes-\n"
        "#1234\tDONE   cov: 30 ft: 31 corp: 9/90b lim: 12 exec/s: 617 rss: 75Mb\n"
    )
    result = {"target": "x", "code": 0, "slowest": 0.1, "failed": 0, **read_log(log)}
    assert (result["inputs"], result["branches"], result["memory"]) == (1234, (20, 30), (70, 75))
    assert is_well(result, growth=5)
    assert not is_well(result, growth=4)
    assert not any(
        is_well({**result, key: value}, growth=5)
        for key, value in (("code", 77), ("failed", 1), ("inputs", 0))
    )
    log.write_text("no fuzzer began")
    assert not is_well({**result, **read_log(log)}, growth=5)
