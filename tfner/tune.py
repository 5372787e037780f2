"""`python -m tfner.tune CONFIG.yaml --trials N [key=value …]`: search for better settings."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tfner.commands import messages, output, plain_console, run
from tfner.config import RunSettings, load_with_tuning
from tfner.exceptions import MissingExtraError, Terminated
from tfner.quiet_tensorflow import load_tensorflow
from tfner.training.dev_entities import check_dev
from tfner.training.held_out import hold_out
from tfner.training.search.folder import folder_of
from tfner.training.search.progress import SearchProgress, said_once
from tfner.training.search.results import print_results, print_under_way
from tfner.training.search.space import HEADS, SearchSpace, check_searchable, read_tuning
from tfner.training.state.termination import announce_ctrl_c, terminable

if TYPE_CHECKING:
    from tfner.training.search.search import Observe

TRIALS = 20
PIPED_WIDTH = 240  # columns, so that no line of a table is broken
TRIALS_HELP = "Trials in all, over every process and earlier call; pruned ones count."
OVERWRITE_HELP = "Delete the search of this name and begin again."
OVERRIDES_HELP = "Settings to replace: training.batching=padded."
CONFIG_HELP = "YAML file with the settings of the run, and under tune what is tried."
OVERRIDES = typer.Argument(metavar="[KEY=VALUE]...", help=OVERRIDES_HELP)


def tune(
    config: Annotated[Path, typer.Argument(help=CONFIG_HELP)],
    overrides: Annotated[list[str] | None, OVERRIDES] = None,
    trials: Annotated[int, typer.Option("--trials", min=1, help=TRIALS_HELP)] = TRIALS,
    overwrite: Annotated[bool, typer.Option("--overwrite", help=OVERWRITE_HELP)] = False,
) -> None:
    """Search for the settings of the best dev F1, and write them as a configuration.

    The same command goes on with a search that was stopped; in several processes at once they share
    its trials.
    """
    require_optuna()
    settings, tuning = load_with_tuning(config, overrides or ())
    check_searchable(settings, str(config))
    space, prunes = read_tuning(tuning, settings, str(config))
    check_heads(space, str(config))
    folder = folder_of(settings)
    divided = overwrite or not folder.splits.exists()
    division = hold_out(settings) if settings.data.shares() and divided else None
    check_dev(settings.data, division)
    folder.create(space, overwrite=overwrite)
    if division is not None:
        division.write_record(folder.path)
    from tfner.training.search.search import search
    from tfner.training.search.study import Study

    progress = SearchProgress(messages())
    goes_on = f"{folder.path}: the same command goes on"
    announced = announce_ctrl_c(lambda: f"stopping; {goes_on}", lambda: f"ended at once; {goes_on}")
    try:
        with terminable(), announced, said_once():
            records = search(
                folder, space, train_with_tensorflow, progress, trials=trials, prunes=prunes
            )
    except KeyboardInterrupt:
        messages().print(f"interrupted: {goes_on}")
        raise
    except Terminated as stopped:
        raise Terminated(str(stopped) or goes_on) from None
    console = output()
    if not console.is_terminal:
        console = plain_console(width=PIPED_WIDTH)
    study = Study(folder, space)
    print_results(console, folder, records, study.importance())
    print_under_way(console, study.under_way())


def require_optuna() -> None:
    """Check that the library is there, which is an extra.

    Raises:
        MissingExtraError: it is not.
    """
    if importlib.util.find_spec("optuna") is None:
        raise MissingExtraError("optuna", "tune", "python -m tfner.tune")


def check_heads(space: SearchSpace, source: str) -> None:
    """Check that the heads of all trials are there; for those of tfner itself without TensorFlow.

    Raises:
        ConfigError: one is not.
    """
    if space.heads() <= set(HEADS):
        return
    load_tensorflow()
    from tfner.training.search import trial

    trial.check_heads(space, source)


def train_with_tensorflow(settings: RunSettings, observe: Observe) -> float:
    """Train one trial; TensorFlow is imported here, before the first.

    Raises:
        NoResultError, TfnerError: see `tfner.training.search.trial`.
    """
    load_tensorflow()
    from tfner.training.search.trial import train_trial

    return train_trial(settings, observe)


if __name__ == "__main__":
    run(tune)
