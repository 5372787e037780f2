"""Steps that were skipped because their loss or gradient was not finite: which documents they held, and when there are too many."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tfner.data.batching.batches import Batches
from tfner.data.batching.packed_batches import PackedBatches
from tfner.data.shards.batches import ShardBatches
from tfner.data.shards.sharded_corpus import PIECE, ShardReader
from tfner.data.windows import cut_windows
from tfner.exceptions import DivergedError
from tfner.training.run_inputs import Prepared
from tfner.training.state.resume_callback import LastState

logger = logging.getLogger(__name__)
DocumentsOf = Callable[
    [int, int], list[str]
]  # epoch and step, both from 0, to the names of their documents
PIECES_SHOWN = 12


class NonFiniteSteps(keras.callbacks.Callback):
    """Name the documents of each skipped step in a warning, and stop the training after `most` of them in a row.

    For a model that counts them as `skipped_steps`. A step's count is read as the next one ends, so that no step waits for its device.
    While skipped steps follow each other, `last` saves nothing within an epoch: what it has is of steps that were made.
    """

    def __init__(self, most: int, documents_of: DocumentsOf, last: LastState | None = None):
        super().__init__()
        self._supports_tf_logs = True
        self.most = most
        self.documents_of = documents_of
        self.last = last
        self.in_a_row = 0
        self._pending: tuple[int, int, Any] | None = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch, self._count = epoch, int(self.model.skipped_steps.numpy())

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._look()
        self._pending = (
            (self._epoch, batch, logs["skipped_steps"])
            if logs and "skipped_steps" in logs
            else None
        )

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._look()

    def _look(self) -> None:
        if self._pending is None:
            return
        (epoch, step, count), self._pending = self._pending, None
        skipped, self._count = int(count) - self._count, int(count)
        self.in_a_row = self.in_a_row + 1 if skipped else 0
        if self.last:
            self.last.hold = self.in_a_row > 0
        if skipped:
            self._say(epoch, step)

    def _say(self, epoch: int, step: int) -> None:
        names = self.documents_of(epoch, step)
        where = f"epoch {epoch + 1}, step {step + 1}"
        logger.warning(
            "%s: the loss or its gradient is not finite; the step is skipped; its documents: %s",
            where,
            ", ".join(names),
        )
        if self.in_a_row >= self.most:
            raise DivergedError(f"{where}: {self.in_a_row} steps in a row had a loss or gradient that is not finite and were skipped; "
                                f"the last checkpoint is kept; documents of the last one: {', '.join(names)}; where they are in order, "
                                "a lower training.learning_rate may help")  # fmt: skip


def documents_by_step(
    prepared: Prepared, batches: Batches | PackedBatches | ShardBatches
) -> DocumentsOf:
    """Names of what is in a batch, worked out when it is asked for."""
    if isinstance(batches, ShardBatches):
        return lambda epoch, step: prepared_windows(
            batches, prepared.tokenizer.vocabulary, epoch, step
        )
    documents, encoder = prepared.splits.documents["train"], prepared.settings.encoder

    def names(epoch: int, step: int) -> list[str]:
        document_of_N = cut_windows(
            tf.constant(batches.corpus.pieces), encoder.max_length - 2, encoder.overlap
        ).text.numpy()
        numbers = sorted({int(document_of_N[window]) for window in batches.plan(epoch)[step]})
        return [documents[number].id or f"number {number + 1}" for number in numbers]

    return names


def prepared_windows(
    batches: ShardBatches, vocabulary: tuple[str, ...], epoch: int, step: int
) -> list[str]:
    """Shards do not know their documents' names: each window by its shard, its number there, and how it begins."""
    corpus, names = batches.corpus, []
    with ShardReader(corpus) as reader:
        for window in sorted(batches.windows_of(epoch, step)):
            shard = int(corpus.blocks.shard[window.block])
            before = int(
                corpus.blocks.begin[window.block]
                - corpus.blocks.begin[np.searchsorted(corpus.blocks.shard, shard)]
            )
            ids = np.frombuffer(reader.windows(window.block)[window.number], PIECE)["id"][
                1 : 1 + PIECES_SHOWN
            ]
            text = " ".join(vocabulary[id] for id in ids.tolist()).replace(" ##", "")
            names.append(
                f"{corpus.manifest.shards[shard].file} window {before + window.number + 1} ({text!r} …)"
            )
    return names
