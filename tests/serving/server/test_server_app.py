"""The server as a process: where it listens, how it drains, what it says of a mistake."""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import grpc
import httpx
import pytest
import server_fakes as fakes
from subprocesses import call
from typer.testing import CliRunner

import tfner.serve as entry
from tfner.exceptions import ConfigError, MissingExtraError, ModelError
from tfner.serving.server.app import RestServer, ServerSettings, open_models, rest_socket, serve
from tfner.serving.server.limits import Limits

PATIENCE = 30.0  # seconds
BODY = {"instances": ["Anna"]}


@pytest.fixture
def model():
    return fakes.FakeModel()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "tagger" / "1").mkdir(parents=True)
    (tmp_path / "tagger" / "1" / "saved_model.pb").touch()
    return tmp_path / "tagger"


def while_serving(scenario, folder, model, **options):
    """Run `scenario(addresses, client)` beside a server, which it has to end by a signal.

    Returns what the scenario returns.
    """
    settings = ServerSettings(
        folder, **{"port": 0, "grpc_port": 0, "poll_seconds": 0.01, **options}
    )

    def load(_, version):
        model.servables.append(fakes.servable(model, version))
        return model.servables[-1]

    async def main():
        ready = asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(serve(settings, ready.set_result, load))
        await asyncio.wait([ready, serving], timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        async with httpx.AsyncClient(timeout=PATIENCE) as client:
            result = await asyncio.wait_for(scenario(ready.result(), client), PATIENCE)
        await asyncio.wait_for(serving, PATIENCE)
        return result

    return asyncio.run(main())


def end(number=signal.SIGTERM):
    os.kill(os.getpid(), number)


async def until(condition):
    """Give the loop back until a condition holds; `while_serving` ends what takes too long."""
    while not (await met if inspect.isawaitable(met := condition()) else met):
        await asyncio.sleep(0.002)


def test_it_serves_rest_page_and_grpc_where_it_says(folder, model):
    async def scenario(addresses, client):
        answer = await client.post(
            f"{addresses.rest}/v1/models/{addresses.model}:predict", json=BODY
        )
        page = await client.get(f"{addresses.rest}/")
        async with grpc.aio.insecure_channel(addresses.grpc) as channel:
            await asyncio.wait_for(channel.channel_ready(), PATIENCE)
        end()
        return addresses, answer, page

    addresses, answer, page = while_serving(scenario, folder, model)
    assert (addresses.model, addresses.versions) == ("tagger", [1])
    assert answer.json()["predictions"][0]["entity_label"] == ["PER"]
    assert 'data-model="tagger"' in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_requests_finish_and_takes_no_new_ones(folder, model, number):
    async def scenario(addresses, client):
        url = f"{addresses.rest}/v1/models/tagger:predict"
        port = int(addresses.rest.rsplit(":", 1)[1])
        model.gate.clear()
        requests = [asyncio.create_task(client.post(url, json=BODY)) for _ in range(5)]
        await until(lambda: model.servables[0].requests == len(requests))
        end(number)
        await until(lambda: refused(port))
        assert not any(request.done() for request in requests)
        model.gate.set()
        return await asyncio.gather(*requests)

    answers = while_serving(scenario, folder, model)
    assert [answer.status_code for answer in answers] == [200] * 5
    assert len(model.calls) < 5  # those that waited together were answered together


async def refused(port):
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return True
    writer.close()
    return False


def test_it_follows_the_folder(folder, model):
    async def scenario(addresses, client):
        (folder / "2").mkdir()
        (folder / "2" / "saved_model.pb").touch()

        async def switched():
            answer = await client.get(f"{addresses.rest}/v1/models/tagger")
            versions = [
                (each["version"], each["state"]) for each in answer.json()["model_version_status"]
            ]
            return versions == [("2", "AVAILABLE"), ("1", "END")]

        await until(switched)
        end()
        return True

    assert while_serving(scenario, folder, model)


def test_a_slow_sender_is_given_up(folder, model):
    async def scenario(addresses, client):
        port = int(addresses.rest.rsplit(":", 1)[1])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"POST /v1/models/tagger:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{"
        )
        answer = await reader.read()
        writer.close()
        end()
        return answer

    assert while_serving(scenario, folder, model, limits=Limits(seconds=0.05)).startswith(
        b"HTTP/1.1 504 "
    )


@pytest.mark.parametrize("option", ["port", "grpc_port"])
def test_a_port_in_use_is_told_before_a_model_is_loaded(folder, model, option):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(
            ConfigError,
            match=f"^--{option.replace('_', '-')} {taken.getsockname()[1]}: cannot listen on "
            f"127.0.0.1: ",
        ):
            asyncio.run(
                serve(
                    ServerSettings(
                        folder, **{"port": 0, "grpc_port": 0, option: taken.getsockname()[1]}
                    ),
                    print,
                    pytest.fail,
                )
            )


def test_answers_leave_at_once(folder):
    """The second half of an answer does not wait for the acknowledgement of the first."""

    async def option_of_a_connection():
        accepted = asyncio.get_running_loop().create_future()
        with rest_socket(ServerSettings(folder, port=0)) as listener:
            async with await asyncio.start_server(
                lambda _, writer: accepted.set_result(writer), sock=listener
            ):
                _, asking = await asyncio.open_connection(*listener.getsockname())
                answering = await asyncio.wait_for(accepted, PATIENCE)
                option = answering.get_extra_info("socket").getsockopt(
                    socket.IPPROTO_TCP, socket.TCP_NODELAY
                )
                for writer in (asking, answering):
                    writer.close()
                return option

    assert asyncio.run(option_of_a_connection())


def test_a_single_version_can_be_served(folder, model):
    models = open_models(
        ServerSettings(folder / "1"), lambda path, version: fakes.servable(model, version)
    )
    asyncio.run(models.start())
    assert (models.name, models.served) == ("tagger", [1])


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ModelError, match=f"{tmp_path / 'none'}: no such folder"):
        open_models(ServerSettings(tmp_path / "none"), pytest.fail)
    with pytest.raises(ConfigError, match="--name a/b: expected no / and no :"):
        open_models(ServerSettings(tmp_path, name="a/b"), pytest.fail)


@pytest.mark.parametrize("option", ["canary", "=3", "canary=", "canary=x", "a/b=3", "a:b=3"])
def test_a_label_is_a_name_and_a_version(option):
    with pytest.raises(ConfigError, match="expected LABEL=VERSION, for example canary=3"):
        entry.read_labels([option])


def test_labels_are_read():
    assert entry.read_labels(["canary=3", "stable=2"]) == {"canary": 3, "stable": 2}
    with pytest.raises(ConfigError, match="canary is version 3 already"):
        entry.read_labels(["canary=3", "canary=4"])


def test_a_missing_package_is_named_with_its_pip_line(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "uvicorn" else found(name)
    )
    with pytest.raises(
        MissingExtraError,
        match=r"the server needs the package uvicorn, .* pip install 'tfner\[serving\]'",
    ):
        entry.serve(Path("none"))


def test_options_reach_the_server(monkeypatch, tmp_path):
    settings = []
    monkeypatch.setattr(
        "tfner.serving.server.app.run_server", lambda given, ready: settings.append(given)
    )
    app = entry.typer.Typer()
    app.command()(entry.serve)
    options = "--port 1 --grpc-port 2 --host :: --name n --label a=3"
    more = "--no-batching --batch-texts 4 --batch-wait 5 --parallel 6"
    limits = "--max-body 0.5 --max-texts 7 --timeout 8 --poll 9 --drain 10"
    result = CliRunner().invoke(
        app, [str(tmp_path), *options.split(), *more.split(), *limits.split()]
    )
    assert result.exit_code == 0, result.output
    (given,) = settings
    assert (given.folder, given.port, given.grpc_port, given.host, given.name) == (
        tmp_path,
        1,
        2,
        "::",
        "n",
    )
    assert (dict(given.labels), given.poll_seconds, given.drain_seconds) == ({"a": 3}, 9, 10)
    assert given.limits == Limits(1 << 19, 7, 8)
    batching = given.batching
    assert (
        batching.enabled,
        batching.max_batch_size,
        batching.wait_seconds,
        batching.parallel,
    ) == (
        False,
        4,
        0.005,
        6,
    )


def test_help_loads_no_tensorflow_and_a_mistake_is_one_line():
    heavy = "{'tensorflow', 'starlette', 'uvicorn', 'grpc'}"
    code = f"import sys, tfner.serve; print(sorted({heavy} & set(sys.modules)))"
    assert call("tfner.serve", "--help").returncode == 0
    result = call("tfner.serve", "none", "--label", "x")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "error: --label x: expected LABEL=VERSION, for example canary=3\n"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "[]"
    )


def test_uvicorn_still_lets_its_signals_be_replaced():
    import uvicorn

    assert RestServer.capture_signals is not uvicorn.Server.capture_signals
    assert hasattr(uvicorn.Server, "capture_signals")
