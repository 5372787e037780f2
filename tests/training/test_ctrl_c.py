"""Ctrl-C in processes: what it says at once, how they end after one and after two."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
import tiny
import yaml
from subprocesses import environment
from sudden_death import Run, carry_out, differences, saved, wait_until, write_config
from terminal import draw, terminal

STUBBED = '''
import hashlib, sys, time
from threading import Timer
import tfner.commands, tfner.cross_validate, tfner.predict, tfner.suspects, tfner.tune
from tfner.training.state.termination import announce_ctrl_c, listening

command, how = sys.argv.pop(1), sys.argv.pop(1)

def work(*arguments):
    """Work for a minute, in Python's hands or out of them."""
    if how == "python":
        print("ready", flush=True)
        for _ in range(600):  # a signal that comes just before a sleep does not end it
            time.sleep(0.1)
    Timer(0.1, lambda: print("ready", flush=True)).start()
    hashlib.pbkdf2_hmac("sha256", b"", b"", 100_000_000)

class Recognizer:
    context, labels, entities_cut = "none", (), 0

    def recognize_block(self, documents):
        if documents[0].text != "first":
            work()
        yield [(index, []) for index in range(len(documents))]

def serve():
    """Answer one request for a minute."""
    import asyncio
    from threading import Thread
    import server_fakes as fakes
    from tfner.serving.server.app import ServerSettings, run_server
    model = fakes.FakeModel()
    model.gate.clear()

    def ask(addresses):
        import httpx
        url = f"{addresses.rest}/v1/models/{addresses.model}:predict"
        post = lambda: httpx.post(url, json={"instances": ["Anna"]}, timeout=60)
        Thread(target=post, daemon=True).start()
        def tell():
            while not model.servables[0].requests:
                time.sleep(0.01)
            print("ready", flush=True)
        Thread(target=tell, daemon=True).start()

    def load(_, version):
        model.servables.append(fakes.servable(model, version))
        return model.servables[-1]
    run_server(ServerSettings(__import__("pathlib").Path("tagger"), port=0, grpc_port=0), ask, load)

def bare():
    with announce_ctrl_c(lambda: "finishing", lambda: "half is left"):
        work()

tfner.commands.open_recognizer = lambda path: Recognizer()
for module in (tfner.cross_validate, tfner.suspects, tfner.tune):
    module.train_with_tensorflow = work
commands = {"predict": tfner.predict.predict, "suspects": tfner.suspects.suspects}
commands |= {"tune": tfner.tune.tune, "cross_validate": tfner.cross_validate.cross_validate}
commands |= {"bare": bare, "serve": serve}
tfner.commands.run(commands[command])
'''
AGAIN = "; Ctrl-C again ends at once\n"


class Stubbed:
    """Hold a command whose work takes a minute, once it works."""

    def __init__(self, process):
        self.process = process

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def said(self) -> str:
        """Read what it says next that Ctrl-C is the reason of."""
        while not (line := self.process.stderr.readline()).startswith("interrupted"):
            assert line, "it has ended"
        return line

    def ended(self) -> tuple[int, str]:
        code = self.process.wait(50)
        return code, self.process.stderr.read()


@contextmanager
def working(home, command, how, *arguments):
    """Start a command and wait until it works."""
    line = [sys.executable, "-W", "ignore", "-c", STUBBED, command, how, *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(line, cwd=home, env=environment(), **pipes) as process:
        while (said := process.stdout.readline()) != "ready\n":
            assert said, process.stderr.read()
        yield Stubbed(process)


@pytest.fixture
def home(tmp_path):
    texts = ["first"] * 1024 + ["second"] * 10
    (tmp_path / "in.txt").write_text("\n".join(texts) + "\n")
    rows = [f"name{n} B-{('PER', 'LOC')[n % 2]}\nleft O\n" for n in range(20)]
    (tmp_path / "train.conll").write_text("\n".join(rows))
    (tmp_path / "tagger" / "1").mkdir(parents=True)
    (tmp_path / "tagger" / "1" / "saved_model.pb").touch()
    values = {"name": "mine", "encoder": {"checkpoint": str(tiny.checkpoint())}}
    values["data"] = {"train": "train.conll"}
    values["tune"] = {"space": {"training.epochs": [1, 2]}}
    searched = {**values, "data": {"train": "train.conll", "dev": "train.conll"}}
    (tmp_path / "tune.yaml").write_text(yaml.safe_dump(searched))
    del values["tune"]
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(values))
    return tmp_path


def test_what_is_done_is_said_though_python_has_not_come_to_it_and_a_second_ends_the_process(home):
    with working(home, "bare", "c") as stubbed:
        stubbed.interrupt()
        assert stubbed.said() == f"interrupted: finishing{AGAIN}"
        stubbed.interrupt()
        assert stubbed.ended() == (130, "interrupted again: half is left\n")


def test_a_prediction_ends_with_whole_documents_and_goes_on(home):
    with working(home, "predict", "python", "model", "in.txt", "-o", "out.jsonl") as stubbed:
        stubbed.interrupt()
        goes_on = "the same command with --resume goes on"
        assert (
            stubbed.said()
            == f"interrupted: finishing the last documents of out.jsonl; {goes_on}" + (AGAIN)
        )
        assert stubbed.ended() == (130, "")
        lines = (home / "out.jsonl").read_text().splitlines()
        assert len(lines) == 1024
        assert all(line.endswith("}") for line in lines)


def goes_on(folder):
    return f"{folder}: the same command goes on"


@pytest.mark.long
@pytest.mark.parametrize(
    ("command", "arguments", "first", "left"),
    [
        (
            "predict",
            ["model", "in.txt"],
            "finishing the last documents of standard output",
            "ended at once; standard output may end within a document",
        ),
        ("tune", ["tune.yaml"], f"stopping; {goes_on('runs/mine-tune')}", None),
        ("cross_validate", ["run.yaml"], f"stopping; {goes_on('runs/mine-folds')}", None),
        ("suspects", ["run.yaml"], f"stopping; {goes_on('runs/mine-folds')}", None),
    ],
)
def test_each_command_says_what_a_second_ctrl_c_leaves(home, command, arguments, first, left):
    with working(home, command, "c", *arguments) as stubbed:
        stubbed.interrupt()
        assert stubbed.said() == f"interrupted: {first}{AGAIN}"
        stubbed.interrupt()
        left = left or first.replace("stopping", "ended at once")
        assert stubbed.ended() == (130, f"interrupted again: {left}\n")


@pytest.mark.long
def test_a_server_drains_and_a_second_ctrl_c_ends_it(home):
    with working(home, "serve", "python") as stubbed:
        stubbed.interrupt()
        assert (
            stubbed.said()
            == f"interrupted: requests under way get 30 s, new ones are refused{AGAIN}"
        )
        stubbed.interrupt()
        assert stubbed.ended()[0] == -signal.SIGINT


@pytest.mark.long
def test_a_training_saves_after_one_ctrl_c_and_ends_at_once_after_two(tmp_path):
    names = "whole", "stopped"
    more = {"head": "softmax", "epochs": 8, "checkpoint_steps": 3}
    whole, stopped = (write_config(tmp_path, name, **more) for name in names)
    last = tmp_path / "runs" / "stopped" / "checkpoints" / "last"
    assert carry_out(whole).code == 0

    first = Run(stopped)
    assert wait_until(lambda: saved(tmp_path / "runs", "stopped"), first)
    first.signal(signal.SIGINT)
    ended = first.end()
    assert ended.code == 130, ended.text
    assert f"interrupted: finishing the step, then saving {last}{AGAIN}" in ended.text
    assert re.search(r"INFO .*/last: saved at .*; the same command goes on from there", ended.text)

    before = saved(tmp_path / "runs", "stopped")
    second = Run(stopped)
    assert wait_until(lambda: saved(tmp_path / "runs", "stopped") - before, second)
    second.signal(signal.SIGINT)
    wait_until(lambda: "interrupted: " in second.log.read_text(), second)
    second.signal(signal.SIGINT)
    ended = second.end()
    assert ended.code == 130, ended.text
    assert "Traceback" not in ended.text
    third = carry_out(stopped)
    assert third.code == 0, third.text
    assert not differences(tmp_path / "runs" / "whole", tmp_path / "runs" / "stopped")


@pytest.mark.long
def test_a_training_on_a_terminal_is_a_line_an_epoch_and_one_that_is_replaced(tmp_path):
    config = write_config(tmp_path, "shown", dev=True, head="softmax", epochs=3)
    with terminal(80) as shown:
        run = Run(config, to=shown.name, term="xterm")
        run.process.join(200)
    assert run.process.exitcode == 0, shown.text
    begin = shown.text.index("epoch 1/3")
    end = shown.text.index("\x1b[?25h", begin)  # the cursor comes back: the bar is gone
    lines, widest = draw(shown.text[begin:end])
    epochs = [line for line in lines if line.startswith("epoch ")]
    assert [line.split("  ")[0] for line in epochs] == [f"epoch {n}/3" for n in range(1, 4)]
    assert all(re.search(r"loss \d.*train F1 \d.*dev F1 \d", line) for line in epochs)
    assert max(map(len, epochs)) <= 80
    bar = re.compile(r"epoch \d/3 .*━.* +\d+/12 \d+\.\d steps/s 0:00:\d\d left train F1 \d\.\d+")
    drawn = re.sub(r"\x1b\[[0-9;?]*m", "", shown.text)
    assert bar.search(drawn), drawn
    assert widest <= 80, drawn
