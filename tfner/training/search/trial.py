"""Train one trial of a search, as `tfner.train` trains any configuration."""

from __future__ import annotations

import gc

import tensorflow as tf
import tf_keras as keras
from rich.console import Console

from tfner.config import RunSettings
from tfner.exceptions import ConfigError, ModelError
from tfner.model.heads.head import HEADS
from tfner.safeio.printable import first_line
from tfner.training.devices.strategy import open_devices
from tfner.training.run import train
from tfner.training.search.search import ContradictionError, NoResultError, Observe
from tfner.training.search.space import HEAD, SearchSpace
from tfner.training.state.run_list import summarize_run


class DevScores(keras.callbacks.Callback):
    """Tell a search the dev F1 of each epoch, and end the training where it says so.

    The end is that of early stopping, which checkpoints hold: a process that is killed right after
    goes on to the same end.
    """

    def __init__(self, observe: Observe):
        super().__init__()
        self.observe = observe

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        scores = logs or {}
        f1 = float(scores["val_entity_f1"])
        epochs = self.params["epochs"]
        if self.observe(epoch + 1, epochs, f1):
            self.model.stop_training = True


def train_trial(settings: RunSettings, observe: Observe) -> float:
    """Train a configuration, and return the dev F1 of its best weights.

    Raises:
        ContradictionError: settings contradict one another in a way that only a training finds.
        NoResultError: the memory of the device is too small for it.
        ConfigError: the devices are not there, for this trial as for any other.
        KeyboardInterrupt: Ctrl-C has stopped it; the state is saved.
        TfnerError, Terminated: see `tfner.training.run.train`.
    """
    open_devices(settings.devices)
    try:
        console = Console(quiet=True)
        outcome = train(settings, console, callbacks=[DevScores(observe)])
    except ConfigError as error:
        raise ContradictionError(str(error)) from None
    except tf.errors.ResourceExhaustedError as error:
        raise NoResultError(f"out of memory: {first_line(error)}") from None
    finally:
        # What Keras keeps of the models before would fill the memory.
        keras.backend.clear_session()
        gc.collect()
    if outcome.state == "interrupted":
        raise KeyboardInterrupt
    # A run that an earlier process has brought to its end is only read.
    run = summarize_run(outcome.folder.path)
    if run.f1 is None:
        raise ModelError(f"{outcome.folder.report}: expected the F1 on dev, found none")
    return run.f1


def check_heads(space: SearchSpace, source: str) -> None:
    """Check that the head of each trial is there: names are known once TensorFlow is loaded.

    Raises:
        ConfigError: one is not.
    """
    unknown = sorted(space.heads() - HEADS.keys())
    if unknown:
        known = ", ".join(sorted(HEADS))
        where = f"tune.space: {HEAD}" if HEAD in space.dimensions else HEAD
        raise ConfigError(f"{source}: {where}: expected heads of {known}, got {unknown[0]}")
