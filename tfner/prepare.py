"""`python -m tfner.prepare CONFIG.yaml [key=value …] --to FOLDER`: encode a corpus that does not fit into memory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tfner.commands import load_tensorflow, messages, output, run
from tfner.config import load_settings
from tfner.data.shards.manifest import DROPPED
from tfner.training.prepare_shards import SHARDS, prepare_shards


def prepare(
    config: Annotated[Path, typer.Argument(help="YAML file with the settings of the run.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Settings to replace: data.train=FILE."),
    ] = None,
    *,
    to: Annotated[
        Path,
        typer.Option(
            "--to", metavar="FOLDER", help="Folder to write, for data.train=prepared:FOLDER."
        ),
    ],
    shards: Annotated[int, typer.Option(min=1, help="Files to deal the windows out to.")] = SHARDS,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that encode; by default one a core.")
    ] = None,
) -> None:
    """Tokenize, label and window data.train once, in parallel and in bounded memory, into shards that training streams."""
    settings = load_settings(config, overrides or ())
    manifest = prepare_shards(
        settings, to, messages(), shards=shards, workers=workers, load=load_tensorflow
    )
    console = output()
    console.print(
        f"{manifest.documents} documents, {manifest.windows} windows, {manifest.pieces} pieces in {len(manifest.shards)} shards"
    )
    if manifest.lost:
        lost = ", ".join(
            f"{count} {reason.replace('_', ' ')}" for reason, count in manifest.lost.items()
        )
        console.print(f"{lost} ({to / DROPPED} names them)")
    console.print(f"to train from it: data.train=prepared:{to}")


if __name__ == "__main__":
    run(prepare)
