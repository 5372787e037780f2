"""Batches whose labels lie unevenly, and the ways in which a batch can be split up."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import tensorflow as tf
import tiny

WAYS = {
    "whole": 1,
    "parts": 4,
    "replicas": 1,
    "replicas and parts": 2,
}  # how a batch is worked through, and in how many parts


def random_batch(rows: int, length: int = 9, labelled: float = 0.6, seed: int = 0):
    """Draw (x, y, mask) with rows of several lengths and different numbers of labels."""
    random = np.random.default_rng(seed)
    lengths = random.integers(2, length + 1, rows)
    lengths[0] = length
    attention = (np.arange(length) < lengths[:, None]).astype(np.int32)
    ids = (
        random.integers(len(tiny.SPECIAL), len(tiny.vocabulary()), (rows, length)).astype(np.int32)
        * attention
    )
    y = random.integers(0, len(tiny.LABELS), (rows, length)).astype(np.int32)
    mask = (random.random((rows, length)) < labelled) * attention
    return {"input_ids": ids, "attention_mask": attention}, y, mask.astype(np.float32)


def unlabelled_from(batch, row: int):
    """Take the labels off a batch from a row on."""
    x, y, mask = batch
    return x, y, np.where(np.arange(len(mask))[:, None] < row, mask, 0.0).astype(np.float32)


BATCHES = {
    "uneven labels": random_batch(8),
    "rows that no split divides": random_batch(7, seed=1),
    "one row": random_batch(1, seed=2),
    "a replica without labels": unlabelled_from(random_batch(8, seed=3), 4),
    "labels in the last row alone": (
        *random_batch(8, seed=4)[:2],
        np.eye(8, 9, -7, dtype=np.float32),
    ),
    "no label": unlabelled_from(random_batch(8, seed=5), 0),
}


SPEC = tf.TensorSpec([None, None], tf.int32)
BATCH_SPEC = (
    {"input_ids": SPEC, "attention_mask": SPEC},
    SPEC,
    tf.TensorSpec([None, None], tf.float32),
)


def data_of(batch) -> tf.data.Dataset:
    """A dataset of one batch whose shape is left open, as in ours, so that a model traces its step
    once.

    A copy of it: TensorFlow takes over the memory of what a generator gives, and writes into it.
    """
    return tf.data.Dataset.from_generator(
        lambda: iter([deepcopy(batch)]), output_signature=BATCH_SPEC
    )
