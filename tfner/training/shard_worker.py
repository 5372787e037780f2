"""Encode documents and append their windows to shards, in a process of `python -m tfner.prepare`.

TensorFlow is loaded in these processes only; the one that reads the data stays small.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import wait
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from tfner.corpus.ledger import Entry, Ledger
from tfner.documents import Document

if TYPE_CHECKING:
    from tfner.data.shards.manifest import ShardInfo
    from tfner.data.shards.sharded_corpus import ShardWriter
    from tfner.tagging.schemes import LabelSet
    from tfner.tokenizers.protocol import Tokenizer


@dataclass(frozen=True)
class Task:
    """Say how documents are encoded, and into how many shards of a folder."""

    folder: Path
    shards: int
    checkpoint: Path
    labels: LabelSet
    options: dict[str, Any]  # of `encode`: max_length, overlap, labelling, context
    load: Callable[[], None]  # TensorFlow, as the caller would have it loaded


@dataclass
class Worker:
    """Hold a process's tokenizer and the shards that it has begun."""

    task: Task
    tokenizer: Tokenizer
    writers: dict[int, ShardWriter]


_of_this_process: list[Worker] = []


def set_up_process() -> None:
    """Leave Ctrl-C, which reaches every process of a terminal, to the parent, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=end_with_the_parent, daemon=True).start()


def end_with_the_parent() -> None:
    """Wait for the parent's end: one that is killed tells nobody."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def begin(task: Task) -> str:
    """Load what is needed; return the tokenizer's fingerprint.

    Raises:
        ModelError: the checkpoint has no tokenizer that is known here.
    """
    # Encoding takes no GPU, and must not take its memory.
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    task.load()
    use_one_core()
    from tfner.tokenizers.registry import open_tokenizer

    tokenizer = open_tokenizer(task.checkpoint)
    _of_this_process[:] = [Worker(task, tokenizer, {})]
    return tokenizer.fingerprint()


def use_one_core() -> None:
    """Limit this process to one thread of each kind: there are as many processes as cores."""
    import tensorflow as tf

    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.threading.set_intra_op_parallelism_threads(1)


def add(shard: int, documents: Sequence[Document]) -> list[Entry]:
    """Encode documents into a shard; return what was dropped."""
    from tfner.data.encoded_corpus import encode

    (worker,) = _of_this_process
    task = worker.task
    ledger = Ledger()
    encoded = encode(documents, worker.tokenizer, task.labels, ledger, **task.options)
    writer_of(worker, shard, documents).add(encoded)
    return ledger.entries


def finish(shard: int) -> tuple[ShardInfo, Counter[int]]:
    """Give a shard its name; return what it holds, and its windows by length."""
    (worker,) = _of_this_process
    return writer_of(worker, shard).finish()


def writer_of(worker: Worker, shard: int, first: Sequence[Document] = ()) -> ShardWriter:
    """Find the writer of a shard; one that is begun notes what its first documents are like."""
    from tfner.data.raw_sentences import sentences_per_document
    from tfner.data.shards.sharded_corpus import ShardWriter

    if shard not in worker.writers:
        per_document = sentences_per_document(first, worker.tokenizer)
        task = worker.task
        worker.writers[shard] = ShardWriter(task.folder, shard, task.shards, per_document)
    return worker.writers[shard]
