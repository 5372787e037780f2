"""Measure how well the data keep up with the steps: waiting for batches, and padding in them."""

from __future__ import annotations

import time
from operator import add, sub
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf


class InputTotals(NamedTuple):
    """Hold sums over batches."""

    batches: int = 0
    waited: float = 0.0  # seconds from asking for a batch until it was there
    positions: int = 0
    pieces: int = 0  # positions that hold a piece; the others are padding

    def since(self, earlier: InputTotals) -> InputTotals:
        """Subtract what had been counted earlier."""
        return InputTotals._make(map(sub, self, earlier))


class InputMonitor:
    """Watch the batches of a dataset where the step takes them, behind all prefetching.

    A batch is asked for when the step begins, in its thread, so the time until it is there is time
    in which no step runs. With several replicas a buffer in front of the devices asks instead, and
    may ask while steps run.
    """

    def __init__(self) -> None:
        self.totals = InputTotals()

    def watch(self, batches: tf.data.Dataset) -> tf.data.Dataset:
        """Count batches (x, y, label_mask) as they are taken from the dataset, unchanged."""
        asked = tf.data.Dataset.counter().map(_now)
        # Members of a zip are taken one after the other: first the time, then the batch.
        watched = tf.data.Dataset.zip((asked, batches)).map(self._pass_on)
        options = tf.data.Options()
        # A prefetch behind this would ask for the next batch early, and always wait for it.
        options.experimental_optimization.inject_prefetch = False
        return watched.with_options(options)

    def _pass_on(self, asked: tf.Tensor, batch: Any) -> Any:
        x = batch[0]
        mask_BT = x["segment_ids"] if "segment_ids" in x else x["attention_mask"]
        pieces = tf.math.count_nonzero(mask_BT)
        tf.numpy_function(self._count, [asked, tf.size(mask_BT), pieces], [])
        return batch

    def _count(self, asked: np.ndarray, positions: np.ndarray, pieces: np.ndarray) -> None:
        waited = time.perf_counter() - float(asked)
        batch = InputTotals(1, waited, int(positions), int(pieces))
        self.totals = InputTotals._make(map(add, self.totals, batch))


def _now(_: tf.Tensor) -> tf.Tensor:
    """Read Python's clock in graph: TensorFlow's own may not be read in a deterministic run."""
    return tf.numpy_function(time.perf_counter, [], tf.float64)
