"""`python -m tfner.prepare CONFIG.yaml [key=value …] --to FOLDER`: encode a corpus of any size."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tfner.commands import messages, output, run
from tfner.config import load_settings
from tfner.data.shards.manifest import DROPPED
from tfner.quiet_tensorflow import load_tensorflow
from tfner.training.prepare_shards import SHARDS, prepare_shards

TO_HELP = "Folder to write, for data.train=prepared:FOLDER."
SHARDS_HELP = "Files to deal the windows out to."
WORKERS_HELP = "Processes that encode; by default one a core."
OVERRIDES_HELP = "Settings to replace: data.train=FILE."
OVERRIDES = typer.Argument(metavar="[KEY=VALUE]...", help=OVERRIDES_HELP)


def prepare(
    config: Annotated[Path, typer.Argument(help="YAML file with the settings of the run.")],
    overrides: Annotated[list[str] | None, OVERRIDES] = None,
    *,
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help=TO_HELP)],
    shards: Annotated[int, typer.Option(min=1, help=SHARDS_HELP)] = SHARDS,
    workers: Annotated[int | None, typer.Option(min=1, help=WORKERS_HELP)] = None,
) -> None:
    """Tokenize, label and window data.train once, into shards that training streams."""
    settings = load_settings(config, overrides or ())
    sizes = {"shards": shards, "workers": workers}
    manifest = prepare_shards(settings, to, messages(), load=load_tensorflow, **sizes)
    console = output()
    counts = f"{manifest.documents} documents, {manifest.windows} windows, {manifest.pieces} pieces"
    console.print(f"{counts} in {len(manifest.shards)} shards")
    if manifest.lost:
        dropped = [f"{count} {reason.replace('_', ' ')}" for reason, count in manifest.lost.items()]
        console.print(f"{', '.join(dropped)} ({to / DROPPED} names them)")
    console.print(f"to train from it: data.train=prepared:{to}")


if __name__ == "__main__":
    run(prepare)
