"""How well the data keep up with the steps: what a step waits for its batch, and how much of a batch is padding."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf


class Supplied(NamedTuple):
    """Sums over batches: how many, seconds that were waited for them, positions, and those of them that hold a piece."""

    batches: int = 0
    waited: float = 0.0
    positions: int = 0
    pieces: int = 0

    def since(self, earlier: Supplied) -> Supplied:
        return Supplied(
            self.batches - earlier.batches,
            self.waited - earlier.waited,
            self.positions - earlier.positions,
            self.pieces - earlier.pieces,
        )


class Supply:
    """Watches the batches of a dataset on their last stretch, after all that is made ready ahead of the step.

    A batch is asked for when the step begins, in its thread, so the time until it is there is time in which no step runs. With several
    replicas a buffer in front of the devices asks instead, and may ask while steps run.
    """

    def __init__(self) -> None:
        self.so_far = Supplied()

    def watch(self, batches: tf.data.Dataset) -> tf.data.Dataset:
        """The same batches, (x, y, label_mask), counted as they are taken."""
        # Python's clock: TensorFlow's own may not be read in a deterministic run.
        asked = tf.data.Dataset.counter().map(
            lambda _: tf.numpy_function(time.perf_counter, [], tf.float64)
        )
        watched = tf.data.Dataset.zip((asked, batches)).map(
            self._pass_on
        )  # members of a zip are taken one after the other
        options = tf.data.Options()
        options.experimental_optimization.inject_prefetch = (
            False  # something would be ready ahead again, and always be waited for
        )
        return watched.with_options(options)

    def _pass_on(self, asked: tf.Tensor, batch: Any) -> Any:
        x = batch[0]
        mask_BT = x["segment_ids"] if "segment_ids" in x else x["attention_mask"]
        tf.numpy_function(
            self._count, [asked, tf.size(mask_BT), tf.math.count_nonzero(mask_BT)], []
        )
        return batch

    def _count(self, asked: np.ndarray, positions: np.ndarray, pieces: np.ndarray) -> None:
        before, waited = self.so_far, time.perf_counter() - float(asked)
        self.so_far = Supplied(
            before.batches + 1,
            before.waited + waited,
            before.positions + int(positions),
            before.pieces + int(pieces),
        )
