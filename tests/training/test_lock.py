"""The lock of a run and the signal that ends one, in processes that need no TensorFlow."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from tfner.exceptions import BusyError, StorageError, Terminated
from tfner.training.state import lock
from tfner.training.state.lock import LOCK, locked
from tfner.training.state.termination import interruption

HOLD = """
import sys
from pathlib import Path
from tfner.training.state.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(folder):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    return process


def end(process) -> int:
    process.communicate()
    return process.returncode


def test_a_second_process_is_refused_with_the_name_of_the_first(tmp_path):
    process = hold(tmp_path / "run")
    holder = f"process {process.pid} on {socket.gethostname()}, since 20"
    with (
        pytest.raises(BusyError, match=rf"^{tmp_path}/run: another .*: {holder}"),
        locked(tmp_path / "run"),
    ):
        pass
    assert end(process) == 0
    assert not (tmp_path / "run").exists()  # it had put nothing there
    with locked(tmp_path / "run"):
        pass


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_lock_ends_with_its_holder_however_that_ends(tmp_path, number):
    process = hold(tmp_path)
    process.send_signal(number)
    assert end(process) == -number
    assert (tmp_path / LOCK).exists()
    with locked(tmp_path):
        assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()
    assert not (tmp_path / LOCK).exists()


def test_a_child_that_is_started_does_not_hold_it_on(tmp_path):
    with locked(tmp_path):
        child = subprocess.Popen(
            [sys.executable, "-c", "import sys; sys.stdin.read()"],
            stdin=subprocess.PIPE,
            close_fds=False,
        )
    with locked(tmp_path):
        child.communicate()


def test_of_many_at_once_one_gets_it_at_a_time(tmp_path):
    inside, most, errors = [0], [0], []

    def work() -> None:
        for _ in range(200):
            try:
                with locked(tmp_path / "run"):
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                    inside[0] -= 1
            except BusyError:
                continue
            except BaseException as error:
                errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (errors, most) == ([], [1])


def test_a_file_system_without_locks_is_said_and_the_run_goes_on(tmp_path, monkeypatch, caplog):
    def refuse(*_):
        raise OSError(lock.NO_LOCKS[0], "No locks available")

    monkeypatch.setattr(lock.fcntl, "flock", refuse)
    with locked(tmp_path):
        pass
    assert "this file system has no locks (No locks available)" in caplog.text


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "runs").write_text("")
    with (
        pytest.raises(StorageError, match="runs/mine: cannot be written: Not a directory"),
        locked(tmp_path / "runs" / "mine"),
    ):
        pass
    with (
        pytest.raises(StorageError, match="runs: cannot be written: File exists"),
        locked(tmp_path / "runs"),
    ):
        pass


TERMINABLE = """
import signal, sys, time
from tfner.exceptions import Terminated
from tfner.training.state.termination import raise_if_terminated, terminable

def ignore():
    class Swallows:
        def __del__(self):
            print("ready", flush=True)
            time.sleep(60)
    Swallows()
    raise_if_terminated()

with terminable(float(sys.argv[2])):
    try:
        if sys.argv[1] == "sleep":
            print("ready", flush=True)
            time.sleep(60)
        if sys.argv[1] == "swallow":
            ignore()
        if sys.argv[1] == "deaf":  # as where Python does not come to run its handler
            signal.signal(signal.SIGTERM, lambda *_: None)
            print("ready", flush=True)
            time.sleep(60)
    except Terminated:
        print("heard", flush=True)
        if sys.argv[1] == "sleep":
            sys.exit(143)
        time.sleep(60)
"""


def terminate(how: str, grace: float = 60.0):
    command = [sys.executable, "-W", "ignore", "-c", TERMINABLE, how, str(grace)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    process.terminate()
    return process


def test_a_signal_is_heard_at_once():
    process = terminate("sleep")
    assert process.communicate()[0] == "heard\n"
    assert process.returncode == 143


def test_a_signal_that_python_swallows_is_heard_at_the_next_step_and_a_second_ends_the_process():
    process = terminate("swallow")
    assert process.stdout.readline() == "heard\n"
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode == -signal.SIGINT


def test_a_process_that_does_not_hear_ends_all_the_same():
    process = terminate("deaf", 0.2)
    assert "the last checkpoint stands" in process.communicate()[1]
    assert process.returncode == 143


@pytest.mark.parametrize("kind", [Terminated, KeyboardInterrupt])
def test_what_stopped_a_program_is_found_behind_the_error_that_hides_it(kind):
    def leave_scope_wrongly():
        try:
            raise kind
        finally:
            raise RuntimeError("Exiting device scope without proper scope nesting")

    def fail_to_save():
        try:
            raise kind
        except kind:
            raise StorageError("disk full") from None

    def found(fail):
        try:
            fail()
        except BaseException as error:
            return interruption(error)

    assert isinstance(found(leave_scope_wrongly), kind)
    assert found(fail_to_save) is None
    assert found(lambda: 1 / 0) is None
