"""Choose how long a training is: how many epochs, and how often each goes over the data."""

from __future__ import annotations

import logging
from typing import NamedTuple

from tfner.setting_groups import TrainingSettings

logger = logging.getLogger(__name__)
FEWEST_PASSES = 3  # over any data
MOST_EPOCHS = 12  # each of which costs scores on dev and a checkpoint
FEW_UPDATES = 100  # fewer than these have taught no corpus that was tried anything of use


class Schedule(NamedTuple):
    """Count epochs, the passes over the data that each is made of, and the updates of a pass.

    An epoch ends with scores on dev and a checkpoint. Where the data are few it holds several
    passes, so that these are not most of the work.
    """

    epochs: int
    passes: int
    steps_per_pass: int

    @property
    def steps_per_epoch(self) -> int:
        """Count the updates of an epoch."""
        return self.passes * self.steps_per_pass

    @property
    def updates(self) -> int:
        """Count the updates of the training."""
        return self.epochs * self.steps_per_epoch

    @property
    def all_passes(self) -> int:
        """Count the passes over the data in the training."""
        return self.epochs * self.passes

    def position_in_data(self, epoch: int, step: int) -> tuple[int, int]:
        """Find the pass over the data that a step of an epoch lies in, and its step there.

        >>> Schedule(epochs=2, passes=3, steps_per_pass=4).position_in_data(1, 6)
        (4, 2)
        """
        passes, step_of_pass = divmod(step, self.steps_per_pass)
        return epoch * self.passes + passes, step_of_pass


def choose_schedule(settings: TrainingSettings, steps_per_pass: int) -> Schedule:
    """Take the epochs that are set, or as many passes as give `min_updates`, three at least.

    >>> choose_schedule(TrainingSettings(epochs="auto", min_updates=300), steps_per_pass=50)
    Schedule(epochs=6, passes=1, steps_per_pass=50)
    >>> choose_schedule(TrainingSettings(epochs="auto", min_updates=300), steps_per_pass=4)
    Schedule(epochs=11, passes=7, steps_per_pass=4)
    """
    if settings.epochs != "auto":
        return Schedule(settings.epochs, 1, steps_per_pass)
    wanted = -(-settings.min_updates // max(1, steps_per_pass))
    wanted = max(FEWEST_PASSES, wanted)
    passes = -(-wanted // MOST_EPOCHS)
    epochs = -(-wanted // passes)
    return Schedule(epochs, passes, steps_per_pass)


def enough_updates(settings: TrainingSettings, schedule: Schedule) -> str:
    """Name the settings that would make FEW_UPDATES.

    >>> enough_updates(TrainingSettings(epochs=3), Schedule(3, 1, steps_per_pass=4))
    'training.epochs to auto, or to at least 25'
    >>> enough_updates(TrainingSettings(min_updates=30), Schedule(8, 1, steps_per_pass=4))
    'training.min_updates to at least 100'
    """
    if settings.epochs == "auto":
        return f"training.min_updates to at least {FEW_UPDATES}"
    epochs = -(-FEW_UPDATES // max(1, schedule.steps_per_pass))
    choice = "" if settings.min_updates < FEW_UPDATES else "auto, or to "
    return f"training.epochs to {choice}at least {epochs:,}"


def log_schedule(settings: TrainingSettings, schedule: Schedule) -> None:
    """Say how many passes an epoch has where it has several, and warn of a training too short."""
    if schedule.passes > 1:
        message = "%d epochs of %d passes over the data each, %d updates in all"
        logger.info(message, schedule.epochs, schedule.passes, schedule.updates)
    if schedule.updates < FEW_UPDATES:
        message = "%d updates in all are few: set %s"
        logger.warning(message, schedule.updates, enough_updates(settings, schedule))
