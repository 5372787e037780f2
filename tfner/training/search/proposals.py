"""Ask Optuna: what is drawn next, which trials are behind the others, which settings matter."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial
from sqlalchemy.exc import SQLAlchemyError

from tfner.exceptions import StorageError
from tfner.safeio.printable import first_line
from tfner.training.search.dimensions import Choices, Dimension

STUDY = "search"
LOCKED_SECONDS = 60.0  # to wait for another process's transaction
# Trials of different epochs are compared at the same share of their training, in so many steps.
STEPS = 12
# No trial is pruned in its first quarter, nor before so many others are finished …
FIRST_STEP = STEPS // 4
STARTUP_TRIALS = 5
COMPARED_TRIALS = 3  # … and so many have been scored at the same share.
FEWEST_FOR_IMPORTANCE = 10
BEST_SHARE = 0.25  # a setting matters if the best quarter of the trials differ from all by it


def open_study(path: Path, *, prunes: bool) -> optuna.Study:
    """Open the study in a database, made where it is not there."""
    connection = {"connect_args": {"timeout": LOCKED_SECONDS}}
    url = f"sqlite:///{path}"
    storage = optuna.storages.RDBStorage(url, connection)
    pruner = optuna.pruners.NopPruner()
    if prunes:
        pruner = build_pruner()
    options: Any = {"direction": "maximize", "load_if_exists": True}
    return optuna.create_study(study_name=STUDY, storage=storage, pruner=pruner, **options)


def build_pruner() -> optuna.pruners.BasePruner:
    """Build what finds a trial behind whose best epoch is below the median of the others."""
    return optuna.pruners.MedianPruner(STARTUP_TRIALS, FIRST_STEP, n_min_trials=COMPARED_TRIALS)


def build_sampler(seed: int, number: int) -> optuna.samplers.BaseSampler:
    """Build what proposes the settings of a trial, from its number and the trials before.

    So a search that goes on draws what it would have drawn without a break.
    """
    sequence = np.random.SeedSequence((seed, number))
    (drawn,) = sequence.generate_state(1)
    options = dict.fromkeys(("multivariate", "group", "constant_liar"), True)
    with quiet_warnings():
        return optuna.samplers.TPESampler(seed=int(drawn), **options)


def distribution(dimension: Dimension) -> BaseDistribution:
    """Say in Optuna's terms what is tried of a setting."""
    if isinstance(dimension, Choices):
        return CategoricalDistribution(dimension.values)
    low, high, log, step, whole = vars(dimension).values()
    if whole:
        return IntDistribution(low, high, log, int(step or 1))
    return FloatDistribution(low, high, log, step)


def estimate_importance(trials: Sequence[FrozenTrial]) -> dict[str, float] | None:
    """Estimate what share each setting has in how good a trial is (PED-ANOVA).

    The evaluator is the one of Optuna's that needs no scikit-learn.

    Args:
        trials: finished ones that have the same settings.

    Returns:
        Shares that sum to 1, the largest first; None of too few trials.
    """
    if len(trials) < FEWEST_FOR_IMPORTANCE:
        return None
    with quiet_warnings():
        # Seconds, where scikit-learn is installed: another evaluator of Optuna's would use it.
        from optuna.importance import PedAnovaImportanceEvaluator

        study = optuna.create_study(direction="maximize")
        study.add_trials(trials)
        evaluator = PedAnovaImportanceEvaluator(target_quantile=BEST_SHARE)
        return optuna.importance.get_param_importances(study, evaluator=evaluator)


def quiet_log() -> None:
    """Let Optuna's log pass through ours, and of it only warnings."""
    optuna.logging.disable_default_handler()
    optuna.logging.enable_propagation()
    optuna.logging.set_verbosity(logging.WARNING)


@contextmanager
def quiet_warnings() -> Iterator[None]:
    """Keep it to ourselves that Optuna calls something experimental."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def using(path: Path) -> Iterator[None]:
    """Re-raise what a database says as a StorageError.

    Raises:
        StorageError: it cannot be read or written.
    """
    try:
        yield
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        cause = getattr(error, "orig", None) or error
        reason = first_line(cause)
        raise StorageError(f"{path}: cannot be used: {reason}") from None
