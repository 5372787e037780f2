"""Start the server, say where it listens, and let it end.

At the end it takes no new requests, and those under way are finished.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route

from tfner.exceptions import ConfigError, ModelError
from tfner.serving.export.version_numbers import complete_versions, version_number
from tfner.serving.server.batching import ServerBatching
from tfner.serving.server.grpc_service import add_services
from tfner.serving.server.limits import Limits
from tfner.serving.server.model_versions import Load, ModelVersions
from tfner.serving.server.page import Page
from tfner.serving.server.rest import RestApi
from tfner.serving.server.servable import load_servable
from tfner.serving.server.service import Service

logger = logging.getLogger(__name__)
SIGNALS = (signal.SIGTERM, signal.SIGINT)
DRAINING = (
    "interrupted: requests under way get {:g} s, new ones are refused; Ctrl-C again ends at once"
)
BACKLOG = 1024  # connections that may wait to be accepted
# Seconds; by Python's 0.005 the event loop and the model's threads wait long for each other.
SWITCH_INTERVAL = 0.0005
Ready = Callable[["Addresses"], None]


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Configure a server; ports of 0 take any that is free."""

    folder: Path
    name: str = ""  # the folder's, where empty
    host: str = "127.0.0.1"
    port: int = 8501
    grpc_port: int = 8500
    labels: Mapping[str, int] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    batching: ServerBatching = field(default_factory=ServerBatching)
    poll_seconds: float = 2.0
    drain_seconds: float = 30.0


class Addresses(NamedTuple):
    """Say where a running server listens."""

    model: str
    versions: list[int]
    rest: str
    grpc: str


def run_server(settings: ServerSettings, ready: Ready, load: Load = load_servable) -> None:
    """Serve until SIGTERM or SIGINT; `ready` is called once requests are taken.

    Raises:
        ModelError: there is no version that can be loaded.
        ConfigError: a port cannot be had.
    """
    interval = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL)
    try:
        asyncio.run(serve(settings, ready, load))
    finally:
        sys.setswitchinterval(interval)


async def serve(settings: ServerSettings, ready: Ready, load: Load = load_servable) -> None:
    """Do what `run_server` does, in a running event loop of the main thread."""
    models = open_models(settings, load)
    on_ctrl_c = signal.getsignal(signal.SIGINT)
    service = Service(models, settings.limits, settings.batching)
    with rest_socket(settings) as listener:
        rpc, rpc_port = grpc_server(settings, service)
        try:
            await models.start()
            await rpc.start()
            listener.listen(BACKLOG)  # so that whoever learns the address is not turned away
            rest = RestServer(uvicorn_config(service, settings))
            host = url_host(settings.host)
            rest_url = f"http://{host}:{listener.getsockname()[1]}"
            addresses = Addresses(models.name, models.served, rest_url, f"{host}:{rpc_port}")
            running = asyncio.create_task(rest.serve([listener]))
            polling = asyncio.create_task(poll_for_versions(models, settings.poll_seconds))
            ready(addresses)
            await wait_for_signal(running, settings.drain_seconds)
            polling.cancel()
            rest.should_exit = True
            await asyncio.gather(running, rpc.stop(settings.drain_seconds))
        finally:
            await rpc.stop(None)
            service.close()
            signal.signal(signal.SIGINT, on_ctrl_c)


class RestServer(uvicorn.Server):
    """Run uvicorn without its signals.

    It would end the process by the signal once it has drained, and the exit code is to be 0.
    """

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


async def wait_for_signal(running: asyncio.Task, drain_seconds: float) -> None:
    """Wait until SIGTERM or SIGINT, or until `running` ends by itself.

    A second signal is not caught, so it ends the process at once.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop(which: signal.Signals) -> None:
        """End the wait, and leave further signals to the operating system."""
        stopped.set()
        for each in SIGNALS:
            loop.remove_signal_handler(each)
            signal.signal(each, signal.SIG_DFL)
        if which == signal.SIGINT:
            print(DRAINING.format(drain_seconds), file=sys.stderr, flush=True)

    for number in SIGNALS:
        loop.add_signal_handler(number, stop, number)
    waiting = asyncio.create_task(stopped.wait())
    await asyncio.wait([waiting, running], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()


async def poll_for_versions(models: ModelVersions, seconds: float) -> None:
    """Look for new versions for ever."""
    while True:
        await asyncio.sleep(seconds)
        try:
            await models.poll()
        except OSError as error:
            logger.warning("%s: cannot look for versions: %s", models.name, error)


def open_models(settings: ServerSettings, load: Load) -> ModelVersions:
    """Open a model's folder, or the one version that was given instead of it.

    Raises:
        ModelError: there is no such folder.
        ConfigError: the name would not fit into a path.
    """
    folder = settings.folder
    if not folder.is_dir():
        raise ModelError(f"{folder}: no such folder")
    if set(settings.name) & set("/:"):
        raise ConfigError(f"--name {settings.name}: expected no / and no :, which part a path")
    folder = folder.resolve()
    find = partial(complete_versions, folder)
    if (folder / "saved_model.pb").is_file():
        number = version_number(folder.name)
        find = partial(dict, {1 if number is None else number: folder})
        folder = folder if number is None else folder.parent
    return ModelVersions(settings.name or folder.name, find, load, settings.labels)


def web_app(service: Service) -> Starlette:
    """Route the page and the REST paths."""
    page = Route("/", Page(service.models.name).respond)
    rest = Route("/v1/{rest:path}", RestApi(service))
    return Starlette(routes=[page, rest])


def uvicorn_config(service: Service, settings: ServerSettings) -> uvicorn.Config:
    """Configure uvicorn to serve quietly, and to wait for requests under way at the end."""
    quiet: Any = {"log_config": None, "log_level": logging.WARNING, "access_log": False}
    plain: Any = {"lifespan": "off", "ws": "none", "proxy_headers": False, "server_header": False}
    seconds = max(1, round(settings.drain_seconds))
    return uvicorn.Config(web_app(service), timeout_graceful_shutdown=seconds, **quiet, **plain)


def grpc_server(settings: ServerSettings, service: Service) -> tuple[grpc.aio.Server, int]:
    """Make a server that is not yet started, and give it with its port.

    Raises:
        ConfigError: the port cannot be had.
    """
    largest = settings.limits.body_bytes
    options = [("grpc.max_receive_message_length", largest), ("grpc.max_send_message_length", -1)]
    options.append(("grpc.so_reuseport", 0))  # a port in use is an error, not shared
    server = grpc.aio.server(options=options)
    add_services(server, service)
    address = f"{url_host(settings.host)}:{settings.grpc_port}"
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise cannot_listen("--grpc-port", settings.grpc_port, settings.host, error) from None
    return server, port


@contextmanager
def rest_socket(settings: ServerSettings) -> Iterator[socket.socket]:
    """Bind the address of REST before a model is loaded, so that a port in use is said at once.

    Raises:
        ConfigError: the port cannot be had.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # Named as TCP, or asyncio leaves Nagle's algorithm on, and the second half of an answer waits
    # 40 ms for the client's acknowledgement.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, settings.port))
        except OSError as error:
            reason = error.strerror or error
            raise cannot_listen("--port", settings.port, settings.host, reason) from None
        yield listener


def cannot_listen(option: str, port: int, host: str, reason: object) -> ConfigError:
    """Make the error for a port that cannot be had."""
    return ConfigError(f"{option} {port}: cannot listen on {host}: {reason}")


def url_host(host: str) -> str:
    """Write an address as it stands in front of a port: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host
