"""`python -m tfner.export RUN`: export the best weights of a run once more."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tfner.commands import load_tensorflow, output, run


def export(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run, for example runs/wnut17.")],
    to: Annotated[Path | None, typer.Option(help="Folder that receives the version; default: as the run's settings say.")] = None,
) -> None:
    """Export the best weights of a run as the next version of its SavedModel."""
    load_tensorflow()
    from tfner.training.restore import export_run

    output().print(f"exported: {export_run(run_folder, to)}")


if __name__ == "__main__":
    run(export)
