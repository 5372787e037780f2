"""Watch for skipped steps, whose loss or gradient is not finite, and name their documents."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tfner.data.encoded_corpus import EncodedCorpus
from tfner.data.shards.batches import ShardBatches
from tfner.data.shards.sharded_corpus import PIECE, ShardReader
from tfner.data.windows import Windows, cut_windows
from tfner.exceptions import DivergedError
from tfner.model.keras_internals import leave_logs_on_device
from tfner.training.batches import TrainingBatches
from tfner.training.run_inputs import RunInputs
from tfner.training.state.resume_callback import ResumeCheckpoint

logger = logging.getLogger(__name__)
# From epoch and step, both from 0, to the names of their documents.
DocumentsOf = Callable[[int, int], list[str]]
PIECES_SHOWN = 12


class NonFiniteSteps(keras.callbacks.Callback):
    """Warn of each skipped step with its documents, and end the training after `most` in a row.

    For a model that counts them as `skipped_steps`. A step's count is read as the next one ends, so
    that no step waits for its device. While skipped steps follow each other, `resume` saves nothing
    within an epoch: its checkpoints are of steps that were made.
    """

    def __init__(
        self, most: int, documents_of: DocumentsOf, resume: ResumeCheckpoint | None = None
    ):
        super().__init__()
        leave_logs_on_device(self)
        self.most = most
        self.documents_of = documents_of
        self.resume = resume
        self.in_a_row = 0
        self._pending: tuple[int, int, Any] | None = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch = epoch
        self._count = int(self.model.skipped_steps.numpy())

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._look()
        if logs and "skipped_steps" in logs:
            self._pending = self._epoch, batch, logs["skipped_steps"]

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._look()

    def _look(self) -> None:
        """Read the count of the step before this one."""
        if self._pending is None:
            return
        epoch, step, count = self._pending
        self._pending = None
        skipped = int(count) > self._count
        self._count = int(count)
        self.in_a_row = self.in_a_row + 1 if skipped else 0
        if self.resume:
            self.resume.paused = skipped
        if skipped:
            self._report(epoch, step)

    def _report(self, epoch: int, step: int) -> None:
        names = ", ".join(self.documents_of(epoch, step))
        where = f"epoch {epoch + 1}, step {step + 1}"
        skipped = "the loss or its gradient is not finite; the step is skipped; its documents"
        logger.warning("%s: %s: %s", where, skipped, names)
        if self.in_a_row >= self.most:
            steps = f"{self.in_a_row} steps in a row had a loss or gradient that is not finite"
            kept = "and were skipped; the last checkpoint is kept; documents of the last one"
            advice = "where they are in order, a lower training.learning_rate may help"
            raise DivergedError(f"{where}: {steps} {kept}: {names}; {advice}")


def documents_by_step(inputs: RunInputs, batches: TrainingBatches) -> DocumentsOf:
    """Make the function that names the documents of a batch, which works when it is called."""
    if isinstance(batches, ShardBatches):
        vocabulary = inputs.tokenizer.vocabulary
        return lambda epoch, step: prepared_windows(batches, vocabulary, epoch, step)
    by_split = inputs.splits.documents
    documents = [*by_split["train"], *by_split.get("unlabelled", ())]
    encoder = inputs.settings.encoder

    def documents_of(epoch: int, step: int) -> list[str]:
        corpus = batches.corpus
        pieces = tf.constant(corpus.piece_counts)
        windows = cut_windows(pieces, encoder.max_length - 2, encoder.overlap)
        in_batch = tf.constant(batches.plan(epoch)[step])
        owned = owned_documents(corpus, windows.take(in_batch))
        return [documents[number].id or f"number {number + 1}" for number in owned]

    return documents_of


def owned_documents(corpus: EncodedCorpus, windows: Windows) -> list[int]:
    """Number the documents that own pieces of some windows, ascending."""
    end_of_text = np.cumsum(corpus.piece_counts)
    before_text = np.append(0, end_of_text)[windows.text.numpy()]
    first_piece = before_text + windows.own_start.numpy()
    last_piece = before_text + windows.own_end.numpy() - 1
    end_of_document = np.cumsum(corpus.pieces)
    first = np.searchsorted(end_of_document, first_piece, side="right")
    last = np.searchsorted(end_of_document, last_piece, side="right")
    owned: set[int] = set()
    for begin, end in zip(first.tolist(), last.tolist(), strict=True):
        owned.update(range(begin, end + 1))
    return sorted(owned)


def prepared_windows(
    batches: ShardBatches, vocabulary: tuple[str, ...], epoch: int, step: int
) -> list[str]:
    """Name windows of shards, which do not know their documents' names.

    Each is named by its shard, its number there, and how it begins.
    """
    corpus = batches.corpus
    names = []
    blocks = corpus.blocks
    with ShardReader(corpus) as reader:
        for window in sorted(batches.windows_of(epoch, step)):
            shard = int(blocks.shard[window.block])
            first_block = np.searchsorted(blocks.shard, shard)
            before = int(blocks.begin[window.block] - blocks.begin[first_block])
            pieces = np.frombuffer(reader.windows(window.block)[window.number], PIECE)
            ids = pieces["id"][1 : 1 + PIECES_SHOWN].tolist()
            text = " ".join(vocabulary[id] for id in ids).replace(" ##", "")
            file = corpus.manifest.shards[shard].file
            number = before + window.number + 1
            names.append(f"{file} window {number} ({text!r} …)")
    return names
