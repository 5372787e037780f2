"""Run the training loop: Keras's fit from any position in the data, and what stops it."""

from __future__ import annotations

import logging
from collections.abc import Callable

import tensorflow as tf
import tf_keras as keras

from tfner.exceptions import Terminated
from tfner.training.batches import TrainingBatches
from tfner.training.state.resume_callback import ResumeCheckpoint, TrainingPosition
from tfner.training.state.termination import announce_ctrl_c, interruption

logger = logging.getLogger(__name__)
DatasetFrom = Callable[[TrainingPosition], tf.data.Dataset]


class OneTraining(keras.callbacks.CallbackList):
    """Make several calls of `fit` one training to their callbacks.

    The training begins and ends once, and the steps of an epoch are counted from `first_step`.
    """

    first_step = 0

    def begin(self) -> None:
        super().on_train_begin()

    def end(self) -> None:
        super().on_train_end()

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Do nothing: `begin` has done it."""

    def on_train_end(self, logs: dict | None = None) -> None:
        """Do nothing: `end` will do it."""

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        super().on_train_batch_begin(self.first_step + batch, logs)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        super().on_train_batch_end(self.first_step + batch, logs)


def fit_until_stopped(
    dataset_from: DatasetFrom,
    together: OneTraining,
    resume: ResumeCheckpoint,
    batches: TrainingBatches,
) -> bool:
    """Train the epochs that are left; return whether Ctrl-C ended that.

    However it ends, the state is saved; after the end and after Ctrl-C the model has its best
    weights.

    Raises:
        DataError: prepared data are damaged.
        Terminated: the process has been asked to end.
    """
    saving = f"finishing the step, then saving {resume.checkpoints.folder}"
    with announce_ctrl_c(lambda: saving, lambda: f"ended at once; {describe_saved(resume)}"):
        return fit_and_save(dataset_from, together, resume, batches)


def fit_and_save(
    dataset_from: DatasetFrom,
    together: OneTraining,
    resume: ResumeCheckpoint,
    batches: TrainingBatches,
) -> bool:
    """Do what `fit_until_stopped` does."""
    together.begin()
    interrupted = False
    try:
        fit_remaining_epochs(dataset_from, together, resume)
    except BaseException as error:
        stopped = interruption(error)
        if isinstance(stopped, KeyboardInterrupt):
            resume.save_interrupted()
            logger.info("%s", describe_saved(resume))
            interrupted = True
        elif stopped is not None:
            raise Terminated(save_terminated(stopped, resume)) from None
        elif isinstance(error, tf.errors.OpError):
            raise getattr(batches, "failure", None) or error from None
        else:
            raise
    together.end()
    return interrupted


def save_terminated(stopped: BaseException, resume: ResumeCheckpoint) -> str:
    """Save the state and say where it is; after a failed step the last checkpoint has to do.

    A step that failed because another process was told earlier may have changed some weights.
    """
    step_failed = isinstance(stopped.__context__, tf.errors.OpError)
    if not step_failed:
        resume.save_interrupted()
    return describe_saved(resume)


def describe_saved(resume: ResumeCheckpoint) -> str:
    """Say which checkpoint is on disk, from which the same command goes on."""
    saved = "only the first process saves"
    if resume.checkpoints.mine:
        at_begin = resume.saved == TrainingPosition()
        saved = "nothing is saved yet" if at_begin else f"saved at {resume.saved}"
    return f"{resume.checkpoints.folder}: {saved}; the same command goes on from there"


def fit_remaining_epochs(
    dataset_from: DatasetFrom, together: OneTraining, resume: ResumeCheckpoint
) -> None:
    """Train the rest of the epoch that `resume.position` lies in, then the epochs after it.

    Both are calls of Keras's `fit`, which learn what one uninterrupted call learns, bit for bit.
    """
    if resume.position.step:
        finish_epoch(dataset_from, together, resume.position)
    epochs = together.params["epochs"]
    steps = together.params["steps"]
    if not resume.ended and resume.position.epoch < epochs:
        call_fit(dataset_from, together, resume.position, epochs, steps)


def call_fit(
    dataset_from: DatasetFrom,
    together: OneTraining,
    position: TrainingPosition,
    epochs: int,
    steps: int,
) -> None:
    """Call Keras's `fit` from a position until so many epochs are over, each with `steps` steps."""
    counts = {"epochs": epochs, "initial_epoch": position.epoch, "steps_per_epoch": steps}
    together.model.fit(dataset_from(position), callbacks=together, verbose=0, **counts)


def finish_epoch(
    dataset_from: DatasetFrom, together: OneTraining, position: TrainingPosition
) -> None:
    """Train the steps that an epoch still lacks, and end it."""
    model = together.model
    epoch = position.epoch
    steps = together.params["steps"] - position.step
    if steps:
        together.first_step = position.step
        call_fit(dataset_from, together, position, epoch + 1, steps)
        together.first_step = 0
        return
    # Stopped between its last step and its end; Keras has no epoch without a step.
    model.stop_training = False
    together.on_epoch_begin(epoch)
    results = model.get_metrics_result()
    together.on_epoch_end(epoch, {name: float(value) for name, value in results.items()})
