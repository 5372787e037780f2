"""Replicas, in whatever processes, get the rows of the whole batch, all in one shape."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import tensorflow as tf
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st

from tfner.data.batching.batches import Batches, PaddedSettings
from tfner.data.batching.packed_batches import PackedBatches, PackedSettings
from tfner.data.batching.replica_range import ReplicaRange
from tfner.data.encoded_corpus import EncodedCorpus
from tfner.data.shards.batches import ShardBatches
from tfner.data.shards.manifest import Encoding, Manifest
from tfner.data.shards.sharded_corpus import ShardedCorpus, ShardWriter

PAD, LONGEST = 9, 40


def corpus_of(lengths) -> EncodedCorpus:
    """Window i holds the id 100 + i at every piece, the label i % 3 and the mask 1."""
    number = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    flat = (100 + number, number % 3, np.ones(len(number), np.float32))
    ids, labels, mask = (tf.RaggedTensor.from_row_lengths(values, lengths) for values in flat)
    return EncodedCorpus(ids, labels, mask, np.array(lengths, np.int32) - 2)


def on_disk(folder, lengths) -> ShardedCorpus:
    writer = ShardWriter(folder, 0, 1)
    writer.add(corpus_of(lengths))
    info, counts = writer.finish()
    encoding = Encoding(
        labels=tiny.LABELS.types,
        tag_scheme="IOB2",
        labelling="word",
        max_length=LONGEST,
        overlap=8,
        tokenizer="",
    )
    sums = {"documents": info.documents, "windows": info.windows, "pieces": info.pieces}
    Manifest(
        source="here", encoding=encoding, lost={}, lengths=dict(counts), shards=[info], **sums
    ).write(folder)
    return ShardedCorpus(folder)


def batches_of(lengths, batching, batch_size, folder=None):
    packed = batching == "packed"
    how = (
        PackedSettings(batch_size, LONGEST, PAD, 1)
        if packed
        else PaddedSettings(batch_size, batching, (8, 16, 32), PAD, 1)
    )
    if folder is not None:
        return ShardBatches(on_disk(folder, lengths), how)
    return PackedBatches(corpus_of(lengths), how) if packed else Batches(corpus_of(lengths), how)


def tensors(batch) -> dict[str, np.ndarray]:
    x, y, mask = batch
    return {**x, "y": y, "mask": mask}


def rows_with_windows(batch) -> list[tuple]:
    """All that a row holds in every tensor, for the rows that hold a window."""
    members = tensors(batch)
    real = members["segment_ids" if "segment_ids" in members else "attention_mask"].any(1)
    for name, value in members.items():
        assert (value[~real] == (PAD if name == "input_ids" else 0)).all(), name
    return [
        tuple(tuple(value[row].tolist()) for value in members.values())
        for row in np.flatnonzero(real)
    ]


def check_shares(batches, replicas: int, workers: int, first_step: int = 0) -> None:
    each = replicas // workers
    whole = list(batches.training(2, 0, first_step).as_numpy_iterator())
    shares = [
        ReplicaRange(worker * each, (worker + 1) * each, replicas) for worker in range(workers)
    ]
    streams = [batches.training(2, 0, first_step, share).as_numpy_iterator() for share in shares]
    for batch in whole:
        replica_batches = [batch for stream in streams for batch in islice(stream, each)]
        shapes = {value.shape for batch in replica_batches for value in tensors(batch).values()}
        rows = [rows_with_windows(batch) for batch in replica_batches]
        assert len(shapes) == 1
        assert next(iter(shapes)) == (-(-len(batch[1]) // replicas), batch[1].shape[1])
        assert [row for own in rows for row in own] == rows_with_windows(batch)
        assert max(map(len, rows)) - min(map(len, rows)) <= 1
    assert all(next(stream, None) is None for stream in streams)


@settings(max_examples=12)
@given(
    lengths=st.lists(st.integers(3, LONGEST), min_size=1, max_size=30),
    batching=st.sampled_from(["packed", "bucketed", "padded"]),
    batch_size=st.integers(1, 6),
    workers=st.integers(1, 4),
    each=st.integers(1, 3),
    first_step=st.integers(0, 1),
)
def test_the_parts_of_all_workers_are_the_batch(
    lengths, batching, batch_size, workers, each, first_step
):
    check_shares(batches_of(lengths, batching, batch_size), workers * each, workers, first_step)


@pytest.mark.parametrize("batching", ["packed", "bucketed", "padded"])
def test_so_are_those_of_a_corpus_on_disk(tmp_path, batching):
    lengths = np.random.default_rng(3).integers(3, LONGEST + 1, 41).tolist()
    batches = batches_of(lengths, batching, 3, tmp_path)
    check_shares(batches, 4, 2)
    check_shares(batches, 3, 3, first_step=2)


def test_shapes_are_static_where_rows_are_packed():
    spec = (
        batches_of([30] * 9, "packed", 5).training(1, replicas=ReplicaRange(0, 1, 2)).element_spec
    )
    assert {tuple(each.shape) for each in tf.nest.flatten(spec)} == {(2, LONGEST)}
