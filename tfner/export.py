"""`python -m tfner.export RUN`: export the best weights of a run again, or publish a version."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from tfner.commands import output, run
from tfner.exceptions import ConfigError
from tfner.quiet_tensorflow import load_tensorflow
from tfner.safeio.printable import show
from tfner.safeio.sources import check_is_run, is_run
from tfner.serving.runtime.thresholds import numbers_by_type

EXPORT = "to publish also an export, such as saved_models/wnut17"
RUN_HELP = f"Folder of a run, such as runs/wnut17; {EXPORT}."
REMOVED = "all but the newest N versions and those that models.config uses"
KEEP_HELP = f"After --publish: remove {REMOVED}."
SETTINGS_HELP = "Settings of the group export, as precision=bfloat16 or threshold.PER=0.5."
SETTINGS = typer.Argument(metavar="[KEY=VALUE …]", help=SETTINGS_HELP)
TO_HELP = "Folder that receives the version; default: as the run's settings say."
PUBLISH_HELP = "Folder that a server watches: add the next version, an export's files as they are."
PRECISION_HELP = (
    "Leave out entities that score too low for this precision on the run's dev data: "
    "NUMBER for all types together, or TYPE=NUMBER, once a type."
)
CONFIG_HELP = "The server's models.config; default: DIR/../models.config where there is one."


def export(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help=RUN_HELP)],
    overrides: Annotated[list[str] | None, SETTINGS] = None,
    to: Annotated[Path | None, typer.Option(help=TO_HELP)] = None,
    publish: Annotated[Path | None, typer.Option(metavar="DIR", help=PUBLISH_HELP)] = None,
    keep: Annotated[int | None, typer.Option(min=1, metavar="N", help=KEEP_HELP)] = None,
    models_config: Annotated[Path | None, typer.Option(metavar="FILE", help=CONFIG_HELP)] = None,
    precision: Annotated[
        list[str] | None,
        typer.Option("--precision-at-least", metavar="[TYPE=]NUMBER", help=PRECISION_HELP),
    ] = None,
) -> None:
    """Export the best weights of a run as the next version, or publish one to a server's folder."""
    check_options(to, publish, keep, models_config)
    at_least = read_precision(precision or ())
    for_runs = [*(overrides or ()), *(f"--precision-at-least {each}" for each in precision or ())]
    if publish is not None and for_runs and not is_run(run_folder):
        refusal = f"settings are for a run; {run_folder} is an export, and published as it is"
        raise ConfigError(f"command line: {for_runs[0]}: {refusal}")
    if publish is None:
        check_is_run(run_folder, "an export already; the run that it came from is needed")
    load_tensorflow()
    from tfner.serving.export.publish import copy_version
    from tfner.training.restore import export_run

    choice = {"at_least": at_least, "say": output().print}
    export_to = partial(export_run, run_folder, overrides=overrides or (), **choice)
    if publish is None:
        output().print(f"exported: {export_to(to)}")
        return
    add = export_to if is_run(run_folder) else partial(copy_version, run_folder)
    publish_version(add, publish, keep, models_config)


def read_precision(texts: Sequence[str]) -> dict[str, float]:
    """Read the precision to reach, by type; "" for all that are not named.

    >>> read_precision(["0.9", "PER=0.95"])
    {'': 0.9, 'PER': 0.95}

    Raises:
        ConfigError: one is no number above 0 and at most 1, or a type has two.
    """
    at_least = {}
    try:
        numbers = numbers_by_type(texts, "--precision-at-least")
    except ValueError as error:
        raise ConfigError(str(error)) from None
    for name, number in numbers.items():
        try:
            at_least[name] = float(number)
        except ValueError:
            at_least[name] = 0.0
        if not 0 < at_least[name] <= 1:
            text = f"{name}={number}" if name else number
            expected = "expected NUMBER or TYPE=NUMBER, above 0 and at most 1"
            raise ConfigError(f"--precision-at-least: {expected}, got {show(text)}")
    return at_least


def check_options(
    to: Path | None, publish: Path | None, keep: int | None, models_config: Path | None
) -> None:
    if to is not None and publish is not None:
        raise ConfigError("command line: expected one of --to and --publish, got both")
    if keep is not None and publish is None:
        raise ConfigError("command line: --keep: expected together with --publish")
    if models_config is not None and keep is None:
        expected = "expected together with --keep, which is what reads it"
        raise ConfigError(f"command line: --models-config: {expected}")


def publish_version(
    add: Callable[[Path], Path], folder: Path, keep: int | None, models_config: Path | None
) -> None:
    """Publish what `add` adds to a folder and print what was done."""
    from tfner.serving.export.publish import publish

    for line in publish(add, folder, keep=keep, models_config=models_config).lines():
        output().print(line, markup=False)


if __name__ == "__main__":
    run(export)
