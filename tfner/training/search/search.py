"""Carry out a search: claim a trial, train it, keep its result, until as many as asked have ended.

Several processes may do so on one folder.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

from tfner.config import RunSettings
from tfner.exceptions import ConfigError, DivergedError
from tfner.safeio.sources import RUN, is_share
from tfner.training.search.folder import SearchFolder
from tfner.training.search.progress import SearchProgress
from tfner.training.search.records import TrialRecord, number_folder
from tfner.training.search.results import write_results
from tfner.training.search.space import SearchSpace
from tfner.training.search.study import Claim, Study

# Of an epoch, from 1, of all epochs, with its dev F1: whether the training is to end with it.
Observe = Callable[[int, int, float], bool]


class NoResultError(Exception):
    """Say why a trial has no result though the search goes on: too large for the memory."""


class ContradictionError(NoResultError):
    """Say which settings of a trial contradict one another, or the data."""


class Objective(Protocol):
    """Train a configuration, and call `observe` after each epoch; return its dev F1.

    Raises:
        DivergedError, NoResultError: it has none; the search goes on.
        ContradictionError: so it is, but of the configuration as it stands, which is to be mended.
        KeyboardInterrupt, Terminated: it was stopped, and goes on when it is called again.
    """

    def __call__(self, settings: RunSettings, observe: Observe) -> float: ...


def search(
    folder: SearchFolder,
    space: SearchSpace,
    objective: Objective,
    progress: SearchProgress,
    *,
    trials: int,
    prunes: bool = True,
) -> list[TrialRecord]:
    """Train trials until so many have ended, over all processes and earlier calls together.

    Results are written after each trial.

    Returns:
        The trials that have ended, by number.

    Raises:
        ConfigError: the configuration as it stands cannot be trained.
        StorageError: the folder or the database cannot be used.
        TfnerError: what ends any training, such as data that cannot be read.
        KeyboardInterrupt, Terminated: the search was stopped; the same call goes on.
    """
    study = Study(folder, space, prunes=prunes)
    with folder.working() as worker, progress.shown(study.records(), trials):
        while claim := study.claim(trials, worker):
            carry_out(study, claim, objective, progress)
            records = study.records()
            progress.end_trial(records, claim.number)
            importance = study.importance()
            write_results(folder, space, records, importance)
    return study.records()


def carry_out(study: Study, claim: Claim, objective: Objective, progress: SearchProgress) -> None:
    """Train one claimed trial and keep its result; a trial that is stopped is given back."""
    if claim.settings is None:
        study.finish(claim, None, 0.0, claim.reason)
        return
    if twin := study.find_twin(claim):
        study.copy_result(claim, twin)
        return
    values = study.space.values_of(claim.settings)
    progress.begin_trial(claim.number, values)
    settings = trial_settings(study.folder, claim)
    start = time.monotonic()

    def seconds() -> float:
        return time.monotonic() - start

    def observe(epoch: int, epochs: int, f1: float) -> bool:
        progress.show_epoch(epoch, epochs, f1)
        return study.report(claim, epoch, epochs, f1)

    try:
        f1 = objective(settings, observe)
    except (DivergedError, NoResultError) as error:
        if claim.is_base and isinstance(error, ContradictionError):
            study.release(claim, seconds())
            raise ConfigError(str(error)) from None
        study.finish(claim, None, seconds(), str(error))
    except BaseException:
        study.release(claim, seconds())
        raise
    else:
        study.finish(claim, f1, seconds())


def trial_settings(folder: SearchFolder, claim: Claim) -> RunSettings:
    """Make the settings of a trial's own run: without test and export, with corpora kept.

    A test split that is looked at in each trial would be no test any more.
    """
    settings = claim.settings
    if settings is None:
        raise ValueError(f"trial {claim.number}: {claim.reason}")
    cache = settings.data.cache or str(folder.cache)
    changed: dict[str, Any] = {"note": "", "runs_dir": str(folder.trials)}
    changed["name"] = number_folder(claim.number)
    data: dict[str, Any] = {"test": None, "cache": cache}
    if settings.data.shares():
        # Else what test would have would be learned.
        data["train"] = f"{RUN}{folder.path}:train"
    if is_share(settings.data.dev):
        data["dev"] = f"{RUN}{folder.path}:dev"
    changed["data"] = settings.data.model_copy(update=data)
    changed["export"] = settings.export.model_copy(update={"enabled": False})
    return settings.model_copy(update=changed)
