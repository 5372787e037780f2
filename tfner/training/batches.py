"""Make the batches of a run's training data as its settings say."""

from __future__ import annotations

import zlib

import numpy as np

from tfner.data.batching.batches import Batches, PaddedSettings
from tfner.data.batching.collate import WIDTH_STEP
from tfner.data.batching.packed_batches import PackedBatches, PackedSettings
from tfner.data.shards.batches import ShardBatches
from tfner.data.shards.sharded_corpus import ShardedCorpus
from tfner.training.run_inputs import RunInputs

SHORTEST_ROW = 64  # pieces
TrainingBatches = Batches | PackedBatches | ShardBatches


def make_batches(inputs: RunInputs) -> TrainingBatches:
    """Make the batches of the training split, as `training.batching` says."""
    settings = inputs.settings.training
    corpus = inputs.corpora["train"]
    pad_id = inputs.tokenizer.pad_id
    seed = inputs.settings.seed
    batch_size = settings.batch_size
    sharded = isinstance(corpus, ShardedCorpus)
    lengths = corpus.blocks.lengths if sharded else corpus.lengths
    if inputs.settings.data.context != "none":
        sentences = corpus.manifest.documents if sharded else len(corpus.pieces)
        batch_size = windows_of_sentences(batch_size, sentences=sentences, windows=len(lengths))
    batching = settings.batching
    if batching == "packed":
        row_length = settings.row_length or usual_row_length(lengths, batch_size)
        packed = PackedSettings(batch_size, row_length, pad_id, seed)
        return ShardBatches(corpus, packed) if sharded else PackedBatches(corpus, packed)
    padded = PaddedSettings(batch_size, batching, settings.bucket_lengths, pad_id, seed)
    if isinstance(corpus, ShardedCorpus):
        return ShardBatches(corpus, padded)
    return Batches(corpus, padded)


def windows_of_sentences(batch_size: int, *, sentences: int, windows: int) -> int:
    """Count the windows that hold about `batch_size` sentences, and no more windows than that.

    Windows of several sentences are few and long. With as many in a batch as of single sentences an
    update would see, and cost, several times as much.

    >>> windows_of_sentences(32, sentences=1000, windows=300)
    10
    """
    wanted = round(batch_size * windows / max(1, sentences))
    return min(batch_size, max(1, wanted))


def usual_row_length(lengths_N: np.ndarray, batch_size: int) -> int:
    """Choose the pieces of a packed row from the windows' lengths, int [N].

    A row holds the longest window and has at least SHORTEST_ROW pieces, but no more than a batch is
    to have. Longer rows fill no better, and attention grows with their square.

    >>> usual_row_length(np.array([9, 12, 30]), batch_size=8)
    64
    >>> usual_row_length(np.array([9, 12, 30]), batch_size=2)
    34
    >>> usual_row_length(np.array([9, 12, 100]), batch_size=8)
    104
    """
    batch_pieces = round(batch_size * float(lengths_N.mean())) if len(lengths_N) else SHORTEST_ROW
    longest = int(lengths_N.max(initial=0))
    rounded = -(-longest // WIDTH_STEP) * WIDTH_STEP
    return max(longest, min(SHORTEST_ROW, batch_pieces), min(rounded, batch_pieces))


def describe_batches(batches: TrainingBatches) -> str:
    """Describe the data that a position in a training refers to."""
    checksum = zlib.crc32(batches.lengths.tobytes())
    windows = len(batches.lengths)
    return f"{batches.steps_per_epoch} steps, {windows} windows, lengths {checksum:08x}"
