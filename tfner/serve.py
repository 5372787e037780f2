"""`python -m tfner.serve saved_models/NAME`: serve a model locally, for development."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tfner.commands import output, run
from tfner.exceptions import ConfigError
from tfner.serving.export.version_numbers import version_number
from tfner.serving.server import require_packages

if TYPE_CHECKING:
    from tfner.serving.server.app import Addresses

MODEL_HELP = "Folder of a model's versions, for example saved_models/wnut17."
PORT_HELP = "Port for {}; 0 takes any that is free."
HOST_HELP = "Address to listen on; 0.0.0.0 for all of this machine's."
NAME_HELP = "Name of the model in requests; default: the folder's."
LABEL_HELP = "Serve version N too, under a label; may be repeated."
BATCHING_HELP = "Answer requests that come together in one call of the model."
LONGEST_WAIT = "at most; never over a tenth of a call's own time"
WAIT_HELP = f"Milliseconds to wait for one more request, {LONGEST_WAIT}."
TIMEOUT_HELP = "Seconds until a request is given up."
POLL_HELP = "Seconds between looks for new versions."
DRAIN_HELP = "Seconds that requests under way get after SIGTERM."
MODEL = typer.Argument(metavar="MODEL", help=MODEL_HELP)
PORT = typer.Option(min=0, max=65535, help=PORT_HELP.format("REST and the page"))
GRPC_PORT = typer.Option(min=0, max=65535, help=PORT_HELP.format("gRPC"))
LABEL = typer.Option(metavar="LABEL=N", help=LABEL_HELP)


def serve(
    folder: Annotated[Path, MODEL],
    port: Annotated[int, PORT] = 8501,
    grpc_port: Annotated[int, GRPC_PORT] = 8500,
    host: Annotated[str, typer.Option(help=HOST_HELP)] = "127.0.0.1",
    name: Annotated[str, typer.Option(help=NAME_HELP)] = "",
    label: Annotated[list[str] | None, LABEL] = None,
    batching: Annotated[bool, typer.Option(help=BATCHING_HELP)] = True,
    batch_texts: Annotated[int, typer.Option(min=1, help="Most texts in a call.")] = 32,
    batch_wait: Annotated[float, typer.Option(min=0, help=WAIT_HELP)] = 20.0,
    parallel: Annotated[int, typer.Option(min=1, help="Batches of a signature at once.")] = 1,
    max_body: Annotated[float, typer.Option(min=0.001, help="Largest request, in MiB.")] = 8.0,
    max_texts: Annotated[int, typer.Option(min=1, help="Most texts in a request.")] = 1024,
    timeout: Annotated[float, typer.Option(min=0.001, help=TIMEOUT_HELP)] = 60.0,
    poll: Annotated[float, typer.Option(min=0.1, help=POLL_HELP)] = 2.0,
    drain: Annotated[float, typer.Option(min=0, help=DRAIN_HELP)] = 30.0,
) -> None:
    """Serve an exported model on this machine as tensorflow_model_server would; for development.

    It has a page to try the model.
    """
    require_packages()
    labels = read_labels(label or ())
    from tfner.serving.server.app import ServerSettings, run_server
    from tfner.serving.server.batching import ServerBatching
    from tfner.serving.server.limits import Limits

    model: Any = {"folder": folder, "name": name, "labels": labels}
    addresses: Any = {"host": host, "port": port, "grpc_port": grpc_port}
    seconds: Any = {"poll_seconds": poll, "drain_seconds": drain}
    limits = Limits(body_bytes=round(max_body * 2**20), batch_size=max_texts, seconds=timeout)
    wait = batch_wait / 1000
    merging = ServerBatching(batching, batch_texts, wait_seconds=wait, parallel=parallel)
    settings = {**model, **addresses, **seconds, "limits": limits, "batching": merging}
    run_server(ServerSettings(**settings), announce)


def read_labels(options: Sequence[str]) -> dict[str, int]:
    """Read labels of versions: `canary=3` names version 3.

    Raises:
        ConfigError: an option is of another form, or a label is given twice.
    """
    labels: dict[str, int] = {}
    for option in options:
        label, _, version = option.partition("=")
        number = version_number(version)
        if not label or set(label) & set("/:") or number is None:
            raise ConfigError(f"--label {option}: expected LABEL=VERSION, for example canary=3")
        if label in labels:
            raise ConfigError(f"--label {option}: {label} is version {labels[label]} already")
        labels[label] = number
    return labels


def announce(addresses: Addresses) -> None:
    """Say where the server listens; scripts read these lines."""
    console = output()
    versions = ", ".join(map(str, addresses.versions))
    console.print(f"model: {addresses.model}, version {versions}", markup=False)
    console.print(f"page:  {addresses.rest}/", markup=False)
    console.print(f"REST:  {addresses.rest}/v1/models/{addresses.model}", markup=False)
    console.print(f"gRPC:  {addresses.grpc}", markup=False)


if __name__ == "__main__":
    run(serve)
