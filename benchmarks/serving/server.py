"""Loads the server, with and without batching, against direct calls of the SavedModel.

usage: python -m benchmarks.serving.server MODEL [--texts 1] [--clients 1 8 32] [--seconds 8]
           [--rounds 3] [--batch-texts 32] [--parallel 1] [--smoke]

MODEL is what `python -m tfner.serve` takes. Each client is closed-loop: it sends its next request,
of --texts sentences, when it has its answer. Clients, in this process, and servers, in processes of
their own, talk REST over loopback. The direct calls are made in this process too, on the same
texts, --batch-texts sentences at a time, while the servers idle. Everything is measured in turn,
--rounds times; the table holds medians. The servers start one after the other, each until its
first answer. The sentences are made up from the templates of
`tfner.quickstart`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit
from urllib.request import urlopen

from benchmarks.machine import peak_mib, print_machine, read_proc
from benchmarks.tables import table_row

SENTENCES = 512
CONTENT_LENGTH = re.compile(rb"(?i)content-length: *(\d+)")
STARTED = re.compile(r"^REST:\s+(\S+)$")
TITLES = (
    "clients",
    "requests/s",
    "texts/s",
    "of direct",
    "p50 ms",
    "p95 ms",
    "p99 ms",
    "CPU ms/text",
    "errors",
)
PACKAGES = ("tensorflow", "numpy", "uvicorn", "starlette")


class Load(NamedTuple):
    """Holds one measurement: what the clients got in so many seconds."""

    seconds: float
    latencies: list[float]  # of answered requests, in seconds
    errors: int
    texts: int  # in a request
    processor_seconds: float  # of the server

    @property
    def requests_per_second(self) -> float:
        """Count answered requests a second."""
        return len(self.latencies) / self.seconds

    @property
    def texts_per_second(self) -> float:
        """Count answered texts a second."""
        return self.requests_per_second * self.texts

    @property
    def processor_milliseconds(self) -> float:
        """Measure the processor time of the server for a text."""
        answered = max(1, len(self.latencies) * self.texts)
        return 1000 * self.processor_seconds / answered

    def milliseconds(self, percentile: int) -> float:
        """Give a percentile of the time from request to answer, by nearest rank."""
        if not self.latencies:
            return float("nan")
        rank = -(-len(self.latencies) * percentile // 100)  # rounded up
        return 1000 * sorted(self.latencies)[max(0, rank - 1)]


@dataclass
class Server:
    """Holds a server under test and what was measured of it by number of clients."""

    name: str
    process: subprocess.Popen
    address: str
    seconds_to_listen: float
    seconds_to_answer: float
    loads: dict[int, list[Load]] = field(default_factory=dict)
    peak_mib: float = 0.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Start the servers, measure all in turn and print the table."""
    options = parse(arguments)
    texts = make_texts()
    modes = {"batching": [], "no batching": ["--no-batching"]}
    with stopping() as servers:
        for name, flags in modes.items():
            servers.append(start(options, name, flags))
        direct = load_direct(options.model, texts, options.batch_texts)
        calls = measure(options, servers, texts, direct)
        for server in servers:
            server.peak_mib = peak_mib(server.process.pid)
    report(options, servers, calls)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--texts", type=int, default=1, help="sentences in a request")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    about_batch = "of the server, and of a direct call"
    parser.add_argument("--batch-texts", type=int, default=32, help=about_batch)
    parser.add_argument("--parallel", type=int, default=1, help="batches at once, in the server")
    about_smoke = "one short round: does it run, not how fast"
    parser.add_argument("--smoke", action="store_true", help=about_smoke)
    options = parser.parse_args(arguments)
    if options.smoke:
        options.seconds, options.rounds, options.clients = 0.3, 1, [1, 4]
    return options


def make_texts() -> list[str]:
    """Make sentences, the same on every machine."""
    from tfner.quickstart.generate import Split, quickstart_grammar, records

    made = records(Split("benchmark", SENTENCES), quickstart_grammar())
    return [record["text"] for record in made]


def start(options: argparse.Namespace, name: str, flags: list[str]) -> Server:
    """Start a server, wait until it says where it listens, and ask it once."""
    command = [sys.executable, "-m", "tfner.serve", str(options.model)]
    command += ["--port", "0", "--grpc-port", "0"]
    command += ["--batch-texts", str(options.batch_texts)]
    command += ["--parallel", str(options.parallel), *flags]
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    for line in process.stdout or ():
        if match := STARTED.match(line.strip()):
            listens = time.perf_counter() - begun
            body = json.dumps({"inputs": {"text": ["One short text."]}}).encode()
            with urlopen(f"{match[1]}:predict", body) as answer:
                answer.read()
            return Server(name, process, match[1], listens, time.perf_counter() - begun)
    sys.exit(f"the server ended with {process.wait()} before it listened: {' '.join(command)}")


@contextmanager
def stopping() -> Iterator[list[Server]]:
    """End the servers that are put into the list, as a supervisor would, whatever happens."""
    servers: list[Server] = []
    try:
        yield servers
    finally:
        for server in servers:
            server.process.terminate()
        for server in servers:
            server.process.wait(60)
            if server.process.stdout:
                server.process.stdout.close()


class Direct:
    """Calls the SavedModel itself, batch after batch."""

    def __init__(self, run, texts: list[str], rows: int):
        import numpy as np

        self._run = run
        self._rows = rows
        encoded = [text.encode() for text in texts]
        batches = []
        for begin in range(0, len(texts), rows):
            batch = list(islice(cycle(encoded), begin, begin + rows))
            batches.append(np.array(batch, object))
        self._batches = cycle(batches)

    def __call__(self, seconds: float) -> Load:
        """Call for so many seconds, as a client has it that waits for nobody."""
        latencies: list[float] = []
        begun, processor = time.perf_counter(), time.process_time()
        while sum(latencies) < seconds:
            start = time.perf_counter()
            self._run("serving_default", {"text": next(self._batches)})
            latencies.append(time.perf_counter() - start)
        taken = time.perf_counter() - begun
        used = time.process_time() - processor
        return Load(taken, latencies, 0, self._rows, used)


def load_direct(model: Path, texts: list[str], rows: int) -> Direct:
    """Load the SavedModel into this process."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from tfner.serving.runtime.saved_model import find_version
    from tfner.serving.server.servable import load_servable

    return Direct(load_servable(find_version(model), 1).run, texts, rows)


def measure(
    options: argparse.Namespace, servers: list[Server], texts: list[str], direct: Direct
) -> list[Load]:
    """Measure all in turn, after a round that only warms up; give the direct calls."""
    bodies = make_bodies(texts, options.texts)
    calls = []
    for number in range(options.rounds + 1):
        warming = number == 0
        seconds = options.seconds / 4 if warming else options.seconds
        calls.append(direct(seconds))
        for clients in options.clients:
            for server in servers:
                load = asyncio.run(drive(server, bodies, clients, seconds, options.texts))
                if not warming:
                    server.loads.setdefault(clients, []).append(load)
    return calls[1:]


def make_bodies(texts: list[str], count: int) -> list[bytes]:
    """Make requests of `count` sentences each, every sentence about equally often."""
    sentences = cycle(texts)
    bodies = []
    for _ in texts:
        body = {"inputs": {"text": list(islice(sentences, count))}}
        bodies.append(json.dumps(body, ensure_ascii=False).encode())
    return bodies


async def drive(
    server: Server, bodies: list[bytes], clients: int, seconds: float, texts: int
) -> Load:
    """Run closed-loop clients for so many seconds.

    A request that is under way at the end is waited for but not counted.
    """
    url, processor = urlsplit(server.address), processor_seconds(server.process.pid)
    head = (
        f"POST {url.path}:predict HTTP/1.1\r\nHost: {url.netloc}\r\n"
        "Content-Type: application/json\r\nContent-Length: "
    )
    requests = [f"{head}{len(body)}\r\n\r\n".encode() + body for body in bodies]
    begun = time.perf_counter()
    end = begun + seconds
    runs = (
        client(url.hostname or "", url.port or 0, requests[number::clients], end)
        for number in range(clients)
    )
    results = await asyncio.gather(*runs)
    latencies = [latency for found, _ in results for latency in found]
    errors = sum(errors for _, errors in results)
    used = processor_seconds(server.process.pid) - processor
    return Load(seconds, latencies, errors, texts, used)


async def client(
    host: str, port: int, requests: list[bytes], end: float
) -> tuple[list[float], int]:
    """Run one client with one connection; give latencies in seconds and the number of errors."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        return await send_in_turn(reader, writer, requests, end)
    finally:
        writer.close()
        await writer.wait_closed()


async def send_in_turn(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, requests: list[bytes], end: float
) -> tuple[list[float], int]:
    """Speak HTTP by hand: a client library costs more than the server under test."""
    latencies, errors = [], 0
    for request in cycle(requests):
        begun = time.perf_counter()
        if begun >= end:
            break
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = CONTENT_LENGTH.findall(head)[0]
        await reader.readexactly(int(length))
        now = time.perf_counter()
        if not head.startswith(b"HTTP/1.1 200 "):
            errors += 1
        elif now < end:
            latencies.append(now - begun)
    return latencies, errors


def processor_seconds(pid: int) -> float:
    """Measure what a process has used of all processors, as Linux counts it; NaN elsewhere."""
    fields = read_proc(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    if not fields:
        return float("nan")
    user, system = int(fields[11]), int(fields[12])
    return (user + system) / os.sysconf("SC_CLK_TCK")


def report(options: argparse.Namespace, servers: list[Server], calls: list[Load]) -> None:
    """Print where, what and how fast."""
    print_machine(PACKAGES)
    print(f"model: {options.model}; measured {options.seconds:g} s each, rounds: {options.rounds}")
    batch = options.batch_texts
    sizes = f"texts in a request: {options.texts}, in a batch: {batch}"
    print(f"{sizes}; batches at once: {options.parallel}")
    rates = [load.texts_per_second for load in calls]
    print(f"direct calls of {batch} texts: from {min(rates):.1f} to {max(rates):.1f} texts/s")
    print(table_row("", TITLES, first=12))
    print_row("direct", 1, calls, calls)
    for server in servers:
        for clients, loads in server.loads.items():
            print_row(server.name, clients, loads, calls)
    for server in servers:
        ended = f"ended with {server.process.returncode}"
        print(f"{server.name}: peak memory {server.peak_mib:.0f} MiB, {ended}")
        listens, answers = server.seconds_to_listen, server.seconds_to_answer
        print(f"{server.name}: listens after {listens:.1f} s, first answer after {answers:.1f} s")


def print_row(name: str, clients: int, loads: list[Load], direct: list[Load]) -> None:
    """Print medians over rounds, and the errors of all."""
    texts = statistics.median(load.texts_per_second for load in loads)
    ratio = texts / statistics.median(load.texts_per_second for load in direct)
    times = [
        statistics.median(load.milliseconds(percentile) for load in loads)
        for percentile in (50, 95, 99)
    ]
    requests = statistics.median(load.requests_per_second for load in loads)
    processor = statistics.median(load.processor_milliseconds for load in loads)
    columns = [
        f"{clients}",
        f"{requests:.1f}",
        f"{texts:.1f}",
        f"{ratio:.2f}",
        *(f"{each:.1f}" for each in times),
        f"{processor:.2f}",
        sum(load.errors for load in loads),
    ]
    print(table_row(name, columns, first=12))


if __name__ == "__main__":
    main()
