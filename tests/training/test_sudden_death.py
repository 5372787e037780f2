"""Kill, stop and refuse runs in processes of their own: they learn the same in the end."""

from __future__ import annotations

import random
import re
import signal
import time

import pytest
import yaml
from subprocesses import small_disk
from sudden_death import (
    Run,
    carry_out,
    differences,
    kill_and_compare,
    kill_once,
    saved,
    wait_until,
    write_config,
)

pytestmark = pytest.mark.long


def test_killed_twice_and_asked_to_end_a_run_ends_as_one_that_was_left_alone(tmp_path):
    names = "whole", "killed"
    whole, killed = (write_config(tmp_path, name, head="softmax", epochs=2) for name in names)
    runs, draw = tmp_path / "runs", random.Random(6)
    assert carry_out(whole).code == 0
    assert [
        kill_once(killed, runs, draw, starting=0.0, window=0.1) is not None for _ in range(2)
    ] == [True, True]
    before = saved(runs, "killed")
    run = Run(killed)
    assert wait_until(lambda: saved(runs, "killed") - before, run)
    second = carry_out(killed)
    assert second.code == 2
    assert re.search(
        rf"error: {runs}/killed: another process works on this run: process {run.process.pid} on ",
        second.text,
    )
    asked = time.monotonic()
    run.signal(signal.SIGTERM)
    ended = run.end()
    assert time.monotonic() - asked < 10
    assert ended.code == 143
    assert re.search(
        r"terminated: .*: saved at .*; the same command goes on from there", ended.text
    )
    ended = carry_out(killed)
    assert ended.code == 0, ended.text
    assert not differences(runs / "whole", runs / "killed")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_at_25_random_moments_a_run_ends_as_one_that_was_left_alone(tmp_path):
    kills = kill_and_compare(tmp_path, 25, seed=1, dev=True, epochs=20)
    assert any(kill.saving for kill in kills)
    assert len({kill.newest for kill in kills}) > 10


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_on_a_full_disk_says_so_and_goes_on_when_there_is_room(tmp_path):
    whole = write_config(tmp_path, "whole", epochs=2)
    assert carry_out(whole).code == 0
    with small_disk(tmp_path / "disk", "size=3m"):
        small = write_config(tmp_path, "small", epochs=2)
        small.write_text(
            yaml.safe_dump(
                {**yaml.safe_load(small.read_text()), "runs_dir": str(tmp_path / "disk")}
            )
        )
        filler = tmp_path / "disk" / "filler"
        filler.write_bytes(b"\0" * 2_650_000)
        ended = carry_out(small)
        assert ended.code == 2
        assert re.search(
            rf"error: {tmp_path}/disk/small\S*: cannot be written: No space left on device",
            ended.text,
        )
        assert "Traceback" not in ended.text
        filler.unlink()
        assert carry_out(small).code == 0
        assert not differences(tmp_path / "runs" / "whole", tmp_path / "disk" / "small")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_training_that_diverges_ends_with_its_documents_named(tmp_path):
    ended = carry_out(write_config(tmp_path, "wild", learning_rate=1e30, skipped_in_a_row=3))
    assert ended.code == 2
    assert (
        ended.text.count(
            "the loss or its gradient is not finite; the step is skipped; its documents:"
        )
        == 3
    )
    assert re.search(r"error: epoch 1, step \d+: 3 steps in a row .* train.conll:\d+", ended.text)
    assert "Traceback" not in ended.text
    assert saved(tmp_path / "runs", "wild")
